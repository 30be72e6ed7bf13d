"""Delivers what is in the outbox. A dead platform holds only its own places."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random

import structlog

from streams.notices import handlers
from streams.notices.casebook import outbox
from streams.notices.casebook.database import Casebook
from streams.notices.loops import Bell
from streams.notices.metrics import NoticeMetrics
from streams.notices.ports import Outside
from streams.notices.together import Together

log = structlog.get_logger()

SETTLED_AT_ONCE = 64
"""Ends of tries in one transaction; it holds their cases until it ends."""

LEASE = timedelta(seconds=10)
"""How long a try belongs to a sender that has gone silent; prolonged while it is under way."""


class Dispatcher:
    """Leases due notices and makes one attempt each."""

    def __init__(
        self,
        casebook: Casebook,
        desk: handlers.Desk,
        outside: Outside,
        metrics: NoticeMetrics,
        *,
        worker: str,
        answered: Bell,
        tick_s: float = 0.25,
        chance: Random | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        settle_at_once: int = SETTLED_AT_ONCE,
    ) -> None:
        self._casebook = casebook
        self._desk = desk
        self._outside = outside
        self._metrics = metrics
        self._worker = worker
        self._answered = answered
        self._tick_s = tick_s
        self._clock = clock
        self._chance = chance or Random()  # noqa: S311 - spreads retries, no secret
        # While the casebook is away the leases are prolonged; when it stays away they run out.
        self._settled: Together[handlers.Ended, str] = Together(
            self._settle_all, what="settle", at_once=settle_at_once
        )
        self.bell = Bell()
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._tokens: dict[str, int] = {}
        self._busy: Counter[str] = Counter()
        self._prolonged_at = clock()

    async def step(self) -> None:
        """Lease what is due and start its attempts; then wait for the bell or a tick."""
        now = self._clock()
        due = await self._casebook.look(outbox.next_due)
        if due is not None and due <= now:
            await self._start(now)
        if self._tokens and abs(now - self._prolonged_at) >= LEASE / 3:
            self._prolonged_at = now
            await self._casebook.run(outbox.prolong, dict(self._tokens), until=now + LEASE)
        await self.bell.wait(self._tick_s)

    async def _start(self, now: datetime) -> None:
        slots = {name: policy.concurrency - self._busy[name] for name, policy in self._desk.platforms.items()}
        leased = await self._casebook.run(
            handlers.start_attempts,
            slots=slots,
            now=now,
            hold_for=LEASE,
            worker=self._worker,
            desk=self._desk,
        )
        for one in leased:
            self._busy[one.platform] += 1
            self._tokens[one.idempotency_key] = one.token
            task = asyncio.create_task(self._deliver(one), name=f"deliver-{one.platform}")
            self._under_way[one.idempotency_key] = task
            task.add_done_callback(partial(self._ended, one))

    def _ended(self, one: outbox.Leased, task: asyncio.Task[None]) -> None:
        self._busy[one.platform] -= 1
        self._tokens.pop(one.idempotency_key, None)
        self._under_way.pop(one.idempotency_key, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            # The lease runs out and the try is made again; what happened must not go unseen.
            self._metrics.loop_errors.labels("delivery", type(error).__name__).inc()
            log.error("delivery_broke", platform=one.platform, error=repr(error)[:500])
        self.bell.ring()

    async def _deliver(self, one: outbox.Leased) -> None:
        policy = self._desk.platforms[one.platform]
        timeout_s = policy.attempt_timeout.total_seconds()
        with self._metrics.attempt_seconds.labels(one.platform).time():
            result, accepted = await self._outside.deliver(one, timeout_s)
        self._metrics.attempts.labels(one.platform, result.result).inc()
        await self._settle(one, result, accepted)

    async def _settle(
        self, one: outbox.Leased, result: outbox.AttemptResult, accepted: handlers.Accepted | None
    ) -> None:
        """Write the result. While the casebook is away the lease keeps being prolonged as long as it can."""
        became = await self._settled.write(handlers.Ended(one, result, accepted))
        if accepted is not None:
            self._answered.ring()
        else:
            log.info(
                "not_delivered",
                platform=one.platform,
                notice_id=one.notice_id,
                attempt=one.attempt,
                reason=result.reason,
                next=became,
            )

    async def _settle_all(self, ended: Sequence[handlers.Ended]) -> Sequence[str]:
        return await self._casebook.run(
            handlers.settle, ended, self._desk, now=self._clock(), chance=self._chance
        )

    async def drain(self, grace_s: float) -> None:
        """Let attempts under way finish, at most for ``grace_s``; unfinished ones are tried again later."""
        tasks = list(self._under_way.values())
        if tasks:
            await asyncio.wait(tasks, timeout=grace_s)
        for task in self._under_way.values():
            task.cancel()
