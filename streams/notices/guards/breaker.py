"""When a channel that does not answer is left alone, and when it is tried again. Pure.

Closed: everything goes. After some failures in a row it opens and nothing goes; when its time is up a
single trial goes (half open), and what becomes of it closes the breaker or opens it for longer.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When it opens, and for how long."""

    failures: int = 5
    """In a row."""
    open_for: timedelta = timedelta(seconds=30)
    """The first time; doubled with each trial that fails."""
    longest: timedelta = timedelta(minutes=10)
    trial_for: timedelta = timedelta(seconds=60)
    """A trial of which nothing is heard for so long counts as lost: another may go."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """How one channel of one platform is."""

    state: str = "closed"
    """``closed``, ``open`` or ``half_open``."""
    failures: int = 0
    """In a row."""
    opened_at: datetime | None = None
    """Since when it has not worked; trials in between do not change it."""
    retry_at: datetime | None = None
    """When the next trial may go."""
    opened: int = 0
    """How often in a row it has opened."""


CLOSED = Breaker()


def admits(found: Breaker, places: int, now: datetime) -> int:
    """How many of so many places may be used now."""
    if found.state == "closed":
        return places
    return min(places, 1) if found.retry_at is None or found.retry_at <= now else 0


def with_trial(found: Breaker, now: datetime, policy: BreakerPolicy) -> Breaker:
    """A trial goes."""
    return replace(found, state="half_open", retry_at=now + policy.trial_for)


def is_alive(result: str, reason: str | None) -> bool:
    """Whether a try's end shows a channel that works: a refusal and "too many" are answers, too."""
    return result != "retry" or reason == "throttled"


def after(found: Breaker, *, alive: bool, now: datetime, policy: BreakerPolicy) -> Breaker:
    """What a try's end makes of it."""
    if alive:
        return CLOSED
    if found.state == "open":
        return found  # A try that began before it opened; it says nothing new.
    failures = found.failures + 1
    if found.state == "closed" and failures < policy.failures:
        return replace(found, failures=failures)
    wait = min(policy.open_for * 2.0 ** min(found.opened, 30), policy.longest)
    return Breaker("open", failures, found.opened_at or now, now + wait, found.opened + 1)
