"""What is to be done later, each thing at its time, inside the event loop."""

import asyncio
import heapq
from collections.abc import Callable
from datetime import UTC, datetime


def wall_clock() -> datetime:
    """Now, aware UTC."""
    return datetime.now(UTC)


class Agenda:
    """Runs callbacks when their time has come, in order of time, then of entry.

    Times are wall-clock instants because a restart must keep them. What is overdue runs at once.
    A callback that raises ends :meth:`run` with its error: the sandbox must not go on with half of
    its plans.
    """

    def __init__(self, clock: Callable[[], datetime] = wall_clock) -> None:
        self._clock = clock
        self._heap: list[tuple[datetime, int, Callable[[], None]]] = []
        self._entered = 0
        self._wake = asyncio.Event()

    def at(self, due: datetime, act: Callable[[], None]) -> None:
        """Enter something."""
        self._entered += 1
        heapq.heappush(self._heap, (due, self._entered, act))
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self._wake.clear()
            wait: float | None = None
            while self._heap:
                wait = (self._heap[0][0] - self._clock()).total_seconds()
                if wait > 0:
                    break
                _, _, act = heapq.heappop(self._heap)
                act()
                wait = None
                await asyncio.sleep(0)
            try:
                # At most a minute, so that a step of the machine's clock is noticed.
                async with asyncio.timeout(None if wait is None else min(wait, 60.0)):
                    await self._wake.wait()
            except TimeoutError:
                continue
