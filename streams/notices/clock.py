"""Fires deadlines: on silence, within a second, once, also after a restart."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from statistics import median

import structlog

from streams.notices import handlers
from streams.notices.casebook import deadlines
from streams.notices.casebook.database import Casebook
from streams.notices.loops import Bell
from streams.notices.metrics import NoticeMetrics

log = structlog.get_logger()

STEP_LIMIT = timedelta(seconds=2)
"""A wall clock that moves this far against the steady one was set by somebody."""
BELIEVE_AFTER = timedelta(minutes=10)
"""A wall clock that was set and has kept its new time for so long is believed again."""


UNSURE_BEYOND = timedelta(minutes=1)
"""By a clock that was set by more than this, and is not believed, nothing is written, sent or looked at: a
notice with a wrong time is a wrong notice."""


AGAIN_AFTER_S = 15.0

TOGETHER = timedelta(seconds=4)
"""What others say is told to the second, and was on its way for at most three."""
APART = timedelta(minutes=4)
"""Two others whose clocks are this far from ours, and not from each other's, show that ours is wrong. A
signature is good for five minutes (Standard Webhooks), so nobody would take ours either."""
LISTEN_EVERY = timedelta(minutes=15)
UNSURE_AGAIN = timedelta(seconds=15)
"""How often others are asked what time it is, and while ours is not believed."""
HEARD_FOR = timedelta(minutes=20)
"""So long counts what others said the time is."""


class ClockUnsure(Exception):
    """The machine's clock was set by far or is not the others', and is not believed."""


def agreed(offset: float, heard: Sequence[float]) -> bool | None:
    """Whether others have this time, too; ``None``: they cannot tell.

    ``offset`` and each of ``heard``: a wall clock's seconds less the steady clock's. More than half of them
    within seconds of ours confirm it, also where it is only one. To doubt it takes at least two, all of them
    far from ours and near each other: one platform with a wrong clock silences nobody.
    """
    if 2 * sum(abs(one - offset) <= TOGETHER.total_seconds() for one in heard) > len(heard):
        return True
    far = all(abs(one - offset) > APART.total_seconds() for one in heard)
    near = len(heard) >= 2 and max(heard) - min(heard) <= UNSURE_BEYOND.total_seconds()
    return False if far and near else None


def steady_seconds() -> float:
    """Seconds that no one can set; where the system has it, time asleep counts too."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class DeadlineClock:
    """Claims what is due about every half second."""

    def __init__(
        self,
        casebook: Casebook,
        desk: handlers.Desk,
        metrics: NoticeMetrics,
        *,
        drain: Callable[[datetime], Awaitable[int]],
        fired: Bell | None = None,
        tick_s: float = 0.5,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = steady_seconds,
    ) -> None:
        self._casebook = casebook
        self._desk = desk
        self._metrics = metrics
        self._drain = drain
        self._fired = fired
        self._tick_s = tick_s
        self._clock = clock
        self._monotonic = monotonic
        self._offset: float | None = None
        self._set_to: float | None = None
        self._set_at = 0.0
        self._wall: datetime | None = None
        """By the tick before; absent: this is the first."""
        self._ticked_at = 0.0
        self._again_at: float | None = None
        self._heard: Sequence[float] = ()
        self._heard_at = 0.0

    def hear(self, others: Sequence[float]) -> None:
        """What others say the time is: their clocks' seconds less the steady clock's. Nothing heard changes
        nothing: what was heard before holds for a while."""
        if not others:
            return
        self._heard, self._heard_at = tuple(others), self._monotonic()
        if self._agreed(self._clock().timestamp() - self._heard_at) is False:
            self._metrics.loop_errors.labels("clock", "clock_wrong").inc()

    def offset(self) -> float:
        """The wall clock's seconds less the steady clock's, now."""
        return self._clock().timestamp() - self._monotonic()

    def _agreed(self, offset: float) -> bool | None:
        if self._monotonic() - self._heard_at > HEARD_FOR.total_seconds():
            self._heard = ()
        return agreed(offset, self._heard)

    async def step(self) -> None:
        """Fire what is due, after every answer received by now has been applied."""
        wall = self._clock()
        if self._was_ahead(wall):
            try:
                brought = await self._casebook.run(handlers.bring_back, self._desk, now=wall)
            except BaseException:
                self._wall = None  # not done: the next step asks again
                raise
            if brought:
                log.warning("planned_anew", now=wall.isoformat(), **asdict(brought))
            if self._fired is not None:
                self._fired.ring()
        now = self._believed(wall)
        while await self._drain(now):
            pass
        while await self._casebook.look(deadlines.any_due, now=now):
            fired = await self._casebook.run(handlers.fire_deadlines, self._desk, now=now)
            if self._fired is not None:
                self._fired.ring()  # A step of the ladder may have put something in the line.
            if fired < handlers.FIRE_AT_ONCE:
                break
        await asyncio.sleep(self._tick_s)

    def is_sure(self) -> bool:
        """Whether what happens now may be written down under this clock's time.

        A process that started under a wrong clock cannot know it, unless others tell.
        """
        offset = self.offset()
        told = self._agreed(offset)
        if told is not None:
            return told
        if self._offset is None:
            return True
        return abs(offset - self._offset) <= UNSURE_BEYOND.total_seconds()

    def sure_now(self) -> datetime:
        """The time.

        Raises:
            ClockUnsure
        """
        now = self._clock()
        if not self.is_sure():
            raise ClockUnsure(f"the clock says {now:%Y-%m-%d %H:%M:%S} UTC, which is not believed")
        return now

    def careful(self, step: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """``step``, but doing nothing while the clock is not believed."""

        async def carefully() -> None:
            if self.is_sure():
                await step()
            else:
                await asyncio.sleep(self._tick_s)

        return carefully

    def _was_ahead(self, wall: datetime) -> bool:
        """Whether what is planned may have been planned by a clock that was ahead of this one.

        At a start nobody knows; after that it is when the wall clock was set back.
        """
        before, steady_before = self._wall, self._ticked_at
        self._wall, self._ticked_at = wall, self._monotonic()
        passed = timedelta(seconds=self._ticked_at - steady_before)
        if before is None or wall - before < passed - STEP_LIMIT:
            # And once more, for what was decided by the wrong time and is written after this.
            self._again_at = self._ticked_at + AGAIN_AFTER_S
            return True
        if self._again_at is not None and self._ticked_at >= self._again_at:
            self._again_at = None
            return True
        return False

    def _believed(self, wall: datetime) -> datetime:
        """The time by which deadlines fire.

        After somebody set the clock, the earlier of its time and what the steady clock says it
        would be: a clock set forward by mistake accuses nobody, and one set back fires nothing
        twice. It is believed again when it is back, or has kept its new time for ten minutes (a
        machine that started with a wrong clock must not stay silent for ever), or on a restart.
        Where others tell the time they decide instead, also on a restart: at once, as long as they tell.
        """
        steady = self._monotonic()
        offset = wall.timestamp() - steady
        limit = STEP_LIMIT.total_seconds()
        told = self._agreed(offset)
        if told is False:
            self._offset, self._set_at = median(self._heard), steady
        was = offset if self._offset is None else self._offset
        moved = abs(offset - was) > limit
        if moved and (self._set_to is None or abs(offset - self._set_to) > limit):
            self._set_to, self._set_at = offset, steady
            self._metrics.loop_errors.labels("clock", "clock_step").inc()
            log.error("clock_step", now=wall.isoformat(), by_s=round(offset - was, 3))
        kept = told is not False and steady - self._set_at >= BELIEVE_AFTER.total_seconds()
        if moved and not told and not kept:
            return min(wall, datetime.fromtimestamp(steady + was, UTC))
        if self._set_to is not None:
            log.warning("clock_believed", now=wall.isoformat(), others=len(self._heard))
        # Followed from tick to tick, so that a clock that is corrected slowly counts as one.
        self._offset, self._set_to = offset, None
        return wall


class Listener:
    """Asks others what time it is: at first, when the clock was set or is not believed, and now and then."""

    def __init__(
        self,
        clock: DeadlineClock,
        ask: Callable[[], Awaitable[Sequence[float]]],
        *,
        tick_s: float = 0.5,
        monotonic: Callable[[], float] = steady_seconds,
    ) -> None:
        self._of = clock
        self._ask = ask
        self._tick_s = tick_s
        self._monotonic = monotonic
        self._asked_at: float | None = None
        self._offset = 0.0
        """The clock's, when they were last asked."""

    async def listen(self) -> None:
        """Ask now."""
        self._asked_at, self._offset = self._monotonic(), self._of.offset()
        self._of.hear(await self._ask())

    async def step(self) -> None:
        """Ask if it is time to; then wait for a tick."""
        if self._is_time():
            await self.listen()
        await asyncio.sleep(self._tick_s)

    def _is_time(self) -> bool:
        if self._asked_at is None or abs(self._of.offset() - self._offset) > STEP_LIMIT.total_seconds():
            return True
        again = UNSURE_AGAIN if not self._of.is_sure() else LISTEN_EVERY
        return self._monotonic() - self._asked_at >= again.total_seconds()
