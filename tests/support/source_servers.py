"""Sources that ask over HTTP, each with a server that answers as its kind should.

A :class:`Rig` is one source: its server's good answers, and how it is opened at an address.
"""

import asyncio
import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from connectors.platform_config import PlatformConfig
from streams.connect.sources import Opened, Wanted, open_source
from tests.contracts.rude_server import Asked, Manners, answer
from tests.support.telegram_server import TOKEN, BotApi, post

NOW = datetime.now(UTC).replace(microsecond=0)
"""Platforms that are more than a source look at the machine's own clock."""
DID = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


def title(number: int) -> str:
    """What the thing of that number is called."""
    return f"carved thing {number}"


@dataclass
class Stock:
    """Things on sale, as one kind of server shows them."""

    says: Callable[["Stock", Asked, str], Manners]
    url: str = ""
    things: list[int] = field(default_factory=list)
    """Numbers, the oldest first."""
    rows: list[Any] = field(default_factory=list)
    """Rows in another shape, beside the things of the first page."""
    asked: list[tuple[float, str]] = field(default_factory=list)
    before: Callable[[int], None] = lambda _: None
    """Called with the number of each request before it is answered: the stock may change."""
    at: datetime = NOW
    """The server's clock."""
    came: dict[int, datetime] = field(default_factory=dict)
    ahead: timedelta = timedelta(0)
    """By how much the dates that it gives are ahead of ours."""

    def dated(self, number: int) -> datetime:
        """The higher its number the newer it is."""
        return NOW - timedelta(days=2) + timedelta(seconds=number) + self.ahead

    def fill(self, count: int, start: int = 0) -> None:
        """Newer things."""
        self.things += range(start, start + count)
        self.came |= dict.fromkeys(range(start, start + count), self.at)

    async def __call__(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        self.asked.append((time.monotonic(), asked.target))
        self.before(len(self.asked))
        await self.says(self, asked, self.url)(asked, writer)


def _json(body: Any, *headers: tuple[str, str]) -> Manners:
    return answer(200, json.dumps(body).encode(), ("content-type", "application/json"), *headers)


def _entry(number: int, stock: Stock) -> dict[str, Any]:
    return {
        "id": str(number),
        "url": f"{stock.url}/l/{number}",
        "title": title(number),
        "date_published": stock.dated(number).isoformat(),
    }


def _feed(stock: Stock, asked: Asked, url: str) -> Manners:
    items = [*stock.rows, *(_entry(number, stock) for number in reversed(stock.things))]
    return _json({"version": "https://jsonfeed.org/version/1.1", "items": items})


def _offers(things: list[Any]) -> bytes:
    offer = [json.dumps({"@context": "https://schema.org", "@type": "Product", **one}) for one in things]
    return b"".join(b'<script type="application/ld+json">%s</script>' % one.encode() for one in offer)


def _product(number: int) -> dict[str, Any]:
    return {"sku": str(number), "name": title(number)}


def _page(stock: Stock, asked: Asked, url: str) -> Manners:
    rows = [one if isinstance(one, dict) else {"sku": one} for one in stock.rows]
    body = b"<html>" + _offers([*rows, *(_product(number) for number in stock.things)])
    return answer(200, body, ("content-type", "text/html"))


def _site(stock: Stock, asked: Asked, url: str) -> Manners:
    if asked.target == "/robots.txt":
        return answer(404)
    if asked.target == "/sitemap.xml":
        places = [f"/ad/{number}" for number in stock.things] + ["/odd"] * bool(stock.rows)
        rows = "".join(f"<url><loc>{url}{one}</loc></url>" for one in places)
        return answer(200, f"<urlset>{rows}</urlset>".encode())
    if asked.target == "/odd":
        return answer(200, _offers([{"sku": one} for one in stock.rows]), ("content-type", "text/html"))
    number = int(asked.target.removeprefix("/ad/"))
    return answer(200, _offers([_product(number)]), ("content-type", "text/html"))


DESK_PAGE = 200


def _desk_feed(stock: Stock, asked: Asked, url: str) -> Manners:
    query = {name: values[-1] for name, values in parse_qs(urlsplit(asked.target).query).items()}
    since, limit = int(query["since"]), int(query["limit"])
    found = [number for number in stock.things if number >= since][:limit]
    body: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "items": [*(stock.rows if since == 0 else []), *(_entry(one, stock) for one in found)],
    }
    cursor = found[-1] + 1 if found else since
    if any(number >= cursor for number in stock.things):
        body["next_url"] = f"{url}/feed.json?since={cursor}"
    return _json(body, ("takin-cursor", str(cursor)))


SEARCH_PAGE = 100


def _post(number: int, stock: Stock) -> dict[str, Any]:
    at = stock.dated(number).isoformat()
    came = stock.came[number] - timedelta(hours=1)
    return {
        "uri": f"at://{DID}/app.bsky.feed.post/3{number:0>12}".replace("0", "a").replace("1", "b"),
        "cid": "bafyreiaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "author": {"did": DID, "handle": "carver.example"},
        "record": {"$type": "app.bsky.feed.post", "text": title(number), "createdAt": at},
        "indexedAt": came.isoformat(),
    }


def _search(stock: Stock, asked: Asked, url: str) -> Manners:
    query = {name: values[-1] for name, values in parse_qs(urlsplit(asked.target).query).items()}
    below = int(query.get("cursor", "1000000000"))
    found = [number for number in reversed(stock.things) if number < below][: int(query["limit"])]
    posts = [*(stock.rows if "cursor" not in query else []), *(_post(number, stock) for number in found)]
    more = bool(found) and found[-1] > min(stock.things)
    return _json({"posts": posts, **({"cursor": str(found[-1])} if more else {})})


class TelegramStock(Stock):
    """The Bot API's queue as a stock."""

    def __init__(self) -> None:
        super().__init__(_feed)
        self.bot = BotApi()

    def fill(self, count: int, start: int = 0) -> None:
        """Newer posts."""
        super().fill(count, start)
        for number in range(start, start + count):
            dated = int(self.dated(number).timestamp())
            self.bot.hear("channel_post", post(number + 1, title(number), date=dated))

    async def __call__(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        self.asked.append((time.monotonic(), asked.target))
        self.before(len(self.asked))
        for row in self.rows:
            self.bot.hear("channel_post", row)
        self.rows = []
        await self.bot(asked, writer)


@dataclass(frozen=True)
class Rig:
    """One source."""

    stock: Callable[[], Stock]
    config: Callable[[str], dict[str, Any]]
    source: Callable[[str], Wanted] = lambda _: Wanted("market")
    page: int | None = None
    """Things of a full page; ``None``: it has one page only."""
    rate: str = "rate_per_s"
    """Where its pace is set; empty: it asks once a pass."""

    def open(self, url: str, now: Callable[[], datetime], **changes: Any) -> Opened:
        """The source at this address."""
        document = {
            "name": "market",
            "kind": "desk",
            "folder": "/nowhere",
            "base_url": url,
            "private_address": True,
            "concurrency": 1,
            "timeouts": {"connect_s": 10, "read_s": 10, "total_s": 20},
            **self.config(url),
        }
        for name, value in changes.items():
            where, _, inner = name.partition("__")
            document[where] = {**document[where], inner: value} if inner else value
        config = PlatformConfig.model_validate(document)
        return open_source(
            self.source(url),
            (config,),
            run_id="run-1",
            now=now,
            environment={"KEY": TOKEN, "SECRET": SECRET},
        )


RIGS = {
    "feed": Rig(lambda: Stock(_feed), lambda _: {}, lambda url: Wanted(f"feed:{url}/feed"), rate=""),
    "page": Rig(lambda: Stock(_page), lambda _: {}, lambda url: Wanted(f"page:{url}/page"), rate=""),
    "crawl": Rig(lambda: Stock(_site), lambda _: {"crawl": {"delay_s": 0.001}}, rate="crawl__delay_s"),
    "sandbox": Rig(
        lambda: Stock(_desk_feed),
        lambda _: {"kind": "sandbox", "secret": "env:SECRET", "rate_per_s": 1_000},
        page=DESK_PAGE,
    ),
    "post_search": Rig(
        lambda: Stock(_search),
        lambda url: {
            "kind": "atproto",
            "rate_per_s": 1_000,
            "atproto": {"firehose": "ws" + url.removeprefix("http"), "app_view": url, "web": url},
        },
        lambda _: Wanted("market", search="carved"),
        page=SEARCH_PAGE,
    ),
    "telegram": Rig(
        TelegramStock,
        lambda url: {
            "base_url": "https://t.example",
            "reads": {"api": "telegram", "base_url": url, "key": "env:KEY", "rate_per_s": 1_000},
        },
        page=100,
        rate="reads__rate_per_s",
    ),
}
