"""Publishes the casebook's events to Kafka, in order, at least once."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from schemas.case_event import CaseEvent
from streams.notices.casebook import events, offsets
from streams.notices.casebook.database import Casebook
from streams.notices.loops import Bell
from streams.notices.metrics import NoticeMetrics

MEASURES: Mapping[str, str] = {"acknowledged": "acknowledged", "removal_verified": "removal_seen"}
"""Event type to the measure whose response time it carries."""
VERDICTS: Mapping[str, str] = {
    "deadline_met": "met",
    "deadline_missed": "missed",
    "deadline_rescinded": "rescinded",
}
"""Event type to what became of the deadline that it names."""


def observe(metrics: NoticeMetrics, event: CaseEvent) -> None:
    """Count one published event, and its response time if it carries one."""
    metrics.case_events.labels(event.type).inc()
    if event.type in VERDICTS:
        metrics.deadlines_resolved.labels(event.platform, event.data["kind"], VERDICTS[event.type]).inc()
    after_s = event.data.get("after_s")
    measure = "decided" if event.data.get("first_decision") else MEASURES.get(event.type)
    if measure is not None and isinstance(after_s, int | float):
        metrics.response_seconds.labels(event.platform, measure).observe(after_s)


Publish = Callable[[Sequence[events.Unpublished]], Awaitable[None]]
"""Sends events keyed by case, in order; returns when Kafka has acknowledged all of them."""

LEASE = timedelta(seconds=15)


class Relay:
    """One relay works at a time; the others stand by."""

    def __init__(
        self,
        casebook: Casebook,
        publish: Publish,
        metrics: NoticeMetrics,
        *,
        worker: str,
        tick_s: float = 0.5,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._casebook = casebook
        self._publish = publish
        self._metrics = metrics
        self._worker = worker
        self._tick_s = tick_s
        self._clock = clock
        self._held_until: datetime | None = None
        self._telling: asyncio.Task[None] | None = None
        self.bell = Bell()

    async def step(self) -> None:
        """Publish up to 500 events; then wait for the bell or a tick."""
        waiting = await self._casebook.look(events.unpublished, 500)
        self._metrics.unpublished.set(len(waiting))
        if waiting and await self._mine():
            # A stop may come between Kafka's acknowledgement and the mark: :meth:`flush` waits for both.
            self._telling = asyncio.create_task(self._tell(waiting))
            await asyncio.shield(self._telling)
            if len(waiting) == 500:
                return
        await self.bell.wait(self._tick_s)

    async def _tell(self, waiting: Sequence[events.Unpublished]) -> None:
        async with asyncio.timeout(LEASE.total_seconds()):
            await self._publish(waiting)
        await self._casebook.run(events.mark_published, [one.position for one in waiting])
        for one in waiting:
            observe(self._metrics, CaseEvent.from_bytes(one.body))

    async def flush(self, grace_s: float) -> None:
        """At a stop, when no step runs any more: publish what is left, at most for ``grace_s``; the next
        start does the rest. What a step had begun is ended first, so that a stop tells nothing twice."""
        self._tick_s = 0.001
        try:
            async with asyncio.timeout(grace_s):
                if self._telling is not None:
                    await asyncio.wait([self._telling])
                while await self._casebook.look(events.unpublished, 1):
                    await self.step()
        except TimeoutError:
            pass
        finally:
            if self._telling is not None and self._telling.cancel():
                await asyncio.wait([self._telling], timeout=1.0)

    async def _mine(self) -> bool:
        now = self._clock()
        if self._held_until is not None and self._held_until - now > LEASE / 2:
            return True
        mine = await self._casebook.run(
            offsets.take_lease, "relay", self._worker, now=now, hold_for=2 * LEASE
        )
        self._held_until = now + 2 * LEASE if mine else None
        return mine
