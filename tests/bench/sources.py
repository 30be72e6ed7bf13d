"""How many listings each kind of source moves from a local server into Kafka, on one core.

The source is ``takin connect`` in a process of its own, alone on one core; its server and a real broker are
on the others. Every send is acknowledged; the topic is the oracle. What a server says is written beforehand,
so that it costs nothing while it is measured. Prints one JSON line for each kind. A crawl asks for one page
at a time, the next while the last is read: with one offer a page (``crawl_single``) each is a request.

Example: .venv/bin/python -m tests.bench.sources --listings 20000 telegram feed
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from websockets.asyncio.server import ServerConnection, serve

from connectors.shelves.shopify import PAGE
from schemas.topics import CATALOGUE, LISTINGS
from streams.local.kafka import LocalKafka
from streams.local.topics import apply
from tests.bench.quick_server import answering
from tests.contracts.test_drops import archive
from tests.support.broker import read_all
from tests.support.frames import commit, post
from tests.support.shelf_servers import Item, Request, shopify
from tests.support.source_servers import DID, SECRET
from tests.support.telegram_server import TOKEN
from tests.support.telegram_server import post as channel_post

CORE = max(os.sched_getaffinity(0))
"""The connector's own; where there is another, server and broker are kept off this one."""
TEXT = "Carved by hand, heavy, from an old collection; asks for a message before payment. " * 6
HTML = ("content-type", "text/html")


@dataclass
class Stage:
    """What stands there to be read."""

    source: str
    """For ``takin connect``."""
    platform: dict[str, Any] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    until: int | None = None
    """A source without an end is ended after so many."""


def _parts(listings: int, size: int) -> list[range]:
    return [range(start, min(start + size, listings)) for start in range(0, listings, size)]


@asynccontextmanager
async def shelf(listings: int, home: Path) -> AsyncIterator[Stage]:
    """A shop's products, 250 a page."""
    pages = []
    for part in _parts(listings, PAGE):
        some = [Item(number, f"Carved thing no. {number}") for number in part]
        page = shopify(Request("/products.json", {"limit": str(PAGE)}, {}), some, "")
        for row in page["products"]:
            row["body_html"] = f"<p>{TEXT}</p><p>No. {row['id']}</p>"
        pages.append(json.dumps(page).encode())
    pages.append(b'{"products": []}')
    async with answering(lambda query, _: pages[int(query.get("page", "1")) - 1]) as url:
        yield Stage("market", {"base_url": url, "reads": {"api": "shopify", "rate_per_s": 1_000}})


@asynccontextmanager
async def telegram(listings: int, home: Path) -> AsyncIterator[Stage]:
    """A bot's updates, 100 a request."""
    pages = {
        part.start: json.dumps(
            {
                "ok": True,
                "result": [
                    {
                        "update_id": number + 1,
                        "channel_post": channel_post(number + 1, f"No. {number}. {TEXT}"),
                    }
                    for number in part
                ],
            }
        ).encode()
        for part in _parts(listings, 100)
    }
    nothing = b'{"ok":true,"result":[]}'
    async with answering(lambda query, _: pages.get(int(query.get("offset", "1")) - 1, nothing)) as url:
        reads = {"api": "telegram", "base_url": url, "key": "env:BOT", "rate_per_s": 1_000}
        yield Stage("market", {"base_url": "https://t.example", "reads": reads})


def _entry(number: int, url: str = "https://market.example") -> dict[str, Any]:
    return {
        "id": str(number),
        "url": f"{url}/l/{number}",
        "title": f"Carved thing no. {number}",
        "content_text": TEXT,
    }


@asynccontextmanager
async def desk_feed(listings: int, home: Path) -> AsyncIterator[Stage]:
    """The desk API's feed, 200 a page."""
    pages = {}
    for part in _parts(listings, 200):
        body: dict[str, Any] = {
            "version": "https://jsonfeed.org/version/1.1",
            "items": [_entry(number) for number in part],
        }
        if part.stop < listings:
            body["next_url"] = "more"
        pages[part.start] = b"CURSOR %d\n%s" % (part.stop, json.dumps(body).encode())
    async with answering(lambda query, _: pages[int(query["since"])]) as url:
        more = {"kind": "sandbox", "secret": "env:SECRET", "rate_per_s": 10_000, "folder": None}
        yield Stage("market", {"base_url": url, **more})


@asynccontextmanager
async def post_search(listings: int, home: Path) -> AsyncIterator[Stage]:
    """What an app view finds, 100 a page."""
    pages = {}
    for part in _parts(listings, 100):
        posts = [
            {
                "uri": f"at://{DID}/app.bsky.feed.post/{_key(number)}",
                "cid": "bafyreiaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                "author": {"did": DID, "handle": "carver.example"},
                "record": {"$type": "app.bsky.feed.post", "text": f"No. {number}. {TEXT}"[:300]},
            }
            for number in part
        ]
        following = {"cursor": str(part.stop)} if part.stop < listings else {}
        pages[part.start] = json.dumps({"posts": posts, **following}).encode()
    async with answering(lambda query, _: pages[int(query.get("cursor", "0"))]) as url:
        atproto = {"firehose": "ws" + url.removeprefix("http"), "app_view": url, "web": url}
        more = {"kind": "atproto", "rate_per_s": 10_000, "folder": None}
        yield Stage("market", {"base_url": url, "atproto": atproto, **more}, ("--search", "carved"))


def _key(number: int) -> str:
    """A record key as the network writes them: 13 letters of base 32."""
    letters = "234567abcdefghijklmnopqrstuvwxyz"
    return "3" + "".join(letters[number >> (5 * place) & 31] for place in reversed(range(12)))


@asynccontextmanager
async def firehose(listings: int, home: Path) -> AsyncIterator[Stage]:
    """A stream of commits."""
    frames = [commit(number + 1, post(f"No. {number}. {TEXT}"[:300])) for number in range(listings)]

    async def stream(connection: ServerConnection) -> None:
        for one in frames:
            await connection.send(one)
        await connection.wait_closed()

    async with (
        serve(stream, "127.0.0.1", 0, max_size=None, compression=None) as server,
        answering(lambda *_: b"{}") as url,
    ):
        port = next(iter(server.sockets)).getsockname()[1]
        atproto = {"firehose": f"ws://127.0.0.1:{port}", "app_view": url, "web": url, "start": "oldest"}
        more = {"kind": "atproto", "rate_per_s": 10_000, "folder": None}
        yield Stage("market", {"base_url": url, "atproto": atproto, **more}, ("--limit", str(listings)))


@asynccontextmanager
async def feed(listings: int, home: Path) -> AsyncIterator[Stage]:
    """One JSON Feed, of at most 8 MB: about 11,000 entries."""
    items = [_entry(number) for number in range(min(listings, 11_000))]
    body = json.dumps({"version": "https://jsonfeed.org/version/1.1", "items": items}).encode()
    async with answering(lambda *_: body) as url:
        yield Stage(f"feed:{url}/feed.json", {"base_url": url})


def _products(numbers: range) -> str:
    products = [
        {"@type": "Product", "sku": str(number), "name": f"No. {number}", "description": TEXT}
        for number in numbers
    ]
    return f'<script type="application/ld+json">{json.dumps(products)}</script>'


def _product(number: int) -> str:
    return _products(range(number, number + 1))


@asynccontextmanager
async def page(listings: int, home: Path) -> AsyncIterator[Stage]:
    """One page of products, of at most 4 MB: about 5,000."""
    body = "".join(_products(part) for part in _parts(min(listings, 5_000), 20)).encode()
    async with answering(lambda *_: body, HTML) as url:
        yield Stage(f"page:{url}/all", {"base_url": url})


@asynccontextmanager
async def _site(bodies: Sequence[bytes]) -> AsyncIterator[Stage]:
    """Pages that a sitemap names, asked for as often as the site answers."""

    def says(_: Mapping[str, str], path: str) -> bytes:
        if path == "/robots.txt":
            return b""
        if path == "/sitemap.xml":
            return b"<urlset>%s</urlset>" % b"".join(
                b"<url><loc>%s/ad/%d</loc></url>" % (where[0].encode(), number)
                for number in range(len(bodies))
            )
        return bodies[int(path.removeprefix("/ad/"))]

    where: list[str] = []
    async with answering(says, HTML) as url:
        where.append(url)
        yield Stage("market", {"base_url": url, "crawl": {"delay_s": 0.0001, "calls_a_day": 10_000_000}})


@asynccontextmanager
async def crawl(listings: int, home: Path) -> AsyncIterator[Stage]:
    """A board's lists of 20 offers a page."""
    async with _site([_products(part).encode() for part in _parts(listings, 20)]) as stage:
        yield stage


@asynccontextmanager
async def crawl_single(listings: int, home: Path) -> AsyncIterator[Stage]:
    """A shop of one offer a page: a request each."""
    async with _site([_product(number).encode() for number in range(listings)]) as stage:
        yield stage


def _row(number: int) -> str:
    return json.dumps({**_entry(number), "text": TEXT, "platform": "market"}) + "\n"


@asynccontextmanager
async def file(listings: int, home: Path) -> AsyncIterator[Stage]:
    """JSON Lines."""
    (home / "all.jsonl").write_text("".join(_row(number) for number in range(listings)))
    yield Stage(f"file:{home / 'all.jsonl'}")


@asynccontextmanager
async def folder(listings: int, home: Path) -> AsyncIterator[Stage]:
    """JSON Lines in files of a thousand rows."""
    drops = home / "drops"
    drops.mkdir()
    for number, part in enumerate(_parts(listings, 1_000)):
        path = drops / f"{number}.jsonl"
        path.write_text("".join(_row(one) for one in part))
        os.utime(path, (1_700_000_000, 1_700_000_000 + number))
    yield Stage(f"folder:{drops}")


@asynccontextmanager
async def warc(listings: int, home: Path) -> AsyncIterator[Stage]:
    """An archive of pages of one product."""
    pages = [(f"https://market.example/ad/{number}", _product(number).encode()) for number in range(listings)]
    archive(home / "all.warc.gz", pages)
    yield Stage(f"warc:{home / 'all.warc.gz'}")


KINDS = {
    one.__name__: one
    for one in (
        shelf,
        telegram,
        desk_feed,
        post_search,
        firehose,
        feed,
        page,
        crawl,
        crawl_single,
        file,
        folder,
        warc,
    )
}


@dataclass(frozen=True)
class Used:
    """What one pass took."""

    cpu_seconds: float
    most_memory_mb: float


def connect(stage: Stage, environment: dict[str, str], home: Path) -> Used:
    """One pass of the connector on one core; what it used."""
    arguments = ("--platforms", str(home / "platforms.yaml"), "--summary", str(home / "summary.json"))
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.cli", "connect", stage.source, *arguments, *stage.arguments],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    os.sched_setaffinity(process.pid, {CORE})
    # The kernel's own peak (VmHWM): what wait4 tells would count this process, which it was forked from.
    peak = 0
    while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
        peak = max(peak, _peak_kb(process.pid))
        time.sleep(0.01)
    _, status, used = ended
    assert status == 0, "the connector failed"
    return Used(round(used.ru_utime + used.ru_stime, 2), round(peak / 1_024, 1))


def _peak_kb(process: int) -> int:
    try:
        said = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB", said, re.MULTILINE)
    return int(found[1]) if found else 0


async def measure(kind: str, listings: int, bootstrap: str, before: int) -> dict[str, object]:
    """One run. ``before``: records that the topic holds already."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        async with KINDS[kind](listings, home) as stage:
            platform = {
                "name": "market",
                "kind": "desk",
                "folder": str(home / "desk"),
                "base_url": "https://market.example",
                "private_address": True,
                **stage.platform,
            }
            platform = {name: value for name, value in platform.items() if value is not None}
            (home / "platforms.yaml").write_text(yaml.safe_dump({"platforms": [platform]}))
            environment = {
                **os.environ,
                "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
                "TAKIN_DATA_DIR": str(home / "data"),
                "BOT": TOKEN,
                "SECRET": SECRET,
            }
            used = await asyncio.to_thread(connect, stage, environment, home)
        told = json.loads((home / "summary.json").read_text())
    in_topic = len(await read_all(bootstrap, LISTINGS.name)) - before
    return {"kind": kind, **figures(told, in_topic, used)}


def figures(told: Mapping[str, Any], in_topic: int, used: Used) -> dict[str, object]:
    """What is reported."""
    return {
        "published": told["published"],
        "in_topic": in_topic,
        "set_aside": sum(told["set_aside"].values()),
        "seconds": told["seconds"],
        "a_second": round(told["published"] / told["seconds"]),
        "cpu_seconds": used.cpu_seconds,
        "most_memory_mb": used.most_memory_mb,
    }


async def run(kinds: list[str], listings: int) -> None:
    """Each kind after the other, on one broker."""
    with tempfile.TemporaryDirectory() as name:
        broker = LocalKafka(Path(name) / "kafka")
        await broker.start()
        try:
            await apply(broker.bootstrap, CATALOGUE)
            before = 0
            for kind in kinds:
                found = await measure(kind, listings, broker.bootstrap, before)
                before += int(str(found["in_topic"]))
                print(json.dumps(found), flush=True)
        finally:
            await broker.stop()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--listings", type=int, default=20_000)
    parser.add_argument("kinds", nargs="*", choices=[[], *KINDS], help="absent: every one")
    told = parser.parse_args()
    if others := os.sched_getaffinity(0) - {CORE}:
        os.sched_setaffinity(0, others)
    asyncio.run(run(told.kinds or list(KINDS), told.listings))


if __name__ == "__main__":
    main()
