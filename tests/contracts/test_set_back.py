"""The notice service's clock was two hours ahead and is right again; on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa

from schemas.response import PlatformResponse
from streams.notices import handlers
from streams.notices.casebook import cases, channels, guard_tables, looks, offsets, tables
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.outbox import AttemptResult, Leased
from streams.notices.guards.breaker import Breaker
from streams.notices.handlers import Accepted
from streams.notices.item import Look
from tests.support.notices import T0, at, make_desk, make_detection, make_response
from tests.support.postgres import PostgresServer

DESK = make_desk()
AHEAD = 7_200.0


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def casebook(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Casebook]:
    url = f"sqlite:///{tmp_path / 'casebook.db'}"
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.fresh_database(
            server.template("casebook", lambda address: Casebook.open(address).close())
        )
    book = Casebook.open(url)
    yield book
    book.close()


def noticed(casebook: Casebook, listing_id: str, now: datetime) -> str:
    taken = casebook.decide(handlers.take_detection, make_detection(listing_id), DESK, now=now)
    assert taken.notice_id is not None
    return taken.notice_id


def lease(casebook: Casebook, now: datetime) -> tuple[Leased, ...]:
    return casebook.decide(
        handlers.start_attempts,
        slots={"market": 10},
        now=now,
        hold_for=timedelta(seconds=10),
        worker="w",
        desk=DESK,
    )


def deliver(casebook: Casebook, one: Leased, now: datetime) -> None:
    receipt: PlatformResponse = make_response(kind="receipt", outcome=None, key=one.idempotency_key)
    assert casebook.decide(
        handlers.delivered,
        one,
        AttemptResult("accepted", None, 202),
        Accepted(receipt, now, "DESK-1"),
        DESK,
        now=now,
    )


def test_a_notice_that_waits_for_a_time_to_come_goes_now(casebook: Casebook) -> None:
    ended = noticed(casebook, "ended", at(15))
    [under_way] = lease(casebook, at(16))
    casebook.decide(
        handlers.not_delivered,
        under_way,
        AttemptResult("retry", "clock", 401),
        DESK,
        now=at(AHEAD),
        chance=Random(1),
    )
    tried = noticed(casebook, "tried", at(15))
    noticed(casebook, "queued", at(AHEAD))
    failed = noticed(casebook, "failed", at(AHEAD))
    held = noticed(casebook, "held", at(AHEAD))
    for one in lease(casebook, at(AHEAD)):
        if one.notice_id == failed:
            result = AttemptResult("retry", "server_error", 503)
            casebook.decide(handlers.not_delivered, one, result, DESK, now=at(AHEAD), chance=Random(1))
        elif one.notice_id != held:
            result = AttemptResult("retry", "timeout")
            casebook.decide(handlers.not_delivered, one, result, DESK, now=at(AHEAD), chance=Random(1))
    assert lease(casebook, at(20)) == ()

    brought = casebook.decide(handlers.bring_back, DESK, now=at(20))

    assert brought.notices == 5
    assert {tried, ended} < {one.notice_id for one in lease(casebook, at(20.1))}
    assert lease(casebook, at(20.2)) == ()


def test_what_waits_by_a_right_clock_goes_on_waiting(casebook: Casebook) -> None:
    noticed(casebook, "1", T0)
    [one] = lease(casebook, T0)
    asked = AttemptResult("retry", "throttled", 429, 7_200)
    casebook.decide(handlers.not_delivered, one, asked, DESK, now=at(1), chance=Random(1))
    noticed(casebook, "2", T0)
    [other] = lease(casebook, T0)
    deliver(casebook, other, at(1))
    casebook.decide(channels.save, "market", "own", Breaker("open", 5, T0, at(600), 9))
    before = rows(casebook)

    assert not casebook.decide(handlers.bring_back, DESK, now=at(2))
    assert rows(casebook) == before


def rows(casebook: Casebook) -> list[object]:
    with casebook.read() as tx:
        return [
            tuple(row)
            for table in (
                tables.outbox,
                tables.notice,
                tables.notice_item,
                tables.lease,
                guard_tables.breaker,
            )
            for row in tx.execute(sa.select(table).order_by(*table.primary_key.columns))
        ]


def test_looks_polls_leases_and_closed_ways_come_back_and_what_was_recorded_stays(casebook: Casebook) -> None:
    notice_id = noticed(casebook, "1", T0)
    [one] = lease(casebook, T0)
    deliver(casebook, one, at(1))
    with casebook.read() as tx:
        [item] = cases.items_of_notice(tx, notice_id)
    due = looks.LookDue(notice_id, item.case_id, item.platform, item.listing_id, item.url, item.content_hash)
    casebook.decide(
        handlers.take_look,
        due,
        Look("online", "test", at(AHEAD)),
        DESK,
        now=at(AHEAD),
        http_status=200,
        body_sha256=None,
        observer="verifier",
    )
    opened = Breaker("open", 5, at(AHEAD), at(AHEAD + 30), 1)
    casebook.decide(channels.save, "market", "own", opened)
    casebook.decide(offsets.take_lease, "relay", "dead", now=at(AHEAD), hold_for=timedelta(seconds=30))
    with casebook.write() as tx:
        tx.execute(sa.update(tables.notice).values(next_poll_at=at(AHEAD + 6 * 3_600)))

    brought = casebook.decide(handlers.bring_back, DESK, now=at(20))

    assert replace(brought) == handlers.BroughtBack(looks=1, polls=1, leases=1, channels=1)
    assert not casebook.decide(handlers.bring_back, DESK, now=at(20))
    assert [
        one.listing_id for one in casebook.decide(looks.lease, now=at(20), hold_for=timedelta(60), limit=9)
    ] == ["1"]
    assert casebook.decide(offsets.take_lease, "relay", "alive", now=at(21), hold_for=timedelta(seconds=30))
    with casebook.read() as tx:
        assert channels.breakers(tx)["market", "own"] == replace(opened, retry_at=at(20))
        assert cases.item_of(tx, notice_id, item.case_id).last_online_at == at(AHEAD)
