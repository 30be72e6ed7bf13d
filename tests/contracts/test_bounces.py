"""A letter that came back: the notice goes on by another way, and its clocks begin when it is there."""

import pytest

from schemas.response import PlatformResponse
from streams.notices import handlers
from streams.notices.casebook import cases, deadlines, figures, inbox, outbox
from streams.notices.casebook.database import Casebook
from streams.notices.handlers.desk import Desk, no_other_way
from streams.notices.policy import Step
from tests.contracts.test_guards import (
    FALLING,
    casebook,
    deliver,
    desk_with,
    fire,
    lease,
    noticed,
    sent,
    types,
)
from tests.support.notices import T0, at, make_response

__all__ = ["casebook"]

LADDER = (Step("reminder", 0.5), Step("contact", 1.0))
PRESSING = desk_with(ladder=LADDER, other_way=True)


def bounce(book: Casebook, notice_id: str, seconds: float, desk: Desk, *, status: str = "5.1.1") -> str:
    """What the postman stores, applied as the service does."""
    with book.read() as tx:
        key = cases.notice_by_id(tx, notice_id).idempotency_key
    response = make_response(
        kind="error", outcome=None, received=seconds, key=key, response_id=f"bounce-{key}-{status}"
    ).model_copy(update={"parser_version": "dsn/1", "channel": "email"})
    book.decide(
        inbox.store,
        platform="market",
        channel="email",
        source_id=response.response_id,
        received_at=at(seconds),
        body=response.to_bytes(),
        headers={},
    )
    [received] = book.answer(inbox.new, limit=9)
    read = PlatformResponse.from_bytes(received.body)
    return book.decide(handlers.take_inbox, received, [read], now=at(seconds), other_way=desk.fallback)


def standing(book: Casebook, notice_id: str, case_id: str) -> dict[str, tuple[str, float]]:
    with book.read() as tx:
        found = deadlines.of_item(tx, notice_id, case_id)
    return {one.kind: (one.state, (one.due_at - T0).total_seconds()) for one in found}


def entries(book: Casebook, notice_id: str) -> list[tuple[str | None, str]]:
    return [(one.purpose, one.state) for one in book.answer(outbox.of_notice, notice_id)]


def by_letter(book: Casebook, desk: Desk) -> tuple[str, str]:
    """A notice that a mail server took: nobody has acknowledged it."""
    ids = noticed(book, desk=desk)
    [one] = lease(book, desk=desk)
    given = handlers.Accepted(None, None, None)
    taken = outbox.AttemptResult("accepted", None, 250)
    assert book.decide(handlers.delivered, one, taken, given, desk, now=at(1))
    return ids


def test_it_goes_the_other_way_and_the_clocks_run_from_that_delivery(casebook: Casebook) -> None:
    notice_id, case_id = by_letter(casebook, PRESSING)
    before = standing(casebook, notice_id, case_id)

    assert bounce(casebook, notice_id, 100, PRESSING) == "applied"
    between = standing(casebook, notice_id, case_id)
    fired = fire(casebook, 90_000, PRESSING)
    [other] = lease(casebook, 120, PRESSING)
    assert deliver(casebook, other, 200, PRESSING)

    assert before["decide"] == ("pending", 601)
    assert {state for state, _ in between.values()} == {"cancelled"}
    assert fired == 0, "nobody is late who never had it"
    assert entries(casebook, notice_id) == [(None, "dead"), ("fallback", "delivered")]
    assert standing(casebook, notice_id, case_id) == {
        "acknowledge": ("met", 260),
        "decide": ("pending", 800),
        "remove": ("pending", 3_800),
        "escalation.reminder": ("pending", 500),
    }
    assert "fallback_used" in types(casebook, case_id)
    [item] = casebook.answer(figures.item_times)
    assert (item.delivery, item.sent_at) == ("accepted", at(200))


def test_each_clock_that_runs_again_fires_once(casebook: Casebook) -> None:
    notice_id, case_id = by_letter(casebook, PRESSING)
    bounce(casebook, notice_id, 100, PRESSING)
    [other] = lease(casebook, 120, PRESSING)
    deliver(casebook, other, 200, PRESSING)

    fire(casebook, 801, PRESSING)
    fire(casebook, 802, PRESSING)

    assert standing(casebook, notice_id, case_id)["decide"] == ("missed", 800)
    assert types(casebook, case_id).count("deadline_missed") == 1


def test_the_second_bounce_of_a_letter_changes_nothing(casebook: Casebook) -> None:
    notice_id, case_id = by_letter(casebook, FALLING)
    bounce(casebook, notice_id, 100, FALLING)
    before = entries(casebook, notice_id)

    assert bounce(casebook, notice_id, 101, FALLING, status="5.2.2") == "applied"

    assert entries(casebook, notice_id) == before == [(None, "dead"), ("fallback", "queued")]
    assert types(casebook, case_id).count("fallback_used") == 1
    assert types(casebook, case_id)[-1] == "answer_noted"


def test_when_the_other_way_comes_back_too_it_is_undeliverable(casebook: Casebook) -> None:
    notice_id, case_id = by_letter(casebook, FALLING)
    bounce(casebook, notice_id, 100, FALLING)
    [other] = lease(casebook, 120, FALLING)
    taken = outbox.AttemptResult("accepted", None, 250)
    casebook.decide(handlers.delivered, other, taken, handlers.Accepted(None), FALLING, now=at(130))

    bounce(casebook, notice_id, 200, FALLING, status="5.4.4")

    assert entries(casebook, notice_id) == [(None, "dead"), ("fallback", "dead")]
    with casebook.read() as tx:
        assert cases.notice_by_id(tx, notice_id).delivery == "failed_permanent"
    assert {state for state, _ in standing(casebook, notice_id, case_id).values()} == {"cancelled"}


@pytest.mark.parametrize("desk", [PRESSING, desk_with(ladder=LADDER)], ids=["other way", "one way"])
def test_a_letter_that_is_sent_again_by_a_person_starts_the_clocks(casebook: Casebook, desk: Desk) -> None:
    notice_id, case_id = by_letter(casebook, desk)
    one_way = Desk(desk.platforms, desk.sender, desk.law, desk.render, fallback=no_other_way)
    bounce(casebook, notice_id, 100, one_way)
    with casebook.read() as tx:
        key = cases.notice_by_id(tx, notice_id).idempotency_key

    assert casebook.decide(outbox.requeue, key, now=at(150))
    [again] = lease(casebook, 150, desk)
    assert deliver(casebook, again, 200, desk)

    assert standing(casebook, notice_id, case_id)["decide"] == ("pending", 800)


def test_a_platform_that_has_acknowledged_has_the_notice(casebook: Casebook) -> None:
    notice_id, case_id = sent(casebook, PRESSING)

    bounce(casebook, notice_id, 100, PRESSING)

    assert entries(casebook, notice_id) == [(None, "delivered")]
    assert standing(casebook, notice_id, case_id)["decide"][0] == "pending"
