"""A notice that is put back in the line and an answer that is read once more are acts of a person."""

import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random

import pytest

from schemas.case_event import CaseEvent
from schemas.response import PlatformResponse
from streams import cli
from streams.notices import acts, handlers
from streams.notices.acts import ActRefused
from streams.notices.casebook import cases, events, inbox, sealing
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.inbox import Received
from streams.notices.casebook.outbox import AttemptResult, Leased
from streams.notices.chain import AuditRow
from tests.support.fresh import fresh_url
from tests.support.notices import T0, at, make_desk, make_detection, make_response

DESK = make_desk()
WHO = ["--as", "Ada Example", "--reason", "their desk is mended"]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    found = fresh_url(request, tmp_path)
    monkeypatch.setenv("TAKIN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", found)
    return found


@pytest.fixture
def casebook(url: str) -> Iterator[Casebook]:
    book = Casebook.open(url, migrate=False)
    yield book
    verdict = book.answer(sealing.verify)
    book.close()
    assert verdict.breaks == ()


def lease(casebook: Casebook, seconds: float) -> tuple[Leased, ...]:
    return casebook.decide(
        handlers.start_attempts,
        slots={"market": 9},
        now=at(seconds),
        hold_for=timedelta(seconds=10),
        worker="w1",
        desk=DESK,
    )


def undeliverable(casebook: Casebook) -> tuple[str, Leased]:
    """Reference of a notice that was refused, and the try."""
    taken = casebook.decide(handlers.take_detection, make_detection("1"), DESK, now=T0)
    assert taken.notice_id
    [one] = lease(casebook, 0)
    refused = AttemptResult("refused", "refused", 403)
    casebook.decide(handlers.not_delivered, one, refused, DESK, now=at(1), chance=Random(1))
    with casebook.read() as tx:
        return cases.notice_by_id(tx, taken.notice_id).human_reference, one


def history(casebook: Casebook, reference: str) -> tuple[CaseEvent, ...]:
    with casebook.read() as tx:
        notice_id = cases.find_notice(tx, reference)
        assert notice_id
        [item] = cases.items_of_notice(tx, notice_id)
        return events.of_case(tx, item.case_id)


def chain(casebook: Casebook) -> list[AuditRow]:
    with casebook.read() as tx:
        return list(sealing.audit_rows(tx))


def packed(reference: str, folder: Path) -> zipfile.ZipFile:
    out = folder / "package.zip"
    assert cli.main(["notices", "package", reference, "--out", str(out)]) == 0
    return zipfile.ZipFile(out)


def test_what_is_put_back_in_the_line_says_who_when_and_why_in_the_case_the_chain_and_the_package(
    casebook: Casebook, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reference, first = undeliverable(casebook)

    assert cli.main(["notices", "resend", reference, *WHO]) == 0

    told = history(casebook, reference)[-1]
    facts = {
        "purpose": "notice",
        "key": first.idempotency_key,
        "by": "Ada Example",
        "reason": "their desk is mended",
    }
    assert (told.type, told.actor, told.data) == ("follow_up_queued", "person:Ada Example", facts)
    assert told.notice_id == first.notice_id
    newest = chain(casebook)[-1].act
    assert (newest.act, newest.actor, newest.at) == ("follow_up_queued", "person:Ada Example", told.at)
    with packed(reference, tmp_path) as package:
        lines = package.read("events.jsonl").decode().splitlines()
    assert json.loads(lines[-1])["data"] == facts
    capsys.readouterr()
    assert cli.main(["notices", "show", reference]) == 0
    assert "by=Ada Example, reason=their desk is mended" in capsys.readouterr().out


def test_it_goes_out_once_with_the_same_bytes_and_a_second_request_changes_nothing(
    casebook: Casebook, capsys: pytest.CaptureFixture[str]
) -> None:
    reference, first = undeliverable(casebook)
    assert cli.main(["notices", "resend", reference, *WHO]) == 0
    before = len(history(casebook, reference)), len(chain(casebook))

    assert cli.main(["notices", "resend", reference, *WHO]) == 2

    assert "is not undeliverable: its delivery is queued" in capsys.readouterr().err
    assert (len(history(casebook, reference)), len(chain(casebook))) == before
    [again] = lease(casebook, 10**9)
    assert (again.idempotency_key, again.body) == (first.idempotency_key, first.body)


@pytest.mark.parametrize(
    ("by", "reason", "why"), [(" ", "mended", "no_name"), ("Ada", " ", "no_reason"), ("Ada", "", "no_reason")]
)
def test_nobody_does_either_without_a_name_and_a_reason(
    casebook: Casebook, by: str, reason: str, why: str
) -> None:
    _, first = undeliverable(casebook)
    answer = set_aside(casebook, first)
    for act in (partial(acts.resend, notice_id=first.notice_id), partial(acts.read_again, inbox_id=answer)):
        with pytest.raises(ActRefused) as refused:
            casebook.decide(act, by=by, reason=reason, now=at(9))
        assert refused.value.reason == why
    assert lease(casebook, 100) == ()


def test_a_notice_that_was_taken_back_is_not_sent_again(casebook: Casebook) -> None:
    reference, first = undeliverable(casebook)
    casebook.decide(acts.withdraw, first.notice_id, DESK, by="Ada", reason="permit", now=at(5))

    with pytest.raises(ActRefused, match=f"{reference} is withdrawn"):
        casebook.decide(acts.resend, first.notice_id, by="Ada", reason="mended", now=at(6))
    assert lease(casebook, 100) == ()


# ---------------------------------------------------------------------------- answers


def stored(casebook: Casebook, body: bytes) -> Received:
    """An answer as it came in."""
    casebook.decide(
        inbox.store,
        platform="market",
        channel="webhook",
        source_id="s/1",
        received_at=at(60),
        body=body,
        headers={},
    )
    [received] = casebook.answer(inbox.new, limit=9)
    return received


def set_aside(casebook: Casebook, one: Leased) -> int:
    """An answer about the notice that nobody could read; its number."""
    raw = answer_to(one).to_bytes()
    received = stored(casebook, raw)
    why = {"state": "quarantined", "reason": "unmapped", "detail": "no such word"}
    casebook.decide(inbox.finish, received.inbox_id, now=at(61), **why)
    return received.inbox_id


def answer_to(one: Leased) -> PlatformResponse:
    return make_response(key=one.idempotency_key, received=60)


def test_who_had_an_answer_read_again_is_sealed_at_once_and_told_in_the_case_when_it_is_applied(
    casebook: Casebook, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reference, one = undeliverable(casebook)
    number = set_aside(casebook, one)
    assert cli.main(["notices", "answers", "--again", str(number), *WHO]) == 0
    newest = chain(casebook)[-1].act
    assert (newest.act, newest.actor) == ("answer_read_again", "person:Ada Example")
    assert newest.subject.startswith("answer_reading:ar_")
    why = {"state": "quarantined", "reason": "wrong_shape", "detail": "still not"}
    casebook.decide(inbox.finish, number, now=at(70), **why)
    capsys.readouterr()
    assert cli.main(["notices", "answers"]) == 0
    assert "read again" in (said := capsys.readouterr().out)
    assert "by Ada Example: their desk is mended" in said
    later = datetime.now(UTC)
    casebook.decide(acts.read_again, number, by="Ben", reason="now it is in the table", now=later)
    [received] = casebook.answer(inbox.new, limit=9)
    raw_sha256 = casebook.answer(lambda tx: tx.exec_driver_sql("SELECT body_sha256 FROM inbox").scalar_one())
    response = answer_to(one).model_copy(update={"raw_sha256": raw_sha256})

    assert casebook.decide(handlers.take_inbox, received, [response], now=later) == "applied"

    noted = [event for event in history(casebook, reference) if event.type == "answer_noted"]
    assert [(event.actor, event.data) for event in noted] == [
        (
            "person:Ada Example",
            {"how": "read_again", "by": "Ada Example", "reason": "their desk is mended", "was": "unmapped"},
        ),
        (
            "person:Ben",
            {"how": "read_again", "by": "Ben", "reason": "now it is in the table", "was": "wrong_shape"},
        ),
    ]
    assert [event.notice_id for event in noted] == [one.notice_id] * 2
    with packed(reference, tmp_path) as package:
        told = json.loads(package.read("answers/read-again.json"))
        sealed = json.loads(package.read("audit/sealed.json"))
    assert [(row["asked_by"], row["reason"], row["inbox_id"]) for row in told] == [
        ("Ada Example", "their desk is mended", number),
        ("Ben", "now it is in the table", number),
    ]
    assert sum(row["kind"] == "answer_reading" for row in sealed) == 2


def test_an_answer_that_was_never_set_aside_says_nothing_of_it(casebook: Casebook) -> None:
    reference, one = undeliverable(casebook)
    received = stored(casebook, b"{}")

    casebook.decide(handlers.take_inbox, received, [answer_to(one)], now=at(90))

    assert [event.type for event in history(casebook, reference) if event.type == "answer_noted"] == []
    with pytest.raises(ActRefused):
        casebook.decide(acts.read_again, received.inbox_id, by="Ada", reason="why", now=at(91))


def test_looking_at_what_was_set_aside_takes_no_name(
    casebook: Casebook, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["notices", "answers", *WHO]) == 2
    assert "go with --again" in capsys.readouterr().err
