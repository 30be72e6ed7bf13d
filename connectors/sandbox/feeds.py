"""A platform's new listings as JSON Feed 1.1, RSS 2.0 and Atom (RFC 4287), and its sitemap.

Without ``since`` a feed holds the newest listings, newest first. With ``since=CURSOR`` it holds what
changed after that cursor, oldest first, so that a reader who follows ``next`` misses nothing; ``0``
is the beginning. The cursor to go on from is the header ``takin-cursor``; a page without a ``next``
link is the last for now. A listing that was changed or put back appears again with a higher cursor.
JSON Feed's extension ``_listing`` carries the fields of :class:`schemas.listing.Listing` for which
the format has no place.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import orjson

from connectors.sandbox.assignment import listing_url
from connectors.sandbox.markup import plain
from connectors.sandbox.state import PlatformState
from connectors.sandbox.stock import Offer

ATOM = "http://www.w3.org/2005/Atom"
SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
MAX_PAGE = 1_000
DEFAULT_PAGE = 500
SITEMAP_SIZE = 50_000
"""Addresses in one sitemap, the most that the format allows."""


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Some listings and where to go on."""

    entries: tuple[tuple[str, Offer], ...]
    cursor: int
    """Everything up to here has been shown to a reader who came with ``since``."""
    next_query: str | None


def feed_page(state: PlatformState, *, since: int | None, before: int | None, limit: int) -> FeedPage:
    """The page that a request asks for; ``limit`` is held between 1 and :data:`MAX_PAGE`."""
    limit = max(1, min(limit, MAX_PAGE))
    source = state.online_before(before) if since is None else state.online_after(since)
    found = tuple(itertools.islice(source, limit + 1))
    entries = found[:limit]
    query: dict[str, int] | None = None
    if since is None:
        cursor = entries[0][1].seq if entries else state.next_seq - 1
        if len(found) > limit:
            query = {"before": entries[-1][1].seq}
    else:
        cursor = entries[-1][1].seq if entries else since
        if len(found) > limit:
            query = {"since": cursor}
    return FeedPage(entries, cursor, urlencode({**query, "limit": limit}) if query else None)


def json_feed(page: FeedPage, *, name: str, base_url: str) -> bytes:
    """JSON Feed 1.1; ``_takin`` holds what the format has no field for."""
    feed: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": name,
        "home_page_url": base_url + "/",
        "feed_url": f"{base_url}/feed.json",
        "items": [_json_item(i, offer, base_url) for i, offer in page.entries],
    }
    if page.next_query:
        feed["next_url"] = f"{base_url}/feed.json?{page.next_query}"
    return orjson.dumps(feed)


def _json_item(listing_id: str, offer: Offer, base_url: str) -> dict[str, Any]:
    row = offer.row()
    item: dict[str, Any] = {
        "id": listing_id,
        "url": listing_url(base_url, listing_id),
        "title": row.title,
        "content_text": row.description,
        "date_published": row.posted_at.isoformat() if row.posted_at else None,
        "date_modified": offer.shown_at.isoformat(),
        "language": row.language,
        "tags": [row.category] if row.category else None,
        "_listing": row.model_dump(
            mode="json",
            exclude={"listing_id", "url", "title", "description", "platform"},
            exclude_defaults=True,
        ),
    }
    if row.seller and row.seller.handle:
        author = {"name": row.seller.handle, "url": row.seller.profile_url}
        item["authors"] = [{k: v for k, v in author.items() if v}]
    if row.images:
        item["image"] = row.images[0].url
    return {k: v for k, v in item.items() if v is not None}


def rss(page: FeedPage, *, name: str, base_url: str) -> bytes:
    """RSS 2.0 with an Atom ``next`` link (RFC 5005)."""
    ElementTree.register_namespace("atom", ATOM)
    root = ElementTree.Element("rss", version="2.0")
    channel = ElementTree.SubElement(root, "channel")
    _add(channel, "title", name)
    _add(channel, "link", base_url + "/")
    _add(channel, "description", f"New listings on {name}")
    for rel, href in _links(page, f"{base_url}/feed.rss"):
        ElementTree.SubElement(channel, f"{{{ATOM}}}link", rel=rel, href=href)
    for listing_id, offer in page.entries:
        row = offer.row()
        item = ElementTree.SubElement(channel, "item")
        _add(item, "title", row.title)
        _add(item, "link", listing_url(base_url, listing_id))
        _add(item, "guid", listing_id, isPermaLink="false")
        _add(item, "description", row.description)
        if row.posted_at:
            _add(item, "pubDate", format_datetime(row.posted_at, usegmt=True))
        if row.category:
            _add(item, "category", row.category)
    return _xml(root)


def atom(page: FeedPage, *, name: str, base_url: str, now: datetime) -> bytes:
    """Atom with a ``next`` link (RFC 5005)."""
    ElementTree.register_namespace("", ATOM)
    root = ElementTree.Element(f"{{{ATOM}}}feed")
    _add(root, f"{{{ATOM}}}id", f"{base_url}/feed.atom")
    _add(root, f"{{{ATOM}}}title", name)
    latest = max((offer.shown_at for _, offer in page.entries), default=now)
    _add(root, f"{{{ATOM}}}updated", latest.isoformat())
    for rel, href in _links(page, f"{base_url}/feed.atom"):
        ElementTree.SubElement(root, f"{{{ATOM}}}link", rel=rel, href=href)
    for listing_id, offer in page.entries:
        row = offer.row()
        url = listing_url(base_url, listing_id)
        entry = ElementTree.SubElement(root, f"{{{ATOM}}}entry")
        _add(entry, f"{{{ATOM}}}id", url)
        _add(entry, f"{{{ATOM}}}title", row.title)
        ElementTree.SubElement(entry, f"{{{ATOM}}}link", rel="alternate", href=url)
        if row.posted_at:
            _add(entry, f"{{{ATOM}}}published", row.posted_at.isoformat())
        _add(entry, f"{{{ATOM}}}updated", offer.shown_at.isoformat())
        _add(entry, f"{{{ATOM}}}content", row.description, type="text")
        author = ElementTree.SubElement(entry, f"{{{ATOM}}}author")
        _add(author, f"{{{ATOM}}}name", (row.seller.handle if row.seller else None) or "unknown")
        if row.category:
            ElementTree.SubElement(entry, f"{{{ATOM}}}category", term=plain(row.category))
    return _xml(root)


def sitemap(state: PlatformState, *, base_url: str, part: int | None) -> bytes | None:
    """All pages that are online; above 50,000 an index of parts. ``None``: no such part."""
    ElementTree.register_namespace("", SITEMAP)
    known = len(state.offers)
    parts = max(1, -(-known // SITEMAP_SIZE))
    if part is None and parts > 1:
        root = ElementTree.Element(f"{{{SITEMAP}}}sitemapindex")
        for number in range(1, parts + 1):
            entry = ElementTree.SubElement(root, f"{{{SITEMAP}}}sitemap")
            _add(entry, f"{{{SITEMAP}}}loc", f"{base_url}/sitemap-{number}.xml")
        return _xml(root)
    if part is not None and not 1 <= part <= parts:
        return None
    start = ((part or 1) - 1) * SITEMAP_SIZE
    root = ElementTree.Element(f"{{{SITEMAP}}}urlset")
    for listing_id in itertools.islice(state.offers, start, start + SITEMAP_SIZE):
        if listing_id not in state.gone:
            entry = ElementTree.SubElement(root, f"{{{SITEMAP}}}url")
            _add(entry, f"{{{SITEMAP}}}loc", listing_url(base_url, listing_id))
            _add(entry, f"{{{SITEMAP}}}lastmod", state.offers[listing_id].shown_at.isoformat())
    return _xml(root)


def _links(page: FeedPage, address: str) -> Iterable[tuple[str, str]]:
    yield "self", address
    if page.next_query:
        yield "next", f"{address}?{page.next_query}"


def _add(parent: ElementTree.Element, tag: str, text: str, **attributes: str) -> None:
    ElementTree.SubElement(parent, tag, attributes).text = plain(text)


def _xml(root: ElementTree.Element) -> bytes:
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))
