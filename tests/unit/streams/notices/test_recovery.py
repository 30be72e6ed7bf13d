"""What was sent since the backup is told by Kafka, and is not sent again."""

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.case_event import CaseEvent
from streams.notices import acts, handlers
from streams.notices.acts.people import ActRefused
from streams.notices.casebook import cases, deadlines, events, looks, outbox, sealing
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.outbox import AttemptResult
from streams.notices.handlers import Accepted
from streams.notices.recovery.act import take_as_sent
from streams.notices.recovery.tail import Tail, lost_tail
from tests.support.notices import T0, at, make_desk, make_detection, make_response

DESK = make_desk()
HOLD = timedelta(seconds=30)


def every_event(casebook: Casebook) -> list[CaseEvent]:
    with casebook.read() as tx:
        return [event for _, event in events.after(tx, 0, limit=1_000)]


def sent_before(casebook: Casebook) -> list[CaseEvent]:
    """Two listings noticed, one of the notices taken by the platform and answered; all its events."""
    for number in ("1", "2"):
        casebook.decide(handlers.take_detection, make_detection(number), DESK, now=T0)
    [one] = casebook.decide(
        handlers.start_attempts, slots={"market": 1}, now=at(5), hold_for=HOLD, worker="w", desk=DESK
    )
    taken = Accepted(None, at(6), "DESK-7")
    result = AttemptResult("accepted", None, 202)
    assert casebook.decide(handlers.delivered, one, result, taken, DESK, now=at(7))
    response = make_response(key=one.idempotency_key, received=60)
    casebook.decide(handlers.apply_response, response, now=response.received_at)
    return every_event(casebook)


def restored(casebook: Casebook) -> None:
    """A backup from before: empty, and the detections were read again, at another time."""
    for number in ("1", "2"):
        casebook.decide(handlers.take_detection, make_detection(number), DESK, now=at(500))


def opened(folder: Path, name: str) -> Casebook:
    return Casebook.open(f"sqlite:///{folder / name}.db", threads=1)


@pytest.fixture
def tail(tmp_path: Path) -> Tail:
    old = opened(tmp_path, "old")
    try:
        found = sent_before(old)
    finally:
        old.close()
    random.Random(1).shuffle(found)
    return lost_tail([*found, *found], known=frozenset())


@pytest.fixture
def casebook(tmp_path: Path) -> Iterator[Casebook]:
    book = opened(tmp_path, "restored")
    restored(book)
    yield book
    book.close()


def test_the_tail_names_what_was_sent_and_what_only_others_can_bring_back(tail: Tail) -> None:
    [sent] = tail.sent

    assert (sent.platform, sent.at, sent.platform_reference) == ("market", at(7), "DESK-7")
    assert tail.to_look_at == {"acknowledged": 1, "removal_claimed": 1}


def test_what_the_casebook_knows_is_not_lost(tmp_path: Path) -> None:
    old = opened(tmp_path, "old")
    found = sent_before(old)
    old.close()

    assert lost_tail(found, {event.event_id for event in found}) == Tail(0, (), {})


def test_a_notice_that_was_sent_is_not_sent_again_and_the_clocks_run_from_then(
    tail: Tail, casebook: Casebook
) -> None:
    casebook.decide(acts.stop_sending, "all", by="Ada", reason="restore", now=at(600))
    [sent] = tail.sent
    # The platform has taken the listing down since: looked at now, the notice would count as never needed.
    assert casebook.decide(looks.lease, now=at(605), hold_for=HOLD, limit=9) == ()

    assert casebook.decide(take_as_sent, sent, DESK, by="Ada", now=at(610)) == "recovered"
    assert casebook.decide(take_as_sent, sent, DESK, by="Ada", now=at(611)) == "known"

    [look] = casebook.decide(looks.lease, now=at(615), hold_for=HOLD, limit=9)
    assert look.listing_id == sent.listing_id
    casebook.decide(acts.resume_sending, "all", by="Ada", now=at(620))
    leased = casebook.decide(
        handlers.start_attempts, slots={"market": 9}, now=at(621), hold_for=HOLD, worker="w", desk=DESK
    )
    assert len(leased) == 1
    assert sent.idempotency_key not in {one.idempotency_key for one in leased}
    with casebook.read() as tx:
        row = cases.notice_by_key(tx, sent.idempotency_key)
        assert row is not None
        [item] = cases.items_of_notice(tx, row.notice_id)
        started = {one.started_at for one in deadlines.of_item(tx, item.notice_id, item.case_id)}
        [entry] = outbox.of_notice(tx, row.notice_id)
    assert (row.delivery, row.sent_at, row.human_reference) == ("accepted", at(7), sent.reference)
    assert started == {at(7)}
    assert entry.state == "delivered"
    by_recovery = [one.type for one in every_event(casebook) if one.actor == "recovery:Ada"]
    assert "notice_sent" in by_recovery
    assert casebook.answer(sealing.verify).breaks == ()


def test_nothing_is_recovered_while_sending_goes_on(tail: Tail, casebook: Casebook) -> None:
    with pytest.raises(ActRefused, match="stop it first"):
        casebook.decide(take_as_sent, tail.sent[0], DESK, by="Ada", now=at(610))


def test_a_notice_that_is_not_written_anew_is_told(tail: Tail, tmp_path: Path) -> None:
    empty = opened(tmp_path, "empty")
    empty.decide(acts.stop_sending, "all", by="Ada", reason="restore", now=at(600))

    assert empty.decide(take_as_sent, tail.sent[0], DESK, by="Ada", now=at(610)) == "missing"
    empty.close()
