"""The SLA board's figures: those of the report, kept for a moment, with their age."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from streams.notices.casebook import figures
from streams.notices.casebook.database import Casebook
from streams.reports import sla

FRESH = timedelta(seconds=15)
"""Figures so young are shown as they are."""
STALE = timedelta(minutes=5)
"""Older ones are not shown; those between are, with their age, while newer ones are made."""
KEPT = 32
USUAL = "30d|"
"""The period that the board opens with, as its name."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One period's rows, and when they were made."""

    rows: tuple[sla.PlatformFigures, ...]
    made_at: datetime
    since: datetime | None
    until: datetime | None


class Board:
    """Figures by period. The same functions as ``takin report sla`` make them."""

    def __init__(self, casebook: Casebook, *, clock: Callable[[], datetime]) -> None:
        self._casebook = casebook
        self._clock = clock
        self._kept: OrderedDict[str, Figures] = OrderedDict()
        self._making: dict[str, asyncio.Task[Figures]] = {}

    async def figures(self, period: str, since: datetime | None, until: datetime | None) -> Figures:
        """The figures of a period; ``period`` is its name, as it stands in the address."""
        now = self._clock()
        kept = self._kept.get(period)
        if kept is not None and now - kept.made_at <= FRESH:
            return kept
        making = self._making.get(period)
        if making is None:
            making = asyncio.create_task(self._make(period, since, until))
            self._making[period] = making
            making.add_done_callback(lambda _: self._making.pop(period, None))
        if kept is not None and now - kept.made_at <= STALE:
            return kept
        return await asyncio.shield(making)

    async def _make(self, period: str, since: datetime | None, until: datetime | None) -> Figures:
        now = self._clock()
        items = await self._casebook.look(figures.item_times, since=since, until=until)
        rows = await asyncio.to_thread(sla.figures, items, now=now)
        made = Figures(rows, now, since, until)
        self._kept[period] = made
        self._kept.move_to_end(period)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return made
