"""The board's ledger says what a fresh look at the casebook says, after every single thing that happens."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from streams.notices import acts
from streams.notices.casebook import cases, figures, outbox
from streams.notices.casebook.database import Casebook, Transaction
from streams.reports import sla
from streams.reports.columns import Columns
from streams.reports.ledger import Ledger
from streams.sla.calendar import Calendar
from tests.contracts.test_casebook import casebook, url  # noqa: F401 - fixtures
from tests.support.casebooks import DESK, fill
from tests.support.notices import at

NOW = at(90_000)
CALENDARS = {"market": Calendar("Europe/Berlin", "DE")}


def checksum(found: sla.SlaReport) -> str:
    return sla.document(found, now=NOW, period={}).checksum


class Followed:
    """A casebook of which the ledger is asked after each transaction."""

    def __init__(self, book: Casebook, *, most: int) -> None:
        self._book = book
        self._ledger = Ledger(book, CALENDARS, most=most)
        self.seen: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._book, name)

    def decide(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = self._book.decide(function, *args, **kwargs)
        followed = self._ledger.report(since=None, until=None, now=NOW)
        items = self._book.answer(figures.item_times)
        facts = self._book.answer(figures.item_facts)
        wanted = checksum(sla.report(items, now=NOW, calendars=CALENDARS))

        assert checksum(followed) == wanted, function.__name__
        assert checksum(sla.report(Columns.of_facts(facts), now=NOW, calendars=CALENDARS)) == wanted
        self.seen.append(wanted)
        return result


@pytest.mark.parametrize("most", [20_000, 2], ids=["followed", "mostly read anew"])
def test_it_follows_everything_that_counts(casebook: Casebook, most: int) -> None:  # noqa: F811
    followed = Followed(casebook, most=most)
    first, second, *_ = fill(cast(Casebook, followed), 4)
    with casebook.read() as tx:
        notice = cases.notice_by_id(tx, first)

    def comes_back(tx: Transaction) -> None:
        outbox.came_back(tx, notice.idempotency_key, reason="bounced")
        cases.save_notice(tx, first, delivery="failed_permanent")

    def waits_again(tx: Transaction) -> None:
        assert outbox.requeue(tx, notice.idempotency_key, now=at(5_001))
        cases.save_notice(tx, first, delivery="queued")

    followed.decide(comes_back)
    followed.decide(waits_again)
    followed.decide(acts.withdraw, second, DESK, by="Ada", reason="not ivory", now=at(5_002))

    assert len(set(followed.seen)) > 15, "most of what happened counts in some figure"


def test_a_period_is_that_of_the_report(casebook: Casebook) -> None:  # noqa: F811
    fill(casebook, 3)
    ledger = Ledger(casebook)

    for since, until in ((None, at(0)), (at(0), None), (at(1), None), (None, at(1)), (at(-9), at(9))):
        items = casebook.answer(figures.item_times, since=since, until=until)
        found = ledger.report(since=since, until=until, now=NOW)
        assert checksum(found) == checksum(sla.report(items, now=NOW)), (since, until)


def test_a_copy_that_was_put_back_is_read_anew(casebook: Casebook, url: str) -> None:  # noqa: F811
    ledger = Ledger(casebook)
    fill(casebook, 2)
    ledger.report(since=None, until=None, now=NOW)
    ledger._position += 10_000  # as if more had been there

    found = ledger.report(since=None, until=None, now=NOW)

    assert checksum(found) == checksum(sla.report(casebook.answer(figures.item_times), now=NOW))
