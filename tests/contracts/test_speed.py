"""What keeps the casebook quick: the plans of its queries, and how few statements it needs."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa

from streams.notices import handlers
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.outbox import AttemptResult
from tests.bench import big_casebook
from tests.support.notices import T0, at, make_desk, make_detection, make_response
from tests.support.postgres import PostgresServer

DESK = make_desk()
NOTICES = 40


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def casebook(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Casebook]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'casebook.db'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.fresh_database(
            server.template("casebook", lambda address: Casebook.open(address).close())
        )
    book = Casebook.open(url)
    yield book
    book.close()


def test_what_is_due_is_found_by_an_index(casebook: Casebook) -> None:
    big_casebook.fill(casebook, 3_000, 1)

    plans = big_casebook.plans(casebook, T0)

    assert "ix_deadline_due_at" in plans["deadlines"]
    assert "ix_deadline_due_at" in plans["next deadline"]
    assert "ix_outbox_next_at" in plans["next notice"]


def test_many_results_need_few_statements_and_one_transaction(casebook: Casebook) -> None:
    for number in range(NOTICES):
        casebook.decide(handlers.take_detection, make_detection(str(number)), DESK, now=T0)
    counted: Counter[str] = Counter()

    def statement(*_: object) -> None:
        counted["statements"] += 1

    def commit(_: object) -> None:
        counted["commits"] += 1

    sa.event.listen(casebook.engine, "before_cursor_execute", statement)
    sa.event.listen(casebook.engine, "commit", commit)
    leased = casebook.decide(
        handlers.start_attempts,
        slots={"market": NOTICES},
        now=T0,
        hold_for=timedelta(seconds=10),
        worker="w",
        desk=DESK,
    )
    ended = [
        handlers.Ended(
            one,
            AttemptResult("accepted", None, 202),
            handlers.Accepted(
                make_response(kind="receipt", outcome=None, received=1, key=one.idempotency_key), at(1), "D"
            ),
        )
        for one in leased
    ]
    became = casebook.decide(handlers.settle, ended, DESK, now=at(1), chance=Random(1))

    assert became == ("delivered",) * NOTICES
    assert counted["commits"] == 2
    # One update for each acknowledgement that was met in time; all else is the same for one as for forty.
    assert counted["statements"] <= NOTICES + 80


def test_results_written_together_are_what_they_are_one_by_one(tmp_path: Path) -> None:
    found = []
    for together in (True, False):
        book = Casebook.open(f"sqlite:///{tmp_path / f'{together}.db'}")
        for number in range(6):
            book.decide(handlers.take_detection, make_detection(str(number)), DESK, now=T0)
        leased = book.decide(
            handlers.start_attempts,
            slots={"market": 6},
            now=T0,
            hold_for=timedelta(seconds=10),
            worker="w",
            desk=DESK,
        )
        ended = [_ended(number, one) for number, one in enumerate(leased)]
        for many in [ended] if together else [[one] for one in ended]:
            book.decide(handlers.settle, many, DESK, now=at(1), chance=Random(1))
        with book.read() as tx:
            found.append(
                [
                    tx.exec_driver_sql(query).all()
                    for query in (
                        "SELECT platform, state, attempts FROM outbox ORDER BY notice_id, state",
                        "SELECT claim, acknowledged_at, next_look_at FROM notice_item ORDER BY listing_id",
                        "SELECT c.listing_id, e.sequence, e.type FROM case_event e JOIN case_ c"
                        " ON c.case_id = e.case_id ORDER BY c.listing_id, e.sequence",
                        "SELECT i.listing_id, d.kind, d.due_at, d.state, d.met_at FROM deadline d JOIN"
                        " notice_item i ON i.notice_id = d.notice_id ORDER BY i.listing_id, d.kind",
                        "SELECT act, count(*) FROM audit GROUP BY act ORDER BY act",
                    )
                ]
            )
        book.close()

    assert found[0][1:] == found[1][1:]
    assert sorted(found[0][0]) == sorted(found[1][0])


def _ended(number: int, one: object) -> handlers.Ended:
    from streams.notices.casebook.outbox import Leased

    assert isinstance(one, Leased)
    if number % 3 == 2:
        return handlers.Ended(one, AttemptResult("refused", "invalid", 422), None)
    receipt = make_response(kind="receipt", outcome=None, received=1, key=one.idempotency_key)
    return handlers.Ended(
        one, AttemptResult("accepted", None, 202), handlers.Accepted(receipt, at(1), f"D{number}")
    )
