"""What lies between a crawl and those who take what it read: pages held together, and asking ahead."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from connectors.http import Pending, Reply
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
    """The next page, asked for before the last one is read; never two at once."""

    def __init__(self, ask: Callable[[], Awaitable[tuple[Entry, Pending] | None]]) -> None:
        self._ask = ask
        self._begun = False
        self._asked: tuple[Entry, Pending] | None = None
        self._trouble: Exception | None = None

    async def begin(self) -> None:
        """Ask for it. What goes wrong is told when it is taken."""
        self._begun = True
        try:
            self._asked = await self._ask()
        except Exception as error:
            self._trouble = error

    async def taken(self) -> tuple[Entry, Reply] | None:
        """It, asked for now if it was not begun; ``None``: there is none."""
        if not self._begun:
            await self.begin()
        asked, trouble = self._asked, self._trouble
        self._begun, self._asked, self._trouble = False, None, None
        if trouble is not None:
            raise trouble
        return (asked[0], await asked[1].reply()) if asked is not None else None

    async def end(self) -> None:
        """Nobody waits for it any more."""
        if self._asked is not None:
            await self._asked[1].aclose()
