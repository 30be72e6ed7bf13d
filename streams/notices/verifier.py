"""Looks at the listings themselves: what was seen, apart from what was said."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from streams.notices import handlers
from streams.notices.casebook import looks
from streams.notices.casebook.database import Casebook
from streams.notices.loops import Bell
from streams.notices.metrics import NoticeMetrics
from streams.notices.ports import Outside

LEASE = timedelta(seconds=60)


class Verifier:
    """Makes the looks that are due, a bounded number at once."""

    def __init__(
        self,
        casebook: Casebook,
        desk: handlers.Desk,
        outside: Outside,
        metrics: NoticeMetrics,
        *,
        observer: str,
        changed: Bell,
        tick_s: float = 0.25,
        at_once: int = 16,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._casebook = casebook
        self._desk = desk
        self._outside = outside
        self._metrics = metrics
        self._observer = observer
        self._changed = changed
        self._tick_s = tick_s
        self._at_once = at_once
        self._clock = clock
        self._under_way: set[asyncio.Task[None]] = set()
        self.bell = Bell()

    async def step(self) -> None:
        """Start what is due; then wait for the bell or a tick. One slow page delays no other."""
        for task in [task for task in self._under_way if task.done()]:
            self._under_way.discard(task)
            task.result()
        room = self._at_once - len(self._under_way)
        now = self._clock()
        if room > 0:
            at = await self._casebook.look(looks.next_look)
            if at is not None and at <= now:
                due = await self._casebook.run(looks.lease, now=now, hold_for=LEASE, limit=room)
                for one in due:
                    self._under_way.add(asyncio.create_task(self._look(one), name=f"look-{one.platform}"))
        await self.bell.wait(self._tick_s)

    async def _look(self, due: looks.LookDue) -> None:
        if due.platform not in self._desk.platforms:
            await self._casebook.run(looks.plan, due.notice_id, due.case_id, None)
            return
        seen = await self._outside.look(due)
        happened = await self._casebook.run(
            handlers.take_look,
            due,
            seen.look,
            self._desk,
            now=self._clock(),
            http_status=seen.http_status,
            body_sha256=seen.body_sha256,
            observer=self._observer,
        )
        self._metrics.looks.labels(due.platform, seen.look.state).inc()
        if happened:
            self._changed.ring()
        self.bell.ring()
