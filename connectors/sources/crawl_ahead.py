"""What lies between a crawl and those who take what it read: pages held together, and reading ahead."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from connectors.http import Reply
from connectors.platform import Page
from connectors.sources.sitemap import Entry
from schemas.dead_letter import DeadLetter
from schemas.listing import Listing

CURSOR_EVERY = 25
"""Pages between two cursors, at least."""
MOST_HELD = 250
HELD_S = 1.0
"""What pages brought is given on together: so many, or before one would wait this long for the next."""


@dataclass(slots=True)
class Held:
    """What was read and not yet given on; the state counts it as seen already."""

    at: float
    """When something was last given on, by the monotonic clock."""
    cursor_at: float
    listings: list[Listing] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    pages_since_cursor: int = 0

    def __bool__(self) -> bool:
        return bool(self.listings or self.letters)

    def take(self, listings: Sequence[Listing], letters: Sequence[DeadLetter]) -> None:
        """One page's."""
        self.listings += listings
        self.letters += letters
        self.pages_since_cursor += 1

    def is_full(self, now: float, delay_s: float) -> bool:
        """Whether it is to be given on before another page is waited for."""
        waiting = len(self.listings) + len(self.letters)
        return waiting >= MOST_HELD or now + delay_s - self.at >= HELD_S

    def needs_cursor(self, now: float, remembered: int) -> bool:
        """Whether a cursor over so many pages is worth its making."""
        seldom = 0.1 * (remembered // 1_000)
        return self.pages_since_cursor >= CURSOR_EVERY and now - self.cursor_at >= seldom

    def give(self, now: float, cursor: str | None) -> Page:
        """All of it, and hold nothing."""
        page = Page(tuple(self.listings), tuple(self.letters), cursor)
        self.at = now
        self.listings, self.letters = [], []
        if cursor is not None:
            self.cursor_at, self.pages_since_cursor = now, 0
        return page


class Ahead:
    """One request that may be under way while what the last one brought is read; never two."""

    def __init__(self, ask: Callable[[], Awaitable[tuple[Entry, Reply] | None]]) -> None:
        self._ask = ask
        self._under_way: asyncio.Future[tuple[Entry, Reply] | None] | None = None

    async def begin(self) -> None:
        """Ask, and come back when the request is sent or has to wait."""
        self._under_way = asyncio.ensure_future(self._ask())
        await asyncio.sleep(0)

    async def taken(self) -> tuple[Entry, Reply] | None:
        """What it brought; asked for now if it was not begun."""
        begun, self._under_way = self._under_way, None
        return await (self._ask() if begun is None else begun)

    async def end(self) -> None:
        """Nobody waits for it any more."""
        if self._under_way is not None:
            self._under_way.cancel()
            await asyncio.gather(self._under_way, return_exceptions=True)


async def one_ahead(pages: AsyncGenerator[Page, None]) -> AsyncIterator[Page]:
    """The same pages, each read while what came before it is worked at; never more than one.

    For a source that its reading changes nothing at: what was read and is never taken is read again.
    """
    coming = asyncio.ensure_future(anext(pages, None))
    try:
        while (page := await coming) is not None:
            coming = asyncio.ensure_future(anext(pages, None))
            yield page
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        await pages.aclose()
