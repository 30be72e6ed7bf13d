"""The SLA board's figures: those of the report, kept for a moment, with their age."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from streams.notices.casebook import figures
from streams.notices.casebook.database import Casebook
from streams.reports import sla
from streams.reports.document import Document
from streams.reports.period import Period
from streams.sla.calendar import Calendar

FRESH = timedelta(seconds=15)
"""Figures so young are shown as they are."""
STALE = timedelta(minutes=5)
"""Older ones are not shown; those between are, with their age, while newer ones are made."""
KEPT = 32
USUAL = "30d"
"""From when the board counts if nobody says."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The report of one period, and when it was made."""

    document: Document
    made_at: datetime


class Board:
    """Figures by period. The same functions as ``takin report sla`` make them."""

    def __init__(
        self,
        casebook: Casebook,
        *,
        clock: Callable[[], datetime],
        calendars: Mapping[str, Calendar] = MappingProxyType({}),
    ) -> None:
        """``calendars`` are the platforms' working days."""
        self._casebook = casebook
        self._clock = clock
        self._calendars = calendars
        self._kept: OrderedDict[str, Figures] = OrderedDict()
        self._making: dict[str, asyncio.Task[Figures]] = {}

    async def figures(self, name: str, period: Period) -> Figures:
        """The figures of a period; ``name`` is what stands for it in the address."""
        now = self._clock()
        kept = self._kept.get(name)
        if kept is not None and now - kept.made_at <= FRESH:
            return kept
        making = self._making.get(name)
        if making is None:
            making = asyncio.create_task(self._make(name, period))
            self._making[name] = making
            making.add_done_callback(lambda _: self._making.pop(name, None))
        if kept is not None and now - kept.made_at <= STALE:
            return kept
        return await asyncio.shield(making)

    async def _make(self, name: str, period: Period) -> Figures:
        now = self._clock()
        items = await self._casebook.look(figures.item_times, since=period.since, until=period.until)

        def made() -> Document:
            found = sla.report(items, now=now, calendars=self._calendars)
            return sla.document(found, now=now, period=period.as_json())

        kept = Figures(await asyncio.to_thread(made), now)
        self._kept[name] = kept
        self._kept.move_to_end(name)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return kept
