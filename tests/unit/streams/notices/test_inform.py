"""``takin notices inform`` sends the words and records that it is the platform's turn again."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from typer.testing import CliRunner, Result

from streams.cli import app
from streams.notices import handlers
from streams.notices.casebook import cases, deadlines, events, tasks
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.outbox import AttemptResult, Leased
from streams.notices.handlers import Accepted
from streams.notices.policy import SlaTerms
from tests.support.notices import T0, at, make_desk, make_detection, make_response

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
PLATFORMS = f"""
platforms:
  - name: market
    kind: sandbox
    base_url: https://desk.example.org/
    secret: {SECRET}
    dev_only: true
"""

DESK = make_desk(terms=SlaTerms(need_info="pause"))
WORDS = "The second picture."


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Casebook]:
    """A notice whose platform has a question; its reference, and the casebook."""
    address = f"sqlite:///{tmp_path / 'casebook.db'}"
    (tmp_path / "platforms.yaml").write_text(PLATFORMS, encoding="utf-8")
    monkeypatch.setenv("DATABASE_URL", address)
    monkeypatch.setenv("TAKIN_PLATFORMS_FILE", str(tmp_path / "platforms.yaml"))
    book = Casebook.open(address)
    taken = book.decide(handlers.take_detection, make_detection(), DESK, now=T0)
    [one] = book.decide(
        handlers.start_attempts,
        slots={"market": 1},
        now=T0,
        hold_for=timedelta(seconds=9),
        worker="w",
        desk=DESK,
    )
    book.decide(
        handlers.delivered, one, AttemptResult("accepted", None, 202), Accepted(None), DESK, now=at(1)
    )
    question = make_response(kind="need_info", outcome=None, received=100, key=one.idempotency_key)
    book.decide(handlers.apply_response, question, now=at(100))
    with book.read() as tx:
        reference = cases.notice_body(tx, str(taken.notice_id)).human_reference
    return reference, book


def standing(book: Casebook) -> tuple[set[str], list[str]]:
    with book.read() as tx:
        [notice] = [row for row in events.after(tx, 0, limit=100) if row[1].type == "notice_sent"]
        event = notice[1]
        found = deadlines.of_item(tx, str(event.notice_id), event.case_id)
        return {one.state for one in found if one.kind != "acknowledge"}, [
            one.type for one in events.of_case(tx, event.case_id)
        ]


def inform(reference: str, text: str = WORDS) -> Result:
    return CliRunner().invoke(app, ["notices", "inform", reference, text, "--as", "Ada"])


def lease(book: Casebook, seconds: float) -> tuple[Leased, ...]:
    return book.decide(
        handlers.start_attempts,
        slots={"market": 9},
        now=datetime.now(UTC) + timedelta(seconds=seconds),
        hold_for=timedelta(seconds=9),
        worker="w",
        desk=DESK,
    )


def test_it_is_sent_once_and_the_clock_runs_again_when_it_was_taken(asked: tuple[str, Casebook]) -> None:
    reference, book = asked

    done = [inform(reference), inform(reference)]
    assert [one.exit_code for one in done] == [0, 0], done[0].output
    assert "waits to be sent to market" in done[0].output
    assert "nothing is sent again" in done[1].output
    assert standing(book)[0] == {"paused"}

    [one] = lease(book, 1)
    assert (one.purpose, one.recipient, json.loads(one.body)) == ("information", None, {"text": WORDS})
    now = datetime.now(UTC) + timedelta(seconds=2)
    assert book.decide(
        handlers.delivered, one, AttemptResult("accepted", None, 202), Accepted(None), DESK, now=now
    )
    states, types = standing(book)
    assert states == {"pending"}
    assert types.count("information_given") == types.count("follow_up_queued") == 1
    assert lease(book, 20) == ()
    book.close()


def test_not_taken_it_waits_for_us_and_at_last_for_a_person(asked: tuple[str, Casebook]) -> None:
    reference, book = asked
    inform(reference)

    for seconds, became in ((1, "queued"), (100, "queued"), (1_000, "dead")):
        [one] = lease(book, seconds)
        now = datetime.now(UTC) + timedelta(seconds=seconds + 1)
        result = AttemptResult("retry", "server_error", 503)
        assert book.decide(handlers.not_delivered, one, result, DESK, now=now, chance=Random(1)) == became

    states, types = standing(book)
    assert states == {"paused"}
    assert "information_given" not in types
    [task] = book.answer(tasks.waiting)
    assert "the information could not be delivered" in task.why
    book.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [(" \n", "Say what the platform is to be told"), ("x" * 20_001, "longer than 20,000 characters")],
)
def test_what_cannot_be_sent_is_refused_at_once(asked: tuple[str, Casebook], text: str, said: str) -> None:
    reference, book = asked

    assert said in str(inform(reference, text).exception)
    assert lease(book, 1) == ()
    book.close()


def test_a_platform_with_no_way_for_it_is_named(asked: tuple[str, Casebook], tmp_path: Path) -> None:
    reference, book = asked
    only_files = PLATFORMS.replace("kind: sandbox", "kind: csv").replace(f"    secret: {SECRET}\n", "")
    (tmp_path / "platforms.yaml").write_text(only_files + f"    folder: {tmp_path}\n", encoding="utf-8")

    assert "No channel of market carries it" in str(inform(reference).exception)
    book.close()
