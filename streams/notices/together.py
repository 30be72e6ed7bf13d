"""Many small writes in one transaction.

While one transaction is under way, what comes meanwhile gathers for the next. Nothing waits for company:
a lone item is written at once, and under load the cost of a commit is shared. It also bounds what stands
in the casebook's queue: each kind of work has one transaction there at most, so a notice never waits
behind hundreds of looks.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import structlog

from streams.notices.casebook.database import CasebookUnavailable

log = structlog.get_logger()

Item = TypeVar("Item")
Result = TypeVar("Result")

WAITS_S = (0.2, 1.0, 3.0)
"""Before the same items are written again while the casebook is away; after that whoever waits is told."""


class Together(Generic[Item, Result]):
    """Takes items from many coroutines of one event loop.

    ``write`` writes several in one transaction and returns a result for each, in their order. It must
    be the same whether items come together or one by one.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        what: str,
        at_once: int,
        waits_s: Sequence[float] = WAITS_S,
    ) -> None:
        self._transaction = write
        self._what = what
        self._at_once = at_once
        self._waits_s = tuple(waits_s)
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._work: asyncio.Task[None] | None = None

    async def write(self, item: Item) -> Result:
        """Return once the item is committed.

        Raises:
            CasebookUnavailable: it could not be written.
            Exception: what ``write`` raised for this item alone; its neighbours are written.
        """
        written: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, written))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._write_all(), name=self._what)
        return await written

    async def _write_all(self) -> None:
        while self._waiting:
            many = [self._waiting.popleft() for _ in range(min(self._at_once, len(self._waiting)))]
            # Whoever gave up waiting is ending, and does not expect it to be written.
            many = [(item, written) for item, written in many if not written.done()]
            if many:
                await self._write(many)

    async def _write(self, many: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._tries([item for item, _ in many])
        except Exception as error:
            if len(many) == 1 or isinstance(error, CasebookUnavailable):
                for _, written in many:
                    if not written.done():
                        written.set_exception(error)
                return
            # One of them cannot be written: nothing was, so each goes by itself and harms no other.
            log.warning("writing_one_by_one", what=self._what, items=len(many), reason=type(error).__name__)
            for pair in many:
                await self._write([pair])
            return
        for (_, written), result in zip(many, results, strict=True):
            if not written.done():
                written.set_result(result)

    async def _tries(self, many: Sequence[Item]) -> Sequence[Result]:
        for wait in (*self._waits_s, None):
            try:
                return await self._transaction(many)
            except CasebookUnavailable:
                if wait is None:
                    raise
                await asyncio.sleep(wait)
        raise AssertionError("unreachable")
