"""Shows what should have been erased and was not: nobody may have set up the job."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from streams.notices.casebook.database import Casebook
from streams.notices.metrics import NoticeMetrics
from streams.privacy.retention import GRACE, Rule, due

EVERY_S = 1_800.0
TICK_S = 1.0


class Overdue:
    """Counts at its start and then every half an hour."""

    def __init__(
        self,
        casebook: Casebook,
        rules: Sequence[Rule],
        metrics: NoticeMetrics,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._casebook = casebook
        self._rules = rules
        self._metrics = metrics
        self._clock = clock
        self._next = 0.0

    async def step(self) -> None:
        """Count, if it is time; then wait a tick, so that the process shows that it goes on."""
        if time.monotonic() >= self._next:
            for one in await self._casebook.look(due, self._rules, now=self._clock() - GRACE):
                self._metrics.retention_overdue.labels(one.rule.what).set(one.count)
            self._next = time.monotonic() + EVERY_S
        await asyncio.sleep(TICK_S)
