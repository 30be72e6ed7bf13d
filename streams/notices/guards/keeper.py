"""Looks after what time changes: holds lapse, dead channels are left, records and gauges are renewed."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from streams.notices.acts.holds import lapse_holds
from streams.notices.casebook import caps, channels, holds, kept_back, quality, stops, tasks
from streams.notices.casebook.channels import Tries
from streams.notices.casebook.database import Casebook, Transaction
from streams.notices.guards.breaker import Breaker
from streams.notices.guards.health import score
from streams.notices.guards.record import Record, below
from streams.notices.handlers.desk import Desk
from streams.notices.handlers.fallback import leave_dead_channels
from streams.notices.loops import Bell
from streams.notices.metrics import NoticeMetrics

log = structlog.get_logger()

RECORDS_EVERY = timedelta(minutes=1)
GAUGES_EVERY = timedelta(seconds=5)
HEALTH_OVER = timedelta(hours=1)
STATES = {"closed": 0, "half_open": 1, "open": 2}


def renew_records(tx: Transaction, desk: Desk, *, now: datetime) -> tuple[quality.Standing, ...]:
    """Count every rule's record with every platform anew; returns those below their stop line."""
    found: list[quality.Standing] = []
    for name, policy in sorted(desk.platforms.items()):
        counted = quality.count(tx, name, since=now - policy.quality.over)
        for rule_id, numbers in sorted(counted.items()):
            why = below(Record(*numbers), policy.quality)
            standing = quality.Standing(name, rule_id, *numbers, why, now)
            quality.save(tx, standing)
            if why is not None:
                found.append(standing)
        quality.forget_others(tx, name, sorted(counted))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Guarding:
    """One consistent look at everything that keeps notices back."""

    stops: tuple[stops.Stop, ...]
    holds: tuple[holds.Hold, ...]
    kept_back: int
    breakers: dict[tuple[str, str], Breaker]
    tries: tuple[Tries, ...]
    oldest: dict[str, datetime]
    left: dict[str, int]
    """By platform with a cap: new notices that may still go today."""
    below: dict[str, int]
    tasks: dict[str, int]

    def health(self, platform: str, now: datetime) -> float:
        """The platform's health score."""
        mine = next((one for one in self.tries if one.platform == platform), Tries(platform, 0, 0, 0.0))
        waited = now - self.oldest.get(platform, now)
        return score(good=mine.good, bad=mine.bad, mean_s=mine.slow_s, oldest=waited)


def guarding(tx: Transaction, desk: Desk, *, now: datetime) -> Guarding:
    """Read it."""
    left, under, waiting = {}, dict.fromkeys(desk.platforms, 0), dict.fromkeys(desk.platforms, 0)
    day = caps.day_of(now)
    for name, policy in desk.platforms.items():
        if policy.daily_notices is not None:
            allowed = policy.daily_notices + caps.approved(tx, name, day)
            left[name] = max(allowed - caps.spent(tx, name, day).notices, 0)
    for standing in quality.standings(tx):
        under[standing.platform] = under.get(standing.platform, 0) + (standing.below is not None)
    for task in tasks.waiting(tx):
        waiting[task.platform] = waiting.get(task.platform, 0) + 1
    return Guarding(
        stops=stops.in_force(tx),
        holds=holds.every_open(tx),
        kept_back=kept_back.count(tx),
        breakers=channels.breakers(tx),
        tries=channels.tries(tx, since=now - HEALTH_OVER),
        oldest=channels.oldest_unsent(tx, sorted(desk.platforms)),
        left=left,
        below=under,
        tasks=waiting,
    )


def show(metrics: NoticeMetrics, desk: Desk, found: Guarding, now: datetime) -> None:
    """Put it on the gauges."""
    for scope in ("all", "platform", "rule"):
        metrics.stops.labels(scope).set(sum(one.scope == scope for one in found.stops))
    confirmed = sum(one.in_force(now) for one in found.holds)
    metrics.holds.labels("in_force").set(confirmed)
    metrics.holds.labels("waits_for_second_person").set(len(found.holds) - confirmed)
    metrics.kept_back.set(found.kept_back)
    metrics.channel_down.clear()
    for name, policy in desk.platforms.items():
        for channel in (channels.OWN, channels.OTHER) if policy.other_way else (channels.OWN,):
            breaker = found.breakers.get((name, channel), Breaker())
            metrics.breaker.labels(name, channel).set(STATES[breaker.state])
            if breaker.opened_at is not None:
                metrics.channel_down.labels(name, channel).set((now - breaker.opened_at).total_seconds())
        metrics.channel_health.labels(name).set(found.health(name, now))
        metrics.below_line.labels(name).set(found.below.get(name, 0))
        metrics.tasks.labels(name).set(found.tasks.get(name, 0))
        if name in found.left:
            metrics.cap_left.labels(name).set(found.left[name])


class Keeper:
    """Runs every half second; what costs more is done less often."""

    def __init__(
        self,
        casebook: Casebook,
        desk: Desk,
        metrics: NoticeMetrics,
        *,
        bells: Sequence[Bell] = (),
        tick_s: float = 0.5,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._casebook = casebook
        self._desk = desk
        self._metrics = metrics
        self._bells = bells
        self._tick_s = tick_s
        self._clock = clock
        self._records_at: datetime | None = None
        self._gauges_at: datetime | None = None
        self._falls_back = any(policy.fallback_after is not None for policy in desk.platforms.values())

    async def step(self) -> None:
        """Do what is due; then wait a tick."""
        now = self._clock()
        changed = 0
        if await self._casebook.look(holds.any_expired, now=now):
            changed += await self._casebook.run(lapse_holds, now=now)
        if self._falls_back:
            moved = await self._casebook.run(leave_dead_channels, self._desk, now=now)
            self._metrics.fallbacks.inc(moved)
            changed += moved
        if self._records_at is None or abs(now - self._records_at) >= RECORDS_EVERY:
            self._records_at = now
            for one in await self._casebook.run(renew_records, self._desk, now=now):
                log.warning("rule_below_line", rule=one.rule_id, platform=one.platform, why=one.below)
        if self._gauges_at is None or abs(now - self._gauges_at) >= GAUGES_EVERY:
            self._gauges_at = now
            found = await self._casebook.look(guarding, self._desk, now=now)
            show(self._metrics, self._desk, found, now)
        if changed:
            for bell in self._bells:
                bell.ring()
        await asyncio.sleep(self._tick_s)
