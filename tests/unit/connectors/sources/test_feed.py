"""Entries of every feed format become listings; nothing new is missed and nothing old repeated."""

import contextlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import PlatformRefused, PlatformUnavailable
from connectors.http import Reply
from connectors.sources import feed as feed_module
from connectors.sources.feed import FeedCursor, FeedSource, parse_feed
from schemas.listing import Listing

DATA = Path(__file__).parents[3] / "data" / "sources"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
URL = "https://shop.example/feed"


class _Client:
    """Stands where the HTTP client does; replies as told and keeps what it was asked."""

    def __init__(self, *replies: Reply | Exception) -> None:
        self.replies = list(replies)
        self.asked: list[dict[str, str]] = []

    async def request(self, method: str, url: str, *, headers: dict[str, str], cap: int) -> Reply:
        self.asked.append(dict(headers))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply


def source(client: _Client) -> FeedSource:
    return FeedSource(URL, platform="shop", client=client, now=lambda: NOW, run_id="run-1")  # type: ignore[arg-type]


def ok(body: bytes, **headers: str) -> Reply:
    return Reply(200, {name.replace("_", "-"): value for name, value in headers.items()}, body, True)


def json_feed(*items: Any) -> bytes:
    return json.dumps({"version": "https://jsonfeed.org/version/1.1", "items": list(items)}).encode()


async def read(made: FeedSource, since: str | None = None) -> tuple[list[Listing], list[str], str | None]:
    listings: list[Listing] = []
    aside: list[str] = []
    cursor = since
    async for page in made.read(since):
        listings += page.listings
        aside += [letter.reason for letter in page.set_aside]
        cursor = page.cursor
    return listings, aside, cursor


@pytest.mark.parametrize("name", ["rss.xml", "atom.xml", "feed.json"])
async def test_the_same_offers_come_out_of_every_format(name: str) -> None:
    listings, aside, _ = await read(source(_Client(ok((DATA / name).read_bytes()))))

    assert aside == []
    assert [listing.listing_id for listing in listings] == ["A-1", "A-2"]
    first = listings[0]
    assert first.key == "shop:A-1"
    assert first.url == "https://shop.example/listing/A-1"
    assert first.title == "Резная фигурка <из кости>"
    assert first.description == "Old & rare. Ask for more."
    assert first.posted_at == datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
    assert first.seller is not None
    assert first.seller.handle == "dealer-17"
    assert [image.url for image in first.images] == ["https://shop.example/i/1.jpg"]


async def test_our_own_extension_fills_what_json_feed_has_no_field_for() -> None:
    body = json_feed(
        {
            "id": "1",
            "url": "/l/1",
            "_listing": {
                "seq": 4,
                "price": {"amount": "12.50", "currency": "EUR"},
                "ships_to": ["AT"],
                "permit_statement": "none needed",
                "first_seen_at": "2001-01-01T00:00:00Z",
                "listing_id": "another",
            },
        }
    )
    (listing,), _, _ = await read(source(_Client(ok(body))))

    assert listing.listing_id == "1"
    assert listing.price is not None
    assert (str(listing.price.amount), listing.ships_to) == ("12.50", ("AT",))
    assert (listing.permit_statement, listing.first_seen_at) == ("none needed", None)


async def test_a_second_pass_brings_only_what_is_new_or_changed() -> None:
    one, two = {"id": "1", "url": "/1", "title": "a"}, {"id": "2", "url": "/2", "title": "b"}
    _, _, cursor = await read(source(_Client(ok(json_feed(one), etag='"1"', last_modified="Mon"))))
    client = _Client(ok(json_feed(two, one)))
    listings, _, cursor = await read(source(client), cursor)
    changed, _, cursor = await read(source(_Client(ok(json_feed(two, {**one, "title": "new"})))), cursor)
    nothing, _, _ = await read(source(_Client(ok(json_feed(two)))), cursor)

    assert client.asked[0]["If-None-Match"] == '"1"'
    assert client.asked[0]["If-Modified-Since"] == "Mon"
    assert [listing.listing_id for listing in listings] == ["2"]
    assert [(listing.listing_id, listing.title) for listing in changed] == [("1", "new")]
    assert nothing == []


async def test_not_modified_brings_no_page_and_keeps_the_cursor() -> None:
    pages = [page async for page in source(_Client(Reply(304, {}, b"", True))).read('{"etag":"x"}')]

    assert pages == []


async def test_a_kill_between_two_pages_misses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "PAGE", 2)
    body = json_feed(*({"id": str(number), "url": f"/{number}"} for number in range(5)))
    client = _Client(ok(body, etag='"v1"'))
    pages = [page async for page in source(client).read(None)]
    assert [len(page.listings) for page in pages] == [2, 2, 1]

    rest, _, _ = await read(source(client), pages[0].cursor)

    assert "If-None-Match" not in client.asked[-1]
    assert {listing.listing_id for listing in rest} | {one.listing_id for one in pages[0].listings} == set(
        "01234"
    )
    assert len(rest) == 3


async def test_a_bad_entry_is_set_aside_once_and_its_neighbours_are_kept() -> None:
    later = (NOW + timedelta(days=30)).isoformat()
    body = json_feed(
        {"id": "1", "url": "/1"},
        {"title": "no id"},
        "not even an object",
        {"id": "2", "url": "/2", "date_published": later},
        {"id": "x" * 600, "url": "/3"},
        {"id": "4", "url": "/4", "_listing": {"posted_at": ["soon"], "price": "a lot", "images": {}}},
        {"id": "5", "url": "/5", "_listing": {"posted_at": "2026-11-22T00:00:00Z"}},
        {"id": "3", "url": "/3", "language": "???", "tags": 5, "authors": "x", "image": 7, "_listing": []},
    )
    listings, aside, cursor = await read(source(_Client(ok(body))))
    _, again, _ = await read(source(_Client(ok(body))), cursor)

    assert sorted(listing.listing_id for listing in listings) == ["1", "3", "4", "5"]
    assert sorted(aside) == ["from_the_future", "wrong_shape", "wrong_shape", "wrong_shape"]
    assert again == []


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"version": 5}', b"<html><p>x</p></html>", b"\x00\xff", b"{" * 9_000]
)
async def test_what_is_no_feed_is_refused(body: bytes) -> None:
    with pytest.raises(PlatformRefused):
        await read(source(_Client(ok(body))))


def test_a_body_that_names_a_local_file_is_not_opened(tmp_path: Path) -> None:
    rss = tmp_path / "secret.xml"
    rss.write_bytes((DATA / "rss.xml").read_bytes())

    with pytest.raises(PlatformRefused):
        parse_feed(str(rss).encode(), "application/xml", URL)


def test_entities_do_not_explode_and_do_not_read_files() -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10 if n else b"&a;" * 10) for n in range(9)
    )
    bomb += b'<!ENTITY f SYSTEM "file:///etc/passwd">]><rss version="2.0"><channel><item><guid>1</guid>'
    bomb += b"<link>/1</link><title>&a8;&f;</title></item></channel></rss>"

    items = parse_feed(bomb, "application/rss+xml", URL)

    assert all(len(str(item["title"])) < 10_000 and "root:" not in str(item["title"]) for item in items)


@pytest.mark.parametrize("status", [500, 429])
async def test_trouble_is_told(status: int) -> None:
    with pytest.raises(PlatformUnavailable):
        await read(source(_Client(Reply(status, {}, b"", True))))


async def test_a_feed_that_is_too_long_is_not_half_read() -> None:
    with pytest.raises(PlatformUnavailable, match="longer"):
        await read(source(_Client(Reply(200, {}, json_feed({"id": "1"}), False))))


@given(st.text(max_size=100))
def test_any_cursor_can_be_read(text: str) -> None:
    FeedCursor.from_text(text)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_feed_or_refused(body: bytes) -> None:
    with contextlib.suppress(PlatformRefused):
        parse_feed(body, "", URL)


def test_the_cursor_does_not_grow_without_end() -> None:
    cursor = feed_module._cursor(None, None, {str(number): "m" for number in range(20_000)})

    assert len(FeedCursor.from_text(cursor).seen) == feed_module.REMEMBERED
    assert "19999" in FeedCursor.from_text(cursor).seen
