"""The commands by which people steer the guards, as at a keyboard."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.cli import main
from streams.notices import handlers
from streams.notices.casebook import figures, sealing
from streams.notices.casebook.database import Casebook
from tests.support.notices import make_desk, make_detection

Takin = Callable[..., tuple[int, str]]
SECRET = "whsec_" + base64.b64encode(b"practice".ljust(32, b".")).decode()
PLATFORMS = f"""
platforms:
  - {{name: market, kind: sandbox, base_url: "http://127.0.0.1:9", private_address: true, dev_only: true,
      secret: {SECRET}}}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "platforms.yaml").write_text(PLATFORMS)
    casebook = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}")
    now = datetime.now(UTC)
    casebook.decide(handlers.take_detection, make_detection("1"), make_desk(), now=now)
    review = make_detection("2", outcome="review")
    review = review.model_copy(
        update={"rules": (review.rules[0].model_copy(update={"legal_basis": ("cites-i-ii",)}),)}
    )
    casebook.decide(handlers.take_detection, review, make_desk(), now=now)
    casebook.close()
    return tmp_path


@pytest.fixture
def takin(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Takin:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{place / 'casebook.db'}")
    monkeypatch.setenv("TAKIN_PLATFORMS_FILE", str(place / "platforms.yaml"))

    def run(*words: str) -> tuple[int, str]:
        status = main(["notices", *words])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


def test_a_hold_takes_two_people_and_says_what_is_still_missing(place: Path, takin: Takin) -> None:
    casebook = Casebook.open(f"sqlite:///{place / 'casebook.db'}")
    [notice] = casebook.answer(figures.item_times)
    case = notice.reference

    no_end = takin("hold", case, "--as", "Ada", "--reason", "case 17")
    asked = takin("hold", case, "--hours", "2", "--as", "Ada", "--reason", "case 17")
    alone = takin("confirm-hold", case, "--as", "ADA ")
    both = takin("confirm-hold", case, "--as", "Ben")
    shown = json.loads(takin("guards", "--json")[1])
    ended = takin("release", case, "--as", "Cem")

    assert no_end[0] != 0
    assert "--hours 72" in no_end[1]
    assert asked[0] == 0
    assert "It is NOT in force" in asked[1]
    assert alone[0] != 0
    assert "another person has to confirm it" in alone[1]
    assert both[0] == ended[0] == 0
    assert [(one["asked_by"], one["confirmed_by"], one["in_force"]) for one in shown["holds"]] == [
        ("Ada", "Ben", True)
    ]
    assert casebook.answer(sealing.verify).breaks == ()
    casebook.close()


def test_stop_resume_excess_and_guards_read_like_sentences(takin: Takin) -> None:
    nothing = takin("stop", "--as", "Ada", "--reason", "x")
    stopped = takin("stop", "--platform", "market", "--as", "Ada", "--reason", "they asked")
    shown = takin("guards")
    resumed = takin("resume", "--platform", "market", "--as", "Ada")
    one = takin("approve-excess", "market", "5", "--as", "Ada", "--reason", "seizure")
    two = takin("approve-excess", "market", "5", "--as", "Ben", "--reason", "seizure")

    assert nothing[0] != 0
    assert "one of --all, --platform NAME or --rule ID" in nothing[1]
    assert "Sending is stopped: platform market." in stopped[1]
    assert "reason=they asked" in shown[1]
    assert "Sending goes on: platform market." in resumed[1]
    assert "5 need another person's" in one[1]
    assert "5 above the cap are approved for market today." in two[1]


def test_several_cases_in_review_are_approved_as_one_notice(place: Path, takin: Takin) -> None:
    file = place / "platforms.yaml"
    file.write_text(PLATFORMS.replace("dev_only: true", "dev_only: true, max_items: 5"))
    casebook = Casebook.open(f"sqlite:///{place / 'casebook.db'}")
    for listing_id in "345":
        review = make_detection(listing_id, outcome="review")
        rule = review.rules[0].model_copy(update={"legal_basis": ("cites-appendix-i",)})
        review = review.model_copy(update={"rules": (rule,)})
        casebook.decide(handlers.take_detection, review, make_desk(), now=datetime.now(UTC))
    rows = [json.loads(line) for line in takin("review", "--json")[1].splitlines()]
    named = [row["case_id"] for row in rows if row["listing_id"] in "345"]

    done = takin("approve", *named, "--as", "Ada", "--json")

    assert done[0] == 0, done[1]
    reference = json.loads(done[1])["reference"]
    assert sorted(
        one.listing_id for one in casebook.answer(figures.item_times) if one.reference == reference
    ) == [*"345"]
    casebook.close()


def test_a_case_in_review_is_listed_dismissed_and_gone_from_the_list(takin: Takin) -> None:
    [row] = [json.loads(line) for line in takin("review", "--json")[1].splitlines()]

    refused = takin("approve", row["case_id"], "--as", "Ada")
    done = takin("dismiss", row["case_id"], "--as", "Ada", "--reason", "vegetable ivory")
    again = takin("dismiss", row["case_id"], "--as", "Ada", "--reason", "vegetable ivory")

    assert refused[0] != 0
    assert "No notice can be written: the law table has no entry" in refused[1]
    assert done[0] == 0
    assert again[0] != 0
    assert "its status is dismissed" in again[1]
    assert takin("review")[1] == ""
