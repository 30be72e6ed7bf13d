"""What goes wrong on the wire: pure decisions from the scenario and what was counted so far."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from connectors.sandbox.plan import matches
from connectors.sandbox.scenario import Down, Flaky, LimitsRate, PlatformScenario, Scenario, Throttles


@dataclass(frozen=True, slots=True)
class Attempt:
    """One notice request and what went before it."""

    number: int
    """Of the platform's notice requests, 1 = the first."""
    listing_ids: Sequence[str]
    round_: int
    throttled: int
    """How often this key was throttled before, early tries left out."""
    stumbled: int
    """How often a ``flaky`` trouble struck this key before."""
    not_before: datetime | None
    """What the last ``Retry-After`` for this key promised."""


@dataclass(frozen=True, slots=True)
class Struck:
    """The trouble that this attempt meets."""

    trouble: Throttles | LimitsRate | Flaky
    wait_s: float | None = None
    """Real seconds to promise in ``Retry-After``."""
    early: bool = False


def down_now(
    scenario: Scenario, platform: PlatformScenario, *, started_at: datetime, now: datetime
) -> tuple[Down, datetime] | None:
    """The outage of this moment and its end."""
    for trouble in platform.trouble:
        if isinstance(trouble, Down):
            end = _inside(trouble, scenario.speed, started_at, now)
            if end is not None:
                return trouble, end
    return None


def next_change(down: Down, speed: float, *, started_at: datetime, now: datetime) -> datetime | None:
    """When the outage begins or ends next; ``None`` when it is over for good."""
    age = (now - started_at).total_seconds() * speed
    begin = down.from_s
    if down.every_s is not None and age >= begin:
        begin += math.floor((age - begin) / down.every_s) * down.every_s
    edges = [begin, begin + down.for_s]
    if down.every_s is not None:
        edges.append(begin + down.every_s)
    ahead = [edge for edge in edges if edge > age]
    return started_at + timedelta(seconds=min(ahead) / speed) if ahead else None


def _inside(down: Down, speed: float, started_at: datetime, now: datetime) -> datetime | None:
    age = (now - started_at).total_seconds() * speed - down.from_s
    if age < 0:
        return None
    begin = 0.0
    if down.every_s is not None:
        begin = math.floor(age / down.every_s) * down.every_s
    if age - begin >= down.for_s:
        return None
    return started_at + timedelta(seconds=(down.from_s + begin + down.for_s) / speed)


def strikes(
    scenario: Scenario,
    platform: PlatformScenario,
    attempt: Attempt,
    *,
    rate_wait_s: Mapping[int, float],
    now: datetime,
) -> Struck | None:
    """The first trouble that strikes this attempt.

    ``rate_wait_s`` says for each ``limits_rate`` (by its place in the list) how long until it lets
    another request through; 0 or absent: now.
    """
    for index, trouble in enumerate(platform.trouble):
        if isinstance(trouble, Down):
            continue
        if isinstance(trouble, LimitsRate):
            wait = rate_wait_s.get(index, 0.0)
            if wait > 0:
                return Struck(trouble, wait_s=wait)
            continue
        place = f"{platform.name}.trouble.{index}"
        if not any(
            matches(
                trouble.when, seed=scenario.seed, place=place, listing_id=listing_id, round_=attempt.round_
            )
            for listing_id in (attempt.listing_ids or [""])
        ):
            continue
        if isinstance(trouble, Throttles):
            early = attempt.not_before is not None and now < attempt.not_before
            if early and attempt.not_before is not None:
                left = (attempt.not_before - now).total_seconds()
                return Struck(trouble, wait_s=left, early=True)
            if attempt.throttled < trouble.tries:
                return Struck(trouble, wait_s=trouble.retry_after_s / scenario.speed)
        elif (trouble.every is not None and attempt.number % trouble.every == 0) or (
            trouble.first is not None and attempt.stumbled < trouble.first
        ):
            wait_s = None if trouble.retry_after_s is None else trouble.retry_after_s / scenario.speed
            return Struck(trouble, wait_s=wait_s)
    return None


def promise(wait_s: float, form: Literal["seconds", "date"], now: datetime) -> tuple[str, datetime]:
    """The ``Retry-After`` value and the instant it promises.

    Both forms know whole seconds only (RFC 9110, 10.2.3): the wait is rounded up.
    """
    if form == "seconds":
        whole = max(0, math.ceil(wait_s))
        return str(whole), now + timedelta(seconds=whole)
    at = now + timedelta(seconds=wait_s)
    if at.microsecond:
        at = at.replace(microsecond=0) + timedelta(seconds=1)
    return at.strftime("%a, %d %b %Y %H:%M:%S GMT"), at


class RateLimit:
    """A token bucket for one ``limits_rate``; time is passed in."""

    def __init__(self, limit: LimitsRate, speed: float) -> None:
        self._per_s = limit.per_s * speed
        self._burst = float(limit.burst)
        self._tokens = self._burst
        self._at: datetime | None = None

    def wait_s(self, now: datetime) -> float:
        """Seconds until a request may pass; 0: it may, and is counted."""
        if self._at is not None:
            gained = (now - self._at).total_seconds() * self._per_s
            self._tokens = min(self._burst, self._tokens + gained)
        self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._per_s
