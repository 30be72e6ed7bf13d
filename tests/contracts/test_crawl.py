"""A site is crawled by its sitemaps: what the site's own record of requests says is the oracle."""

import asyncio
import contextlib
import gzip
import json
import time
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import PlatformRefused, PlatformUnavailable
from connectors.http import OutboundClient, Pending
from connectors.pages import read_page
from connectors.platform import Page
from connectors.platform_config import PlatformConfig
from connectors.sources import crawl, crawl_ahead
from connectors.sources.crawl_state import CrawlState
from connectors.sources.robots import Robots
from connectors.sources.sitemap import CAP, UnreadableSitemap, read_sitemap
from streams.connect.sources import Wanted, open_source
from tests.contracts import manners
from tests.contracts.rude_server import Asked, Manners, RudeServer, answer, rude_server

NOW = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)
SITEMAPS = "http://www.sitemaps.org/schemas/sitemap/0.9"


def xml(kind: str, entries: list[tuple[str, str | None]]) -> bytes:
    outer = "urlset" if kind == "url" else "sitemapindex"
    rows = "".join(
        f"<{kind}><loc>{loc}</loc>{f'<lastmod>{at}</lastmod>' if at else ''}</{kind}>" for loc, at in entries
    )
    return f'<?xml version="1.0" encoding="UTF-8"?><{outer} xmlns="{SITEMAPS}">{rows}</{outer}>'.encode()


@dataclass
class Site:
    """A board with ten offers in two sitemaps, one of them compressed."""

    url: str = ""
    robots: Manners = field(default_factory=lambda: answer(404))
    offers: dict[str, str] = field(
        default_factory=lambda: {f"/ad/{n}": f"carved thing {n}" for n in range(10)}
    )
    changed: dict[str, str | None] = field(
        default_factory=lambda: {f"/ad/{n}": f"2026-03-0{n // 2 + 1}" for n in range(10)}
    )
    odd: dict[str, Manners] = field(default_factory=dict)
    """Paths that are answered so."""
    further: list[str] = field(default_factory=list)
    """Addresses in the first sitemap beside its offers."""
    asked: list[tuple[float, Asked]] = field(default_factory=list)
    unchanged: int = 0
    """Answers with 304."""

    @property
    def paths(self) -> list[str]:
        return [one.target for _, one in self.asked]

    @property
    def ads(self) -> list[str]:
        return [path for path in self.paths if path.startswith("/ad/")]

    async def __call__(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        self.asked.append((time.monotonic(), asked))
        if (odd := self.odd.get(asked.target)) is not None:
            await odd(asked, writer)
        elif asked.target == "/robots.txt":
            await self.robots(asked, writer)
        else:
            await self.says(asked)(asked, writer)

    def says(self, asked: Asked) -> Manners:
        halves = [(f"{self.url}{path}", at) for path, at in self.changed.items()]
        if asked.target == "/sitemap.xml":
            return answer(
                200, xml("sitemap", [(f"{self.url}/one.xml", None), (f"{self.url}/two.xml.gz", None)])
            )
        if asked.target == "/one.xml":
            return answer(200, xml("url", [*halves[:5], *((one, None) for one in self.further)]))
        if asked.target == "/two.xml.gz":
            return answer(200, gzip.compress(xml("url", halves[5:])))
        if asked.target not in self.offers:
            return answer(404)
        title = self.offers[asked.target]
        etag = f'"{hash(title)}"'
        if asked.headers.get("if-none-match") == etag:
            self.unchanged += 1
            return answer(304)
        return answer(200, page(asked.target, title), ("content-type", "text/html"), ("etag", etag))


def page(path: str, title: str) -> bytes:
    offer = {"@type": "Offer", "price": "12.50", "priceCurrency": "EUR"}
    product = {
        "@context": "https://schema.org",
        "@type": "Product",
        "sku": path,
        "name": title,
        "offers": offer,
    }
    data = json.dumps(product)
    return f'<html lang="en"><script type="application/ld+json">{data}</script>'.encode()


@pytest.fixture
async def server() -> AsyncIterator[RudeServer]:
    async with rude_server() as running:
        yield running


@pytest.fixture
def site(server: RudeServer) -> Site:
    server.manners = made = Site(url=server.url)
    return made


@dataclass
class Crawler:
    """A crawl; each pass opens it anew, as after a restart."""

    url: str
    options: dict[str, Any] = field(default_factory=dict)
    at: datetime = NOW
    cursor: str | None = None
    since: datetime | None = None
    got: list[Page] = field(default_factory=list)
    """Of the last pass, also of one that ended in trouble."""

    async def pages(self, *, die_after: int | None = None, working_s: float = 0.0) -> list[Page]:
        config = PlatformConfig.model_validate(
            {
                "name": "board",
                "kind": "desk",
                "folder": "/nowhere",
                "base_url": self.url,
                "private_address": True,
                "crawl": {"delay_s": 0.001, **self.options},
            }
        )
        made = open_source(Wanted("board", since=self.since), (config,), run_id="r", now=lambda: self.at)
        found = self.got = []
        try:
            async for one in made.source.read(self.cursor):
                found.append(one)
                self.cursor = one.cursor or self.cursor
                await asyncio.sleep(working_s)
                if die_after is not None and len(found) >= die_after:
                    break
        finally:
            await made.close()  # type: ignore[misc]
        return found

    async def titles(self, **how: Any) -> list[str]:
        return [one.title for found in await self.pages(**how) for one in found.listings]


@pytest.fixture
def crawler(site: Site) -> Crawler:
    return Crawler(site.url)


# ---- what is read -----------------------------------------------------------------------------------


async def test_every_page_of_every_sitemap_is_read_once_the_newest_first(
    site: Site, crawler: Crawler
) -> None:
    [first, *rest] = [one for found in await crawler.pages() for one in found.listings]

    assert sorted(one.title for one in (first, *rest)) == sorted(site.offers.values())
    assert first.title in ("carved thing 8", "carved thing 9")
    assert (first.platform, first.connector, first.language) == ("board", "crawl", "en")
    assert first.url.startswith(f"{site.url}/ad/")
    assert str(first.price and first.price.amount) == "12.50"


async def test_a_later_pass_asks_only_for_what_changed_and_with_its_validator(
    site: Site, crawler: Crawler
) -> None:
    await crawler.titles()
    site.asked.clear()
    assert await crawler.titles() == []
    assert site.paths == ["/sitemap.xml", "/one.xml", "/two.xml.gz"]

    site.changed |= {"/ad/3": "2026-03-08", "/ad/7": "2026-03-08"}
    site.offers["/ad/3"] = "now of ivory"
    assert await crawler.titles() == ["now of ivory"]
    assert (sorted(site.ads), site.unchanged) == (["/ad/3", "/ad/7"], 1)


async def test_pages_without_a_date_are_looked_at_again_when_it_is_time(site: Site, crawler: Crawler) -> None:
    site.changed["/ad/2"] = None
    await crawler.titles()
    site.offers["/ad/2"] = "now of ivory"
    crawler.at += timedelta(days=6)
    assert await crawler.titles() == []
    crawler.at += timedelta(days=1, minutes=1)
    assert await crawler.titles() == ["now of ivory"]


async def test_only_the_paths_that_are_wanted_and_not_what_is_older(site: Site, crawler: Crawler) -> None:
    crawler.options = {"pages": ["/ad/8", "/ad/1*"]}
    assert sorted(await crawler.titles()) == ["carved thing 1", "carved thing 8"]
    assert sorted(site.ads) == ["/ad/1", "/ad/8"]

    late = Crawler(site.url, since=datetime(2026, 3, 5, tzinfo=UTC))
    assert sorted(await late.titles()) == ["carved thing 8", "carved thing 9"]


@pytest.mark.parametrize("pages", [1, 4, 9])
async def test_killed_after_any_page_nothing_is_skipped_or_repeated(
    site: Site, crawler: Crawler, pages: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crawl_ahead, "CURSOR_EVERY", 1)
    monkeypatch.setattr(crawl_ahead, "MOST_HELD", 1)

    first = await crawler.titles(die_after=pages)
    rest = await crawler.titles()

    assert (len(first), len(first) + len(rest)) == (pages, 10)
    assert set(first) | set(rest) == set(site.offers.values())
    assert len(site.ads) <= 11


async def test_killed_before_a_page_is_acknowledged_all_of_it_comes_again(
    site: Site, crawler: Crawler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crawl_ahead, "CURSOR_EVERY", 3)
    monkeypatch.setattr(crawl_ahead, "MOST_HELD", 3)

    safe = await crawler.titles(die_after=1)
    kept = crawler.cursor
    await crawler.titles(die_after=1)  # given on, and never acknowledged
    crawler.cursor = kept
    rest = await crawler.titles()

    assert len(safe) == 3
    assert sorted([*safe, *rest]) == sorted(site.offers.values())


class Unforeseen(Exception):
    """None of a platform's."""


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        ("silence", PlatformUnavailable),
        ("refused", PlatformRefused),
        ("unforeseen", Unforeseen),
        ("spent", None),
    ],
)
async def test_what_was_read_before_trouble_is_given_on_before_it_is_told(
    site: Site,
    crawler: Crawler,
    monkeypatch: pytest.MonkeyPatch,
    trouble: str,
    told: type[Exception] | None,
) -> None:
    later = [f"/ad/{number}" for number in (5, 2, 3, 0, 1)]  # the newest come first: 8, 9, 6, 7, 4
    site.odd = dict.fromkeys(later, answer(429 if trouble == "silence" else 403))
    if trouble == "spent":
        crawler.options = {"calls_a_day": 9}
    if trouble == "unforeseen":
        monkeypatch.setattr(crawl, "reply_error", lambda *_: Unforeseen())

    with pytest.raises(told) if told else contextlib.nullcontext():
        await crawler.pages()

    assert sorted(one.title for found in crawler.got for one in found.listings) == sorted(
        site.offers[f"/ad/{number}"] for number in (8, 9, 6, 7, 4)
    )
    assert (crawler.cursor is None) == (trouble == "unforeseen")


async def test_a_slow_crawl_gives_on_each_page_before_it_waits_and_a_fast_one_many_together(
    site: Site, crawler: Crawler, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = await crawler.pages()
    monkeypatch.setattr(crawl_ahead, "HELD_S", 0.001)  # no longer than what a site of this pace is waited for
    slow = await Crawler(site.url).pages()

    assert [len(one.listings) for one in fast] == [10]
    assert [len(one.listings) for one in slow] == [*[1] * 10, 0]


async def test_the_next_page_is_under_way_while_the_last_is_read_and_never_are_two(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way, most, at_reading = 0, 0, []
    ask, answer_of = OutboundClient.ask, Pending.reply

    async def counted(*said: Any, **more: Any) -> Any:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        return await ask(*said, **more)

    async def counted_off(asked: Pending) -> Any:
        nonlocal under_way
        reply = await answer_of(asked)
        under_way -= 1
        return reply

    def noted(*said: Any) -> Any:
        at_reading.append(under_way)
        return read_page(*said)

    monkeypatch.setattr(OutboundClient, "ask", counted)
    monkeypatch.setattr(Pending, "reply", counted_off)
    monkeypatch.setattr(crawl, "read_page", noted)

    hurried = Crawler(site.url, {"delay_s": 0.0001})  # less than an exchange takes: no turn is waited for
    assert len(await hurried.titles()) == 10
    assert most == 1
    assert at_reading == [*[1] * 9, 0]


async def test_it_reads_on_while_what_it_gave_is_worked_at_and_holds_no_more_than_one(
    site: Site, crawler: Crawler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crawl_ahead, "MOST_HELD", 1)
    crawler.options = {"delay_s": 0.0001}

    await crawler.pages(die_after=1, working_s=0.5)

    assert len(site.ads) == 3  # given, held, and under way


async def test_trouble_while_it_reads_on_is_told_after_what_was_read(
    site: Site, crawler: Crawler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crawl_ahead, "MOST_HELD", 1)
    site.odd = {"/ad/9": answer(429)}  # the second

    with pytest.raises(PlatformUnavailable):
        await crawler.pages(working_s=0.3)

    assert [one.title for found in crawler.got for one in found.listings] == [site.offers["/ad/8"]]
    site.odd = {}
    crawler.at += timedelta(hours=1)
    assert len(await crawler.titles()) == 9


@pytest.mark.parametrize(
    ("remembered", "seconds", "due"), [(999, 0.0, True), (50_000, 4.9, False), (50_000, 5.1, True)]
)
def test_the_cursor_of_a_large_site_comes_more_seldom(remembered: int, seconds: float, due: bool) -> None:
    held = crawl_ahead.Held(at=0.0, cursor_at=0.0)
    assert not held.needs_cursor(1_000.0, 0)
    for _number in range(crawl_ahead.CURSOR_EVERY):
        held.take((), ())

    assert held.needs_cursor(seconds, remembered) == due


def test_a_cursor_of_another_kind_is_everything_new() -> None:
    for text in ("", "[]", "{", "null", '{"pages": {"u": 7}}', '{"pages": {}, "calls": "x"}'):
        assert CrawlState.from_text(text).pages == {}


# ---- manners ----------------------------------------------------------------------------------------


async def test_what_robots_txt_forbids_is_never_asked_for(site: Site, crawler: Crawler) -> None:
    rules = (
        b"User-agent: *\nDisallow: /\n\nUser-agent: takin\nDisallow: /ad/1\nDisallow: /*/5$\nDisallow: /one"
    )
    site.robots = answer(
        200, rules + f"\nSitemap: {site.url}/one.xml\nSitemap: {site.url}/two.xml.gz".encode()
    )

    titles = await crawler.titles()

    assert sorted(titles) == [f"carved thing {n}" for n in (6, 7, 8, 9)]
    assert not {"/one.xml", "/sitemap.xml", "/ad/1", "/ad/5"} & set(site.paths)
    assert site.paths[0] == "/robots.txt"


@pytest.mark.parametrize(
    ("status", "allowed"), [(404, True), (403, True), (429, False), (500, False), (503, False)]
)
async def test_a_robots_txt_that_is_not_there_allows_and_one_that_cannot_be_read_forbids(
    site: Site, crawler: Crawler, status: int, allowed: bool
) -> None:
    site.robots = answer(status)

    if allowed:
        assert len(await crawler.titles()) == 10
    else:
        with pytest.raises(PlatformUnavailable):
            await crawler.titles()
        assert site.paths == ["/robots.txt"]


async def test_a_redirected_robots_txt_is_obeyed_and_all_of_it_is_read_once_a_day(
    site: Site, crawler: Crawler
) -> None:
    site.robots = answer(301, b"", ("location", "/rules.txt"))
    site.odd["/rules.txt"] = answer(200, b"User-agent: *\nDisallow: /ad/\n")

    assert await crawler.titles() == []
    crawler.at += timedelta(hours=23)
    assert await crawler.titles() == []
    assert site.paths.count("/robots.txt") == 1
    site.odd["/rules.txt"] = answer(200, b"")
    crawler.at += timedelta(hours=2)
    assert len(await crawler.titles()) == 10


@pytest.mark.parametrize(("ours", "theirs"), [(0.04, 0.0), (0.001, 0.04)])
async def test_the_pace_is_kept_as_the_site_sees_it(
    site: Site, crawler: Crawler, ours: float, theirs: float
) -> None:
    crawler.options = {"delay_s": ours}
    site.robots = answer(200, f"User-agent: *\nCrawl-delay: {theirs}".encode())

    began = time.monotonic()
    await crawler.titles()

    # From before the first was sent: on a busy machine that one may arrive late, and no other early.
    assert len(site.asked) == 14
    for number, (at, _) in enumerate(site.asked):
        assert at - began >= number * 0.04


async def test_a_day_s_requests_are_kept_over_restarts_and_go_on_the_next_day(
    site: Site, crawler: Crawler
) -> None:
    crawler.options = {"calls_a_day": 8}
    first = await crawler.titles()
    assert (await crawler.titles(), len(site.asked)) == ([], 8)

    crawler.options = {}
    crawler.at += timedelta(days=1)
    assert set(first) | set(await crawler.titles()) == set(site.offers.values())
    assert len(first) == 4


async def test_who_asks_for_silence_gets_it_and_the_rest_is_read_later(site: Site, crawler: Crawler) -> None:
    site.odd["/ad/5"] = answer(429, b"", ("retry-after", "90"))

    with pytest.raises(PlatformUnavailable) as silence:
        await crawler.titles()
    assert silence.value.retry_after_s == 90
    asked = len(site.asked)
    assert site.paths[-1] == "/ad/5"
    site.odd.clear()
    assert "carved thing 5" in await crawler.titles()
    assert len(site.asked) > asked


async def test_a_site_that_refuses_us_is_left(site: Site, crawler: Crawler) -> None:
    site.odd = {path: answer(403) for path in site.offers}

    with pytest.raises(PlatformRefused):
        await crawler.titles()
    assert len(site.ads) == 5

    site.odd = {"/ad/9": answer(500), "/ad/6": answer(403)}
    assert len(await crawler.titles()) == 8
    site.odd = {}
    assert sorted(await crawler.titles()) == ["carved thing 6", "carved thing 9"]


async def test_no_other_host_is_asked_whatever_a_sitemap_says(site: Site, crawler: Crawler) -> None:
    async with rude_server() as stranger:
        site.further = [
            f"{stranger.url}/ad/99",
            "file:///etc/passwd",
            "http://169.254.169.254/latest",
            "x" * 9_999,
        ]

        assert len(await crawler.titles()) == 10
        assert stranger.asked == []


# ---- hostile ----------------------------------------------------------------------------------------


async def fifty_megabytes(_: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 50000000\r\n\r\n")
    for _number in range(50):
        writer.write(b"<p>" + b"x" * 999_997)
        await writer.drain()


async def test_hostile_pages_cost_no_other(site: Site, crawler: Crawler) -> None:
    site.odd = {
        "/ad/0": fifty_megabytes,
        "/ad/2": answer(200, b"<html>" + b"<div>" * 200_000),
        "/ad/3": answer(200, b'<script type="application/ld+json">' + b"[" * 500_000),
        "/ad/4": answer(301, b"", ("location", "http://169.254.169.254/")),
        "/ad/5": answer(200, b'<script type="application/ld+json">{"@type":"Product","name":7}</script>'),
        "/ad/6": answer(410),
    }
    tracemalloc.start()
    try:
        pages = await crawler.pages()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    site.asked.clear()
    again = await crawler.pages()

    assert sorted(one.title for found in pages for one in found.listings) == [
        "7",
        *(f"carved thing {n}" for n in (1, 7, 8, 9)),
    ]
    assert [one.reason for found in pages for one in found.set_aside] == ["too_large"]
    assert [one for found in again for one in (*found.listings, *found.set_aside)] == []
    assert site.ads == []
    assert peak < 40_000_000


async def test_a_page_that_is_a_bomb_stops_the_pass_and_is_no_way_into_memory(
    site: Site, crawler: Crawler
) -> None:
    site.odd = {"/ad/0": answer(200, manners.BOMB, ("content-encoding", "gzip"))}
    tracemalloc.start()
    try:
        pages = await crawler.pages()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len([one for found in pages for one in found.listings]) == 9
    assert [one.reason for found in pages for one in found.set_aside] == ["too_large"]
    assert peak < 40_000_000


ENTITIES = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "'
    + b"x" * 999
    + b'">]><urlset><url><loc>&b;</loc></url></urlset>'
)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(gzip.compress(b"<urlset>" + b" " * CAP + b"</urlset>"), id="bomb"),
        pytest.param(ENTITIES, id="entities"),
        pytest.param(b"\x1f\x8bnot gzip", id="not gzip"),
        pytest.param(b"<html><p>log in", id="html"),
        pytest.param(b"PK\x03\x04\x00\x00", id="zip"),
    ],
)
async def test_a_sitemap_that_cannot_be_read_is_set_aside_and_costs_no_other(
    site: Site, crawler: Crawler, body: bytes
) -> None:
    site.odd["/one.xml"] = answer(200, body)

    pages = await crawler.pages()

    assert [one.reason for found in pages for one in found.set_aside] == ["wrong_shape"]
    assert len([one for found in pages for one in found.listings]) == 5


def test_what_precedes_a_fault_in_a_sitemap_is_read_and_lines_of_text_are_too() -> None:
    whole = xml("url", [(f"https://board.example/{n}", "2026-03-01") for n in range(9)])
    assert len(read_sitemap(whole[:-200])) == 6
    assert [
        one.url for one in read_sitemap(b"https://board.example/1\r\nrubbish\nhttps://board.example/2")
    ] == [
        "https://board.example/1",
        "https://board.example/2",
    ]


@given(st.binary(max_size=200), st.text(max_size=200))
def test_no_bytes_break_a_sitemap_or_robots_txt(body: bytes, text: str) -> None:
    for one in (body, text.encode("utf-8", "replace"), b"<urlset><url><loc>" + body):
        try:
            read_sitemap(one)
        except UnreadableSitemap:
            continue
    rules = Robots(f"User-agent: *\n{text}\nCrawl-delay: {text}", NOW, "takin")
    assert rules.allows("https://board.example/") in (True, False)
    assert 0 <= rules.delay_s <= 86_400
