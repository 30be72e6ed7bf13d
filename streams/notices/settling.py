"""Writes down how tries ended: many of them in one transaction.

While one transaction is under way, what ends meanwhile gathers for the next. Nothing waits for company:
a lone result is written at once, and under load the cost of a commit is shared.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from random import Random

import structlog

from streams.notices import handlers
from streams.notices.casebook.database import Casebook, CasebookUnavailable

log = structlog.get_logger()

AT_ONCE = 64
"""Results in one transaction; it holds their cases until it ends."""

WAITS_S = (0.2, 1.0, 3.0)
"""Before the same results are written again while the casebook is away. After that their leases run out."""


class Settler:
    """Takes results from many coroutines. For one event loop."""

    def __init__(
        self,
        casebook: Casebook,
        desk: handlers.Desk,
        *,
        chance: Random,
        clock: Callable[[], datetime],
        at_once: int = AT_ONCE,
    ) -> None:
        self._casebook = casebook
        self._desk = desk
        self._chance = chance
        self._clock = clock
        self._at_once = at_once
        self._waiting: deque[tuple[handlers.Ended, asyncio.Future[str]]] = deque()
        self._work: asyncio.Task[None] | None = None

    async def settle(self, one: handlers.Ended) -> str:
        """Return once the result is committed, with what became of the notice.

        Raises:
            CasebookUnavailable: it could not be written; the lease runs out and the try is made again.
        """
        written: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, written))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._write_all(), name="settle")
        return await written

    async def _write_all(self) -> None:
        while self._waiting:
            many = [self._waiting.popleft() for _ in range(min(self._at_once, len(self._waiting)))]
            # Whoever gave up waiting is ending; its lease runs out.
            many = [(one, written) for one, written in many if not written.done()]
            if many:
                await self._write(many)

    async def _write(self, many: Sequence[tuple[handlers.Ended, asyncio.Future[str]]]) -> None:
        try:
            became = await self._transaction([one for one, _ in many])
        except Exception as error:
            if len(many) == 1 or isinstance(error, CasebookUnavailable):
                for _, written in many:
                    if not written.done():
                        written.set_exception(error)
                return
            # One of them cannot be written: nothing was, so each goes by itself and harms no other.
            log.warning("settling_one_by_one", tries=len(many), reason=type(error).__name__)
            for pair in many:
                await self._write([pair])
            return
        for (_, written), state in zip(many, became, strict=True):
            if not written.done():
                written.set_result(state)

    async def _transaction(self, many: Sequence[handlers.Ended]) -> tuple[str, ...]:
        for wait in (*WAITS_S, None):
            try:
                return await self._casebook.run(
                    handlers.settle, many, self._desk, now=self._clock(), chance=self._chance
                )
            except CasebookUnavailable:
                if wait is None:
                    raise
                await asyncio.sleep(wait)
        raise AssertionError("unreachable")
