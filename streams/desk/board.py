"""The SLA board's figures: those of the report, kept for a moment, with their age."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from streams.notices.casebook import figures, frozen
from streams.notices.casebook.database import Casebook, Transaction
from streams.notices.casebook.frozen import Frozen, FrozenName
from streams.reports import freezing, sla
from streams.reports.document import Document
from streams.reports.frozen import as_frozen, document_of
from streams.reports.ledger import Ledger
from streams.reports.period import Period
from streams.sla.calendar import Calendar

FRESH = timedelta(seconds=15)
"""Figures so young are shown as they are; older ones are made anew."""
KEPT = 32
USUAL = "30d"
"""From when the board counts if nobody says."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The report of one period, and when it was made."""

    document: Document
    made_at: datetime
    frozen: FrozenName | None = None
    """By whom and when, where these are figures that were frozen then."""


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
        self._clock = clock
        self._casebook = casebook
        self._calendars = calendars
        self._ledger = Ledger(casebook, calendars)
        self._kept: OrderedDict[str, Figures] = OrderedDict()
        self._making: dict[str, asyncio.Task[Figures]] = {}

    async def figures(self, name: str, period: Period) -> Figures:
        """The figures of a period; ``name`` is what stands for it in the address."""
        kept = self._kept.get(name)
        if kept is not None and self._clock() - kept.made_at <= FRESH:
            return kept
        making = self._making.get(name)
        if making is None:
            making = asyncio.create_task(self._make(name, period))
            self._making[name] = making
            making.add_done_callback(lambda _: self._making.pop(name, None))
        return await asyncio.shield(making)

    async def frozen(self, period: Period) -> Figures | None:
        """The figures of a named period as they were frozen; ``None``: they were not.

        Raises:
            OperatorError: they are not what was frozen.
        """
        kept = await self._casebook.look(frozen.find, "sla", period.name or "")
        if kept is None:
            return None
        document = await asyncio.to_thread(document_of, kept)
        return Figures(document, kept.frozen_at, _name_of(kept))

    async def with_corrections(self, period: Period) -> Figures | None:
        """The same with what has changed since: over many listings this takes seconds."""

        def look(tx: Transaction) -> Figures | None:
            kept = frozen.find(tx, "sla", period.name or "")
            if kept is None:
                return None
            items = figures.item_times(tx, since=period.since, until=period.until)
            return Figures(as_frozen(kept, items), kept.frozen_at, _name_of(kept))

        return await self._casebook.look(look)

    async def frozen_periods(self) -> tuple[FrozenName, ...]:
        """Which periods are frozen, the newest first."""
        found = await self._casebook.look(frozen.every)
        return tuple(sorted((one for one in found if one.report == "sla"), key=_newest_first, reverse=True))

    async def freeze(self, period: Period, *, by: str) -> Frozen:
        """Keep a named period as it is now, as ``takin report freeze`` does; returns what was kept.

        Raises:
            OperatorError: it is not over, or frozen already.
        """
        one = await self._casebook.look(
            freezing.prepare, period, by=by, now=self._clock(), calendars=self._calendars
        )
        if not await self._casebook.run(frozen.freeze, one):
            raise freezing.frozen_already(await self._casebook.look(frozen.find, "sla", one.period))
        return one

    async def follow(self) -> None:
        """Learn what has changed; see :class:`streams.reports.ledger.Ledger`."""
        await asyncio.to_thread(self._ledger.follow)

    async def _make(self, name: str, period: Period) -> Figures:
        now = self._clock()

        def made() -> Document:
            found = self._ledger.report(since=period.since, until=period.until, now=now)
            return sla.document(found, now=now, period=period.as_json())

        kept = Figures(await asyncio.to_thread(made), now)
        self._kept[name] = kept
        self._kept.move_to_end(name)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return kept


def _name_of(kept: Frozen) -> FrozenName:
    return FrozenName(*(getattr(kept, name) for name in FrozenName.__slots__))


def _newest_first(one: FrozenName) -> tuple[str, datetime]:
    return one.period, one.frozen_at
