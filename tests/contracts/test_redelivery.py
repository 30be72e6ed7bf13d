"""A platform's delivery log, and a notice that it asks for once more; on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from streams.notices import acts, handlers
from streams.notices.acts.redelivery import AN_HOUR
from streams.notices.casebook import cases, deadlines, deliveries, events, outbox, sealing, tasks
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.outbox import AttemptResult, Leased
from streams.notices.casebook.viewer import Viewer
from streams.notices.handlers import Accepted
from tests.support.fresh import fresh_url
from tests.support.notices import T0, at, make_desk, make_detection

DESK = make_desk(redelivers=True)
KIM = Viewer("a1", "kim", "Kim", "platform", "market")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def casebook(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Casebook]:
    book = Casebook.open(fresh_url(request, tmp_path), migrate=False)
    yield book
    verdict = book.answer(sealing.verify)
    book.close()
    assert verdict.breaks == ()


def noticed(casebook: Casebook, listing_id: str = "1") -> str:
    taken = casebook.decide(handlers.take_detection, make_detection(listing_id), DESK, now=T0)
    assert taken.notice_id
    return taken.notice_id


def lease(casebook: Casebook, seconds: float = 0) -> tuple[Leased, ...]:
    return casebook.decide(
        handlers.start_attempts,
        slots={"market": 100},
        now=at(seconds),
        hold_for=timedelta(seconds=10),
        worker="w1",
        desk=DESK,
    )


def took(casebook: Casebook, one: Leased, seconds: float, reply: bytes = b"ok") -> None:
    result, accepted = AttemptResult("accepted", None, 202, reply=reply), Accepted(None, None, "DESK-1")
    assert casebook.decide(handlers.delivered, one, result, accepted, DESK, now=at(seconds))


def failed(casebook: Casebook, one: Leased, seconds: float, result: AttemptResult) -> str:
    return casebook.decide(handlers.not_delivered, one, result, DESK, now=at(seconds), chance=Random(1))


def ask(casebook: Casebook, notice_id: str, seconds: float) -> str:
    return casebook.decide(acts.redeliver, notice_id, DESK, by=KIM, now=at(seconds))


def measured(casebook: Casebook, notice_id: str) -> Any:
    """Everything that counts in figures."""
    with casebook.read() as tx:
        row = cases.notice_by_id(tx, notice_id)
        [item] = cases.items_of_notice(tx, notice_id)
        return (
            *(row.first_attempt_at, row.sent_at, row.delivery, item),
            deadlines.of_item(tx, notice_id, item.case_id),
        )


def sent(casebook: Casebook) -> tuple[str, Leased]:
    notice_id = noticed(casebook)
    [one] = lease(casebook)
    took(casebook, one, 1)
    return notice_id, one


def test_what_is_sent_again_is_the_same_bytes_under_the_same_key_and_moves_no_clock(
    casebook: Casebook,
) -> None:
    notice_id, first = sent(casebook)
    before = measured(casebook, notice_id)

    assert ask(casebook, notice_id, 1_000) == "redelivery"
    [again] = lease(casebook, 1_001)
    took(casebook, again, 1_002)

    assert (again.about, again.body, again.content_type) == (
        first.idempotency_key,
        first.body,
        first.content_type,
    )
    assert measured(casebook, notice_id) == before
    with casebook.read() as tx:
        [item] = cases.items_of_notice(tx, notice_id)
        told = [(one.type, one.actor) for one in events.of_case(tx, item.case_id)][-2:]
    assert told == [("follow_up_queued", "platform:market"), ("follow_up_sent", "notices")]
    assert lease(casebook, 50_000) == ()


def test_one_that_fails_is_tried_no_second_time_and_leaves_the_notice_as_it_was(casebook: Casebook) -> None:
    notice_id, _ = sent(casebook)
    before = measured(casebook, notice_id)
    ask(casebook, notice_id, 1_000)
    [again] = lease(casebook, 1_001)

    assert failed(casebook, again, 1_002, AttemptResult("retry", "server_error", 503)) == "dead"

    assert measured(casebook, notice_id) == before
    assert casebook.answer(tasks.waiting) == ()
    assert lease(casebook, 50_000) == ()


def test_a_notice_that_was_never_taken_goes_back_in_the_line_as_itself(casebook: Casebook) -> None:
    notice_id = noticed(casebook)
    [one] = lease(casebook)
    failed(casebook, one, 1, AttemptResult("refused", "refused", 403))

    assert ask(casebook, notice_id, 1_000) == "notice"
    [again] = lease(casebook, 1_001)
    took(casebook, again, 1_002)

    assert (again.idempotency_key, again.purpose, again.attempt) == (one.idempotency_key, None, 2)
    assert measured(casebook, notice_id)[1] == at(1_002)


def refusal(casebook: Casebook, notice_id: str, seconds: float, desk: Any = DESK) -> str:
    with pytest.raises(acts.ActRefused) as refused:
        casebook.decide(acts.redeliver, notice_id, desk, by=KIM, now=at(seconds))
    return refused.value.reason


def test_it_is_refused_where_it_would_be_a_second_notice_or_says_nothing_new(casebook: Casebook) -> None:
    notice_id = noticed(casebook)
    assert refusal(casebook, notice_id, 0) == "under_way"
    [one] = lease(casebook)
    assert refusal(casebook, notice_id, 0) == "under_way"
    took(casebook, one, 1)
    unkeyed = replace(DESK, platforms={"market": replace(DESK.platforms["market"], redelivers=False)})

    assert refusal(casebook, notice_id, 1_000, unkeyed) == "no_way"
    ask(casebook, notice_id, 1_000)
    assert refusal(casebook, notice_id, 1_299) == "too_much"
    ask(casebook, notice_id, 1_300)
    casebook.decide(acts.withdraw, notice_id, DESK, by="Ada", reason="a mistake", now=at(1_400))
    assert refusal(casebook, notice_id, 2_000) == "withdrawn"


def test_a_platform_gets_so_many_an_hour(casebook: Casebook) -> None:
    notices = [noticed(casebook, str(number)) for number in range(AN_HOUR + 1)]
    for one in lease(casebook):
        took(casebook, one, 1)
    for number, notice_id in enumerate(notices[:AN_HOUR]):
        ask(casebook, notice_id, 1_000)
        if number == AN_HOUR // 2:
            # Those that wait count as those that were tried.
            for one in lease(casebook, 1_001):
                took(casebook, one, 1_002)

    assert refusal(casebook, notices[-1], 1_003) == "too_much"
    for one in lease(casebook, 1_004):
        took(casebook, one, 1_005)
    assert ask(casebook, notices[-1], 1_005 + 3_600) == "redelivery"


def test_the_log_has_every_try_of_the_time_with_its_answer_cut_and_no_letter_to_a_person(
    casebook: Casebook,
) -> None:
    notice_id = noticed(casebook)
    [one] = lease(casebook)
    failed(casebook, one, 1, AttemptResult("retry", "server_error", 503))
    [one] = lease(casebook, 10)
    took(casebook, one, 12.5, b"\xff<b>" + b"x" * 5_000)
    with casebook.write() as tx:
        outbox.add(
            tx,
            idempotency_key="l1",
            notice_id=notice_id,
            platform="market",
            purpose="escalation",
            recipient="a@b.example",
            body=b"{}",
            content_type="text/plain",
            now=at(20),
        )
        row = {"idempotency_key": "l1", "number": 1, "worker": "w1", "started_at": at(21)}
        row["platform"] = "market"
        tx.execute(sa.insert(t.attempt).values(row))
        sealing.keep(tx, sealing.TRY, "l1", 1, at=at(21))

    found = casebook.answer(deliveries.tries, KIM, since=T0, limit=9)

    assert [(one.number, one.result, one.http_status, one.took_ms) for one in found] == [
        (2, "accepted", 202, 2_500),
        (1, "retry", 503, 1_000),
    ]
    assert (len(found[0].reply), found[0].reply_bytes, found[0].said[:5]) == (2_000, 5_004, "\ufffd<b>x")
    assert found[1].said == ""
    assert len(casebook.answer(deliveries.tries, KIM, since=at(5), limit=9)) == 1
    assert casebook.answer(deliveries.tries, KIM, since=T0, limit=9, offset=1) == found[1:]


def test_a_platforms_log_is_found_by_an_index_however_much_went_to_others(casebook: Casebook) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, values: Any, *___: Any) -> None:
        asked.append((statement, values))

    if not casebook.is_sqlite:
        return  # so few rows PostgreSQL reads one after the other
    sa.event.listen(casebook.engine, "before_cursor_execute", note)
    casebook.answer(deliveries.tries, KIM, since=T0, limit=9)
    casebook.answer(deliveries.redelivered, platform="market", since=T0)
    with casebook.read() as tx:
        plans = [
            str(tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).fetchall())
            for statement, values in list(asked)
            if statement.startswith("SELECT")
        ]

    assert len(plans) == 2
    assert all("ix_attempt_platform_started_at" in plan for plan in plans)
