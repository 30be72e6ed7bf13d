"""Fires deadlines: on silence, within a second, once, also after a restart."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog

from streams.notices import handlers
from streams.notices.casebook import deadlines
from streams.notices.casebook.database import Casebook
from streams.notices.metrics import NoticeMetrics

log = structlog.get_logger()

STEP_LIMIT = timedelta(seconds=2)
"""A wall clock that moves this far against the monotonic one was set by somebody."""


class DeadlineClock:
    """Claims what is due about every half second."""

    def __init__(
        self,
        casebook: Casebook,
        desk: handlers.Desk,
        metrics: NoticeMetrics,
        *,
        drain: Callable[[datetime], Awaitable[int]],
        tick_s: float = 0.5,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._casebook = casebook
        self._desk = desk
        self._metrics = metrics
        self._drain = drain
        self._tick_s = tick_s
        self._clock = clock
        self._monotonic = monotonic
        self._offset: float | None = None

    async def step(self) -> None:
        """Fire what is due, after every answer received by now has been applied."""
        now = self._clock()
        if self._stepped(now):
            # Wait one tick and look again before anything is said about anybody.
            self._metrics.loop_errors.labels("clock", "clock_step").inc()
            log.error("clock_step", now=now.isoformat())
            await asyncio.sleep(self._tick_s)
            return
        while await self._drain(now):
            pass
        while await self._casebook.look(deadlines.any_due, now=now):
            fired = await self._casebook.run(handlers.fire_deadlines, self._desk, now=now)
            if fired < handlers.FIRE_AT_ONCE:
                break
        await asyncio.sleep(self._tick_s)

    def _stepped(self, now: datetime) -> bool:
        offset = now.timestamp() - self._monotonic()
        before, self._offset = self._offset, offset
        return before is not None and abs(offset - before) > STEP_LIMIT.total_seconds()
