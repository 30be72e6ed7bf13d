"""Keeping the parts of the service running: outages are waited out, faults of ours end the process."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog

from streams.notices.metrics import NoticeMetrics

log = structlog.get_logger()

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 15.0


class Progress(Protocol):
    """Remembers when each part last got on."""

    def expect(self, part: str, *, within_s: float) -> None:
        """The part must move at least that often."""

    def moved(self, part: str) -> None:
        """It did."""


class Bell:
    """Wakes a part that waits for work in the same process; missing a ring only costs its wait."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """There is work."""
        self._event.set()

    async def wait(self, at_most_s: float) -> None:
        """Return when rung, or after ``at_most_s``."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), max(at_most_s, 0.001))
        self._event.clear()


async def keep_on(
    part: str,
    step: Callable[[], Awaitable[None]],
    *,
    outages: Sequence[type[BaseException]],
    progress: Progress,
    metrics: NoticeMetrics,
    within_s: float = 60.0,
) -> None:
    """Call ``step`` for ever. An outage waits (doubling, at most 15 s) and tries again.

    Raises:
        Exception: whatever else ``step`` raises; the process ends and its supervisor starts it again.
    """
    progress.expect(part, within_s=within_s)
    wait = FIRST_WAIT_S
    while True:
        try:
            await step()
        except tuple(outages) as error:
            reason = type(error).__name__
            metrics.loop_errors.labels(part, reason).inc()
            log.warning("waiting", part=part, reason=reason, detail=str(error)[:300], seconds=wait)
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT_S)
        else:
            progress.moved(part)
            wait = FIRST_WAIT_S
