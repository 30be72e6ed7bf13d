"""What reports need of every listing, kept in memory and made up to date by what the audit chain names.

The first time everything is read; after that a look costs what has changed since, so that figures of
any period are a matter of arithmetic.
"""

import threading
from collections.abc import Mapping
from datetime import datetime

from streams.notices.casebook import figures, sealing
from streams.notices.casebook.database import Casebook, Transaction
from streams.reports import sla
from streams.reports.columns import Columns
from streams.reports.working_time import WorkingTime
from streams.sla.calendar import Calendar

MOST = 20_000
"""Rows of the audit chain that are followed; after more, everything is read anew."""


class Ledger:
    """Every listing's times. May be used from several threads."""

    def __init__(
        self, casebook: Casebook, calendars: Mapping[str, Calendar] | None = None, *, most: int = MOST
    ) -> None:
        """``calendars`` are the platforms' working days."""
        self._casebook = casebook
        self._calendars = calendars
        self._most = most
        self._lock = threading.Lock()
        self._columns: Columns | None = None
        self._places: dict[tuple[str, str], int] = {}
        self._position = 0
        self._working: dict[Calendar, WorkingTime] = {}

    def follow(self) -> None:
        """Learn what has changed, so that there is less to learn when figures are asked for."""
        # The view is opened only when it is our turn, so that no view is older than what is known.
        with self._lock:
            self._casebook.answer(self._up_to_date)

    def report(self, *, since: datetime | None, until: datetime | None, now: datetime) -> sla.SlaReport:
        """The figures of a period, of the casebook as it is now.

        Raises:
            CasebookUnavailable
        """
        with self._lock:
            known = self._casebook.answer(self._up_to_date).within(since, until)
            return sla.report(known, now=now, calendars=self._calendars, working=self._working_time)

    def _working_time(self, calendar: Calendar) -> WorkingTime:
        return self._working.setdefault(calendar, WorkingTime(calendar))

    def _up_to_date(self, tx: Transaction) -> Columns:
        head = sealing.head(tx)
        columns, position = self._columns, head.position if head else 0
        # A chain that is shorter now is another casebook's: a copy was put back.
        if columns is None or head is None or position < self._position:
            return self._read_all(tx, position)
        if position > self._position:
            changed = figures.changed_since(tx, self._position, most=self._most)
            if changed is None:
                return self._read_all(tx, position)
            columns = self._changed(columns, figures.facts_of_notices(tx, sorted(changed)))
            self._columns, self._position = columns, position
        return columns

    def _read_all(self, tx: Transaction, position: int) -> Columns:
        facts = figures.item_facts(tx)
        columns = Columns.of_facts(facts)
        self._places = {(one[0], one[1]): place for place, one in enumerate(facts)}
        self._columns, self._position = columns, position
        return columns

    def _changed(self, columns: Columns, facts: list[figures.Fact]) -> Columns:
        known = [one for one in facts if (one[0], one[1]) in self._places]
        fresh = [one for one in facts if (one[0], one[1]) not in self._places]
        if known:
            places = [self._places[one[0], one[1]] for one in known]
            columns.put(places, Columns.of_facts(known, columns.names))
        if fresh:
            for place, one in enumerate(fresh, start=len(columns)):
                self._places[one[0], one[1]] = place
            columns = columns.and_more(Columns.of_facts(fresh, columns.names))
        return columns
