"""Fills the gauges that show what is still open and how old it is."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from streams.notices.casebook import deadlines, figures, inbox, outbox
from streams.notices.casebook.database import Casebook, Transaction
from streams.notices.metrics import NoticeMetrics


@dataclass(frozen=True, slots=True)
class Standing:
    """One consistent look at everything that waits."""

    outbox: tuple[outbox.Waiting, ...]
    inbox: dict[str, tuple[int, datetime | None]]
    open: tuple[figures.OpenNotices, ...]
    deadlines_due: int
    deadlines: tuple[deadlines.Standing, ...]


def standing(tx: Transaction, *, now: datetime) -> Standing:
    """Read what waits."""
    return Standing(
        outbox=outbox.waiting(tx),
        inbox=inbox.counts(tx),
        open=figures.open_notices(tx),
        deadlines_due=len(deadlines.due(tx, now=now, limit=10_000)),
        deadlines=figures.deadlines_standing(tx),
    )


class Gauges:
    """Reads the casebook every few seconds and shows it."""

    def __init__(
        self,
        casebook: Casebook,
        metrics: NoticeMetrics,
        *,
        tick_s: float = 5.0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._casebook = casebook
        self._metrics = metrics
        self._tick_s = tick_s
        self._clock = clock
        self.outbox_age_s = 0.0
        self.inbox_age_s = 0.0

    async def step(self) -> None:
        """Look once and wait a tick."""
        now = self._clock()
        self._show(await self._casebook.look(standing, now=now), now)
        await asyncio.sleep(self._tick_s)

    def _show(self, found: Standing, now: datetime) -> None:
        metrics = self._metrics
        for gauge in (
            metrics.outbox,
            metrics.outbox_age,
            metrics.inbox,
            metrics.open_notices,
            metrics.oldest_open,
            metrics.deadlines_pending,
            metrics.deadlines_late,
        ):
            gauge.clear()
        self.outbox_age_s = 0.0
        for row in found.outbox:
            metrics.outbox.labels(row.platform, row.state).set(row.count)
            if row.state in ("queued", "leased") and row.oldest_queued_at is not None:
                age = max(0.0, (now - row.oldest_queued_at).total_seconds())
                metrics.outbox_age.labels(row.platform).set(age)
                self.outbox_age_s = max(self.outbox_age_s, age)
        for state, (count, _) in found.inbox.items():
            metrics.inbox.labels(state).set(count)
        oldest = found.inbox.get("new", (0, None))[1]
        self.inbox_age_s = max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
        metrics.inbox_age.set(self.inbox_age_s)
        for platform in found.open:
            metrics.open_notices.labels(platform.platform).set(platform.count)
            if platform.oldest_sent_at is not None:
                age = max(0.0, (now - platform.oldest_sent_at).total_seconds())
                metrics.oldest_open.labels(platform.platform).set(age)
        for duty in found.deadlines:
            metrics.deadlines_pending.labels(duty.platform, duty.kind).set(duty.pending)
            metrics.deadlines_late.labels(duty.platform, duty.kind).set(duty.late)
        metrics.deadlines_overdue.set(found.deadlines_due)
