"""How fast one platform is spoken to: a rate, and silence when it asks for silence.

The arithmetic is pure (:func:`reserve`, :func:`backoff_s`); :class:`Pace` adds the clock.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 300.0
LONGEST_WINDOW_S = 3_600.0


def reserve(full_at: float, now: float, *, interval: float, burst: int) -> tuple[float, float]:
    """Take the next place in a rate limit (generic cell rate algorithm).

    ``full_at`` is the state: the moment at which every place handed out so far is paid for. Returns the
    new state and the moment at which the caller may start.
    """
    start = max(now, full_at - (burst - 1) * interval)
    return max(full_at, now) + interval, start


def backoff_s(failures: int, *, chance: float, retry_after_s: float | None = None) -> float:
    """Seconds to wait after so many failures in a row (1 = the first).

    Doubles from 1 s to 5 min, times a factor between a half and one set by ``chance`` (0 to 1), and is never
    shorter than what the other side asked for.
    """
    doubled = min(FIRST_BACKOFF_S * 2.0 ** (min(failures, 32) - 1), LONGEST_BACKOFF_S)
    return max(doubled * (0.5 + 0.5 * chance), retry_after_s or 0.0)


def window_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to be silent after a reply that says that nothing is left of a window; ``None``: go on.

    ``X-Ratelimit-Remaining`` and ``X-Ratelimit-Reset`` in seconds; another form of the second says nothing.

    >>> window_s({"x-ratelimit-remaining": "0.0", "x-ratelimit-reset": "30"})
    30.0
    """
    try:
        left, reset = float(headers["x-ratelimit-remaining"]), float(headers["x-ratelimit-reset"])
    except (KeyError, ValueError):
        return None
    return min(reset, LONGEST_WINDOW_S) if left < 1 and 0 < reset < 86_400 else None


class Pace:
    """Hands out turns to speak to one platform. For one event loop."""

    def __init__(
        self,
        rate_per_s: float,
        *,
        burst: int = 1,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._interval = 1.0 / rate_per_s
        self._burst = burst
        self._monotonic = monotonic
        self._sleep = sleep
        self._full_at = monotonic()
        self._silent_until = float("-inf")

    @property
    def silent_for_s(self) -> float:
        """Seconds for which the platform asked to be left alone; 0 when it did not."""
        return max(self._silent_until - self._monotonic(), 0.0)

    @property
    def is_free(self) -> bool:
        """Whether a turn would come at once."""
        now = self._monotonic()
        return reserve(self._full_at, now, interval=self._interval, burst=self._burst)[1] <= now

    def be_silent(self, seconds: float) -> None:
        """The platform said ``Retry-After``. A shorter wish never cuts a longer one."""
        self._silent_until = max(self._silent_until, self._monotonic() + seconds)

    async def turn(self, count: int = 1) -> None:
        """Wait for ``count`` places under the rate; silence is not waited for, see :attr:`silent_for_s`."""
        now = self._monotonic()
        # Several places are one long one: the next caller waits until all of them are paid for.
        self._full_at, start = reserve(self._full_at, now, interval=self._interval * count, burst=self._burst)
        wait = start - self._monotonic()
        if wait > 0:
            await self._sleep(wait)
