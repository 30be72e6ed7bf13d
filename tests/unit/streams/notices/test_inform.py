"""``takin notices inform`` sends the words and records that it is the platform's turn again."""

import base64
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.cli import app
from streams.notices import handlers
from streams.notices.bridge import Bridge
from streams.notices.casebook import cases, deadlines, events
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.outbox import AttemptResult
from streams.notices.handlers import Accepted
from streams.notices.policy import SlaTerms
from streams.notices.ports import NoAnswer
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


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Casebook]:
    """A notice whose platform has a question; its reference, and the casebook."""
    address = f"sqlite:///{tmp_path / 'casebook.db'}"
    (tmp_path / "platforms.yaml").write_text(PLATFORMS, encoding="utf-8")
    monkeypatch.setenv("DATABASE_URL", address)
    monkeypatch.setenv("TAKIN_PLATFORMS_FILE", str(tmp_path / "platforms.yaml"))
    desk = make_desk(terms=SlaTerms(need_info="pause"))
    book = Casebook.open(address)
    taken = book.decide(handlers.take_detection, make_detection(), desk, now=T0)
    [one] = book.decide(
        handlers.start_attempts,
        slots={"market": 1},
        now=T0,
        hold_for=timedelta(seconds=9),
        worker="w",
        desk=desk,
    )
    book.decide(
        handlers.delivered, one, AttemptResult("accepted", None, 202), Accepted(None), desk, now=at(1)
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


def test_told_its_clock_runs_again(asked: tuple[str, Casebook], monkeypatch: pytest.MonkeyPatch) -> None:
    reference, book = asked
    sent: list[str] = []

    async def take(self: Bridge, platform: str, idempotency_key: str, text: str, reference: str) -> None:
        sent.append(text)

    monkeypatch.setattr(Bridge, "inform", take)
    assert standing(book)[0] == {"paused"}

    result = CliRunner().invoke(app, ["notices", "inform", reference, "The second picture."])

    assert result.exit_code == 0, result.output
    assert sent == ["The second picture."]
    states, types = standing(book)
    assert states == {"pending"}
    assert "information_given" in types
    book.close()


def test_not_taken_it_waits_for_us_still(
    asked: tuple[str, Casebook], monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, book = asked

    async def refuse(self: Bridge, platform: str, idempotency_key: str, text: str, reference: str) -> None:
        raise NoAnswer("503")

    monkeypatch.setattr(Bridge, "inform", refuse)

    result = CliRunner().invoke(app, ["notices", "inform", reference, "The second picture."])

    assert "did not take the information" in str(result.exception)
    states, types = standing(book)
    assert states == {"paused"}
    assert "information_given" not in types
    book.close()
