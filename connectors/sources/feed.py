"""RSS, Atom and JSON Feed as a source of listings.

The bytes are fetched by our own client, within its limits, and only then given to a parser. A pass
asks with ``If-None-Match`` / ``If-Modified-Since`` and yields the entries that are new or changed
since the cursor, oldest first. JSON Feed items may carry more than the standard says in an object
``_listing``, with fields named as in :class:`schemas.listing.Listing`.
"""

import asyncio
import calendar
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

import feedparser

from connectors.errors import PlatformRefused, PlatformUnavailable
from connectors.http import OutboundClient, Reply, reply_error
from connectors.mapping import OPTIONAL, Unusable, seal
from connectors.markup import plain_text
from connectors.pages import moment
from connectors.platform import Page
from schemas.dead_letter import DeadLetter, dead_letter
from schemas.listing import Listing
from schemas.message import digest

FEED_CAP = 8 * 1024 * 1024
"""Bytes of one feed."""
PAGE = 200
REMEMBERED = 5_000
"""Entries that the cursor remembers, newest first."""
_EXTRA = OPTIONAL - {"first_seen_at"}
JSON_FEED = "https://jsonfeed.org/version/"


@dataclass(frozen=True, slots=True)
class FeedCursor:
    """What was seen: the feed's validators and the entries, each with a mark of what it showed."""

    etag: str | None = None
    modified: str | None = None
    seen: Mapping[str, str] = field(default_factory=dict)

    def to_text(self) -> str:
        """For :class:`connectors.cursors.CursorStore`."""
        return json.dumps(
            {"etag": self.etag, "modified": self.modified, "seen": dict(self.seen)},
            separators=(",", ":"),
        )

    @classmethod
    def from_text(cls, text: str | None) -> "FeedCursor":
        """An unreadable cursor means: everything is new, which repeats and loses nothing."""
        try:
            held = json.loads(text) if text else {}
            return cls(held.get("etag"), held.get("modified"), dict(held.get("seen") or {}))
        except (ValueError, AttributeError, TypeError):
            return cls()


class FeedSource:
    """One feed of one platform."""

    def __init__(
        self,
        url: str,
        *,
        platform: str,
        client: OutboundClient,
        now: Callable[[], datetime],
        connector: str = "feed",
        run_id: str = "feed",
    ) -> None:
        self._url = url
        self._platform = platform
        self._client = client
        self._now = now
        self._connector = connector
        self._run_id = run_id

    async def read(self, since: str | None) -> AsyncIterator[Page]:
        """One pass. Nothing new: no page.

        Raises:
            PlatformUnavailable: go on later from the last cursor.
            PlatformRefused: the address or the document is not a feed.
        """
        cursor = FeedCursor.from_text(since)
        reply = await self._fetch(cursor)
        if reply is None:
            return
        now = self._now()
        try:
            items = await asyncio.to_thread(
                parse_feed, reply.body, reply.headers.get("content-type", ""), self._url
            )
        except PlatformRefused as error:
            if not cursor.seen:
                raise
            # It was a feed before: somebody's page stands in front of it for a while.
            raise PlatformUnavailable("bad_reply", error.detail, http_status=200) from error
        seen = dict(cursor.seen)
        fresh: list[Listing] = []
        aside: list[DeadLetter] = []
        for item in items:  # oldest first
            made = entry_listing(item, self._about(now), now=now, origin=self._url)
            if isinstance(made, DeadLetter):
                letter = made
                if seen.get(letter.dead_letter_id) is None:
                    seen[letter.dead_letter_id] = "-"
                    aside.append(letter)
            else:
                mark = made.content_hash[:16]
                if seen.get(made.listing_id) != mark:
                    seen[made.listing_id] = mark
                    fresh.append(made)
            if len(fresh) + len(aside) >= PAGE:
                # Without the validators: if we stop here the next pass must see the rest.
                yield Page(tuple(fresh), tuple(aside), _cursor(None, None, seen))
                fresh, aside = [], []
        yield Page(
            tuple(fresh),
            tuple(aside),
            _cursor(reply.headers.get("etag"), reply.headers.get("last-modified"), seen),
        )

    async def _fetch(self, cursor: FeedCursor) -> Reply | None:
        headers = {"Accept": "application/feed+json, application/atom+xml, application/rss+xml, */*;q=0.5"}
        if cursor.etag:
            headers["If-None-Match"] = cursor.etag
        if cursor.modified:
            headers["If-Modified-Since"] = cursor.modified
        reply = await self._client.request("GET", self._url, headers=headers, cap=FEED_CAP)
        if reply.status == 304:
            return None
        if reply.status != 200:
            raise reply_error(reply, self._now())
        if not reply.complete:
            raise PlatformUnavailable(
                "bad_reply", f"the feed is longer than {FEED_CAP} bytes", http_status=200
            )
        return reply

    def _about(self, now: datetime) -> dict[str, Any]:
        return {
            "platform": self._platform,
            "connector": self._connector,
            "run_id": self._run_id,
            "observed_at": now,
        }


def entry_listing(
    item: Mapping[str, Any], about: Mapping[str, Any], *, now: datetime, origin: str
) -> Listing | DeadLetter:
    """One entry as a listing, or set aside. ``about`` says whose it is and who saw it."""
    try:
        if not item.get("listing_id"):
            raise Unusable("wrong_shape", "the entry has neither an id nor a link.")
        fields = {**item, **about}
        return seal({name: value for name, value in fields.items() if value is not None}, now=now)
    except Unusable as refusal:
        raw = json.dumps(item, default=str, sort_keys=True).encode("utf-8", "replace")
        return dead_letter(
            stage="connector",
            reason=refusal.reason,
            detail=refusal.detail,
            value=raw,
            now=now,
            origin=f"{origin}#{digest([raw])[:16]}",
            worker=str(about["run_id"]),
        )


def _cursor(etag: str | None, modified: str | None, seen: Mapping[str, str]) -> str:
    newest = dict(list(seen.items())[-REMEMBERED:])
    return FeedCursor(etag, modified, newest).to_text()


def parse_feed(body: bytes, content_type: str, url: str) -> tuple[dict[str, Any], ...]:
    """The entries as listing fields, oldest first.

    Raises:
        PlatformRefused: it is not a feed.
    """
    start = body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    items = list(_json_items(body, url) if start == b"{" else _xml_items(body, content_type, url))
    # Feeds put the newest first; those without a date keep the feed's order, turned round.
    items.reverse()
    items.sort(key=_posted)
    return tuple(items)


def _posted(item: Mapping[str, Any]) -> datetime:
    at = item.get("posted_at")
    at = moment(at) if isinstance(at, str) else at
    return at if isinstance(at, datetime) else datetime.min.replace(tzinfo=UTC)


def _json_items(body: bytes, url: str) -> Iterator[dict[str, Any]]:
    try:
        feed = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PlatformRefused("invalid", f"{url} is not a JSON feed: {error}"[:300]) from error
    if not isinstance(feed, dict) or not str(feed.get("version", "")).startswith(JSON_FEED):
        raise PlatformRefused("invalid", f"{url} is JSON, but not a JSON Feed (jsonfeed.org)")
    entries = feed.get("items")
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict):
            yield _json_item(entry, url)
        else:
            yield {"title": "", "description": str(entry)[:1_000]}


def _json_item(entry: Mapping[str, Any], url: str) -> dict[str, Any]:
    extra = entry.get("_listing")
    extra = {name: extra[name] for name in _EXTRA if name in extra} if isinstance(extra, dict) else {}
    link = _link(entry.get("url") or entry.get("external_url"), url)
    authors = entry.get("authors")
    author = authors[0] if isinstance(authors, list) and authors and isinstance(authors[0], dict) else {}
    images = [entry.get("image"), entry.get("banner_image")]
    given: dict[str, Any] = {
        "listing_id": _text(entry.get("id")) or link,
        "url": link or _text(entry.get("id")),
        "title": _text(entry.get("title")) or "",
        "description": _text(entry.get("content_text"))
        or plain_text(_text(entry.get("content_html")))
        or _text(entry.get("summary"))
        or "",
        "category": ", ".join(tag for tag in entry.get("tags") or () if isinstance(tag, str)) or None
        if isinstance(entry.get("tags"), list)
        else None,
        "seller": {"handle": author.get("name"), "profile_url": author.get("url")} if author else None,
        "images": tuple({"url": found} for one in images if (found := _link(one, url))) or None,
        "language": _text(entry.get("language")),
        "posted_at": moment(entry.get("date_published")),
    }
    return {**given, **extra}


def _xml_items(body: bytes, content_type: str, url: str) -> Iterator[dict[str, Any]]:
    # A file object, never the bytes: feedparser would first try them as the name of a local file.
    feed = feedparser.parse(
        io.BytesIO(body), response_headers={"content-type": content_type or "application/xml"}
    )
    if not feed.get("version"):
        raise PlatformRefused("invalid", f"{url} is neither RSS, Atom nor JSON Feed")
    language = feed.feed.get("language")
    for entry in feed.entries:
        link = _link(entry.get("link"), url)
        contents = entry.get("content") or []
        html = contents[0].get("value") if contents else entry.get("summary")
        stamp = entry.get("published_parsed") or entry.get("updated_parsed")
        yield {
            "listing_id": _text(entry.get("id")) or link,
            "url": link or _text(entry.get("id")),
            "title": plain_text(entry.get("title")),
            "description": plain_text(html),
            "category": ", ".join(tag.get("term") or "" for tag in entry.get("tags") or ()) or None,
            "seller": {"handle": entry.get("author")} if entry.get("author") else None,
            "images": tuple(
                {"url": found}
                for one in (*(entry.get("media_content") or ()), *(entry.get("enclosures") or ()))
                if str(one.get("type") or one.get("medium") or "").startswith("image")
                and (found := _link(one.get("url") or one.get("href"), url))
            )
            or None,
            "language": _text(entry.get("language")) or _text(language),
            "posted_at": datetime.fromtimestamp(calendar.timegm(stamp), UTC) if stamp else None,
        }


def _text(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value).strip() or None


def _link(value: Any, base: str) -> str | None:
    text = _text(value)
    try:
        whole = urljoin(base, text) if text else ""
    except ValueError:
        return None
    return whole if whole.startswith(("http://", "https://")) else None
