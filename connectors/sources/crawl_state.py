"""What a crawl remembers between its passes and over restarts."""

from dataclasses import dataclass, field
from typing import Any

import orjson

REMEMBERED = 50_000
"""Pages; of a larger site the ones looked at longest ago are forgotten, and looked at again."""


@dataclass(slots=True)
class Seen:
    """One page as it was last looked at."""

    changed: str | None
    """The sitemap's ``lastmod`` then."""
    at: float
    """When, in seconds since 1970."""
    etag: str | None = None
    modified: str | None = None
    marks: dict[str, str] = field(default_factory=dict)
    """Content of each product on it, by id."""

    def to_held(self) -> list[Any]:
        return [self.changed, self.at, self.etag, self.modified, self.marks]

    @classmethod
    def from_held(cls, held: Any) -> "Seen":
        changed, at, etag, modified, marks = held
        return cls(changed, float(at), etag, modified, dict(marks))


@dataclass(slots=True)
class CrawlState:
    """What a cursor holds."""

    pages: dict[str, Seen] = field(default_factory=dict)
    """In the order in which they were looked at."""
    robots: dict[str, Any] = field(default_factory=dict)
    """By scheme, host and port."""
    day: str = ""
    calls: int = 0
    """Requests on that day (UTC)."""

    def to_text(self) -> str:
        """For :class:`connectors.cursors.CursorStore`."""
        newest = list(self.pages.items())[-REMEMBERED:]
        held = {
            "pages": {url: one.to_held() for url, one in newest},
            "robots": self.robots,
            "day": self.day,
            "calls": self.calls,
        }
        return orjson.dumps(held).decode()

    @classmethod
    def from_text(cls, text: str | None) -> "CrawlState":
        """An unreadable cursor means: everything is new, which repeats and loses nothing."""
        try:
            held = orjson.loads(text) if text else {}
            pages = {url: Seen.from_held(one) for url, one in dict(held.get("pages") or {}).items()}
            return cls(
                pages, dict(held.get("robots") or {}), str(held.get("day", "")), int(held.get("calls", 0))
            )
        except (ValueError, AttributeError, TypeError):
            return cls()
