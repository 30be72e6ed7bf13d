"""One suite for every public API that listings are read from, against strict servers and rude ones.

A new API adds one :class:`Sample` and a dialect in :mod:`tests.support.shelf_servers`.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import ConnectorError, PlatformRefused, PlatformUnavailable
from connectors.platform import Page
from connectors.platform_config import ReadsOptions
from connectors.registry import SHELVES, PlatformConfig
from connectors.sources import shelf_source
from schemas.errors import OperatorError
from schemas.listing import Listing
from streams.connect.sources import Opened, Wanted, open_source
from tests.contracts import manners
from tests.contracts.rude_server import RudeServer, rude_server
from tests.support.shelf_servers import (
    FIRST_REFRESH,
    KEY,
    NOW,
    SECRET,
    Dialect,
    Item,
    Stocked,
    ebay,
    etsy,
    mastodon,
    mercadolibre,
    reddit,
    shopify,
    vk,
    woocommerce,
    youtube,
)


@dataclass(frozen=True)
class Sample:
    """One API."""

    dialect: Dialect
    page: int
    """Rows of a full page."""
    expected: dict[str, Any]
    """Of item 0, without what all have in common."""
    reads: dict[str, Any] = field(default_factory=dict)
    cost: int = 1
    """What a page takes of a day's budget."""


AGENT = "linux:example-monitor:v1 (by /u/example)"

SAMPLES = {
    "shopify": Sample(
        shopify,
        250,
        {"title": "carved thing 0", "description": "Made by hand", "category": "Carvings, bone, old"},
    ),
    "woocommerce": Sample(woocommerce, 100, {"title": "carved thing 0", "category": "Carvings"}),
    "ebay": Sample(
        ebay,
        200,
        {"listing_id": "v1|0|0", "title": "carved thing 0", "location": "Springfield, US"},
        {"words": ["carving"], "key": "env:KEY", "secret": "env:SECRET", "market": "EBAY_GB"},
    ),
    "etsy": Sample(
        etsy,
        100,
        {"listing_id": "1", "title": "carved thing 0", "category": "bone, old", "language": "en-US"},
        {"words": ["carving"], "key": "env:KEY"},
    ),
    "mercadolibre": Sample(
        mercadolibre,
        50,
        {"listing_id": "MLA0", "title": "carved thing 0", "location": "Tandil, Buenos Aires"},
        {"words": ["carving"], "key": "env:KEY", "secret": "env:SECRET", "market": "MLA"},
    ),
    "mastodon": Sample(
        mastodon,
        40,
        {"listing_id": "1000", "description": "carved thing 0 #carving", "category": "#carving"},
        {"words": ["#carving"]},
    ),
    "reddit": Sample(
        reddit,
        100,
        {"listing_id": "t3_0", "title": "carved thing 0", "category": "r/carving"},
        {"words": ["r/carving"], "key": "env:KEY", "secret": "env:SECRET"},
    ),
    "youtube": Sample(
        youtube,
        50,
        {"listing_id": "v0", "title": "carved thing 0", "description": "made by hand"},
        {"words": ["carving"], "key": "env:KEY", "calls_a_day": 10_000},
        cost=100,
    ),
    "vk": Sample(
        vk,
        200,
        {"listing_id": "-55_1", "description": "carved thing 0", "title": ""},
        {"words": ["carving"], "key": "env:KEY"},
    ),
}
NEWEST_FIRST = sorted(
    name for name, make in SHELVES.items() if make(ReadsOptions(api=name)).manners.newest_first
)


def test_every_api_has_a_sample() -> None:
    assert set(SAMPLES) == set(SHELVES)


@pytest.fixture(autouse=True)
def token_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the API that replaces its refresh tokens, as a person fills it."""
    file = tmp_path / "refresh-token"
    file.write_text(FIRST_REFRESH + "\n")
    file.chmod(0o600)
    monkeypatch.setitem(SAMPLES["mercadolibre"].reads, "token_file", str(file))
    return file


@pytest.fixture(params=sorted(SAMPLES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def sample(name: str) -> Sample:
    return SAMPLES[name]


@pytest.fixture
async def server() -> AsyncIterator[RudeServer]:
    async with rude_server() as running:
        yield running


@pytest.fixture
def api(sample: Sample, server: RudeServer) -> Stocked:
    stocked = Stocked(sample.dialect)
    server.manners = stocked.manners(server.url)
    return stocked


@dataclass
class Clock:
    """A clock that a test sets."""

    at: datetime = NOW

    def __call__(self) -> datetime:
        return self.at


def opened(name: str, url: str, clock: Clock, *, since: datetime | None = None, **changes: Any) -> Opened:
    patience = {"connect_s": 10, "read_s": 10, "total_s": 20}
    config = PlatformConfig.model_validate(
        {
            "name": "shop",
            "kind": "desk",
            "folder": "/nowhere",
            "base_url": url,
            "private_address": True,
            "user_agent": AGENT,
            "timeouts": changes.pop("timeouts", patience),
            "reads": {"api": name, "rate_per_s": 1_000, **SAMPLES[name].reads, **changes},
        }
    )
    environment = {"KEY": KEY, "SECRET": SECRET}
    return open_source(
        Wanted("shop", since=since), (config,), run_id="run-1", now=clock, environment=environment
    )


@dataclass
class Reader:
    """A source, its clock, and where it goes on; each pass opens it anew, as after a restart."""

    name: str
    url: str
    changes: dict[str, Any] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)
    cursor: str | None = None

    async def pages(self, *, die_after: int | None = None) -> list[Page]:
        """One pass; ``die_after`` so many pages it is killed."""
        made = opened(self.name, self.url, self.clock, **self.changes)
        found: list[Page] = []
        try:
            async for page in made.source.read(self.cursor):
                found.append(page)
                self.cursor = page.cursor or self.cursor
                if die_after is not None and len(found) >= die_after:
                    break
        finally:
            await made.close()  # type: ignore[misc]
        return found

    async def titles(self, *, die_after: int | None = None) -> list[str]:
        """What one pass gave out."""
        return [shown(one) for page in await self.pages(die_after=die_after) for one in page.listings]


@pytest.fixture
def reader(name: str, server: RudeServer) -> Reader:
    return Reader(name, server.url)


def shown(listing: Listing) -> str:
    return (listing.title or listing.description).removesuffix(" #carving")


def every(count: int, start: int = 0) -> set[str]:
    return {f"carved thing {number}" for number in range(start, start + count)}


# ---- reading ------------------------------------------------------------------------------------


async def test_all_of_it_is_read_once_and_by_the_documentation(
    sample: Sample, api: Stocked, reader: Reader
) -> None:
    count = sample.page * 2 + 7
    api.fill(count)

    titles = await reader.titles()

    assert sorted(titles) == sorted(every(count))
    assert api.broken_rules == []


async def test_what_an_item_becomes(sample: Sample, api: Stocked, reader: Reader) -> None:
    api.fill(1)

    [listing] = [one for page in await reader.pages() for one in page.listings]

    held = listing.model_dump()
    assert {name: held[name] for name in sample.expected} == sample.expected
    assert listing.url.startswith("http")
    assert len(listing.images) == 1
    assert listing.price is None or listing.price.amount == Decimal("12.50")
    assert (listing.platform, listing.connector, listing.run_id) == ("shop", reader.name, "run-1")


async def test_nothing_there_is_no_error(api: Stocked, reader: Reader) -> None:
    assert await reader.titles() == []
    assert api.broken_rules == []


async def test_a_second_pass_brings_what_is_new_and_asks_no_more_than_it_must(
    name: str, sample: Sample, api: Stocked, reader: Reader
) -> None:
    count = sample.page * 2 + 7
    api.fill(count)
    await reader.titles()
    whole = len(api.pages)
    again = await reader.titles()
    asked = len(api.pages) - whole
    api.fill(3, start=count)
    new = await reader.titles()

    assert again == []
    assert asked == (1 if name in NEWEST_FIRST else whole)
    assert sorted(new) == sorted(every(3, count))


async def test_what_changed_is_seen_within_the_time_of_a_whole_walk(
    sample: Sample, api: Stocked, reader: Reader
) -> None:
    api.fill(sample.page * 2)
    await reader.titles()
    oldest = api.stock[-1]
    api.stock[-1] = Item(oldest.number, "now of ivory")
    reader.clock.at += timedelta(days=1, minutes=1)

    assert await reader.titles() == ["now of ivory"]


@pytest.mark.parametrize("pages", [1, 2, 3])
async def test_killed_after_any_page_nothing_is_skipped(
    sample: Sample, api: Stocked, reader: Reader, pages: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf_source, "CURSOR_EVERY", 1)
    count = sample.page * 3 + 7
    api.fill(count)

    first = await reader.titles(die_after=pages)
    rest = await reader.titles()

    assert len(first) < count
    assert set(first) | set(rest) == every(count)
    assert len(first) + len(rest) == count


async def test_killed_while_it_reads_what_is_new_it_still_reads_what_lies_below(
    sample: Sample, api: Stocked, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf_source, "CURSOR_EVERY", 1)
    old, new = sample.page, sample.page * 2 + 7
    api.fill(old)
    await reader.titles()
    api.fill(new, start=old)

    found = [*await reader.titles(die_after=1), *await reader.titles()]

    assert sorted(found) == sorted(every(new, old))


async def test_items_that_come_while_pages_are_read_push_nothing_out(
    sample: Sample, api: Stocked, reader: Reader
) -> None:
    count = sample.page * 3
    api.fill(count)
    api.before = lambda number: api.fill(3, start=count) if number == 2 else None

    found = [*await reader.titles(), *await reader.titles()]

    assert set(found) == every(count + 3)
    assert len(found) == count + 3


async def test_items_that_go_while_pages_are_read_hide_none_for_good(
    sample: Sample, api: Stocked, reader: Reader
) -> None:
    count = sample.page * 4
    api.fill(count)

    def some_are_sold(number: int) -> None:
        if number == 3:
            del api.stock[:20]

    api.before = some_are_sold
    found = [*await reader.titles(), *await reader.titles()]

    assert every(count - 20) <= set(found)


async def test_what_is_older_than_asked_for_is_left_out(name: str, sample: Sample, api: Stocked) -> None:
    api.fill(sample.page * 2)
    since = api.stock[4].made
    made = opened(name, f"{_url(api)}", Clock(), since=since)
    found = [one async for page in made.source.read(None) for one in page.listings]
    await made.close()  # type: ignore[misc]

    dated = [one for one in found if one.posted_at is not None]
    assert [one for one in dated if one.posted_at and one.posted_at < since] == []
    assert len(found) == (5 if dated else sample.page * 2)


def _url(api: Stocked) -> str:
    return api.url


# ---- odd rows -----------------------------------------------------------------------------------

ODD: list[Any] = [None, 7, "row", [], {}, {"id": {}, "itemId": [], "listing_id": None}, {"id": "\ud800"}]


async def test_a_row_that_cannot_be_read_costs_no_other(sample: Sample, api: Stocked, reader: Reader) -> None:
    api.fill(5)
    api.raw = dict(enumerate(ODD))

    pages = await reader.pages()
    again = await reader.pages()

    assert {shown(one) for page in pages for one in page.listings} == every(5)
    assert {letter.reason for page in pages for letter in page.set_aside} == {"wrong_shape"}
    assert sum(len(page.set_aside) for page in pages) == len(ODD)
    assert sum(len(page.set_aside) + len(page.listings) for page in again) == 0
    assert sample.page > len(ODD) + 5


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
_NAMES = [
    "id",
    "itemId",
    "listing_id",
    "title",
    "name",
    "handle",
    "url",
    "permalink",
    "price",
    "prices",
    "images",
    "image",
    "tags",
    "categories",
    "account",
    "seller",
    "variants",
    "currencyValue",
    "currency_code",
    "currency_minor_unit",
    "published_at",
    "created_at",
    "content",
    "body_html",
    "description",
    "media_attachments",
    "language",
    "itemLocation",
    "original_creation_timestamp",
    "data",
    "snippet",
    "owner_id",
    "from_id",
    "date",
    "text",
    "attachments",
    "permalink",
    "thumbnail",
    "address",
]


@given(st.dictionaries(st.sampled_from(_NAMES), _json, max_size=12))
def test_no_row_breaks_a_mapping(row: dict[str, Any]) -> None:
    for name, make in SHELVES.items():
        fields = make(ReadsOptions(api=name)).fields(row, "https://shop.example")

        assert set(fields) <= set(Listing.model_fields)


# ---- trouble ------------------------------------------------------------------------------------


async def refused(reader: Reader) -> ConnectorError:
    with pytest.raises(ConnectorError) as error:
        await reader.pages()
    return error.value


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (400, PlatformRefused, None),
        (401, PlatformRefused, "unauthorised"),
        (403, PlatformRefused, "unauthorised"),
        (404, PlatformRefused, "not_found"),
        (429, PlatformUnavailable, "throttled"),
        (500, PlatformUnavailable, "server_error"),
        (503, PlatformUnavailable, "server_error"),
        (302, PlatformRefused, "redirect"),
    ],
)
async def test_what_a_status_means(
    server: RudeServer, reader: Reader, status: int, kind: type[Exception], reason: str | None
) -> None:
    server.answers(status, b"{}", ("location", "http://elsewhere.example/"))

    error = await refused(reader)

    assert isinstance(error, kind)
    assert reason is None or error.reason == reason


async def test_who_asks_for_silence_gets_it(name: str, server: RudeServer, api: Stocked) -> None:
    made = opened(name, server.url, Clock())
    strict = server.manners
    api.fill(1)
    [_ async for _ in made.source.read(None)]
    server.answers(429, b"", ("retry-after", "120"))
    waits = []
    for _ in range(2):
        with pytest.raises(PlatformUnavailable) as error:
            [_ async for _ in made.source.read(None)]
        waits.append(error.value.retry_after_s)
        server.manners = strict
    asked = len(server.asked)
    await made.close()  # type: ignore[misc]

    assert waits == pytest.approx([120, 120], abs=5)
    assert asked == len(api.requests) + 1


@pytest.mark.parametrize(
    "body", [b"", b"<!doctype html><title>Checking your browser</title>", b"{", b"[1", b'"x"', b"{}", b"null"]
)
async def test_an_answer_in_another_shape_is_asked_for_again_later(
    server: RudeServer, reader: Reader, body: bytes
) -> None:
    server.answers(200, body)

    error = await refused(reader)

    assert (type(error), error.reason) == (PlatformUnavailable, "bad_reply")


async def test_an_endless_answer_is_not_read(server: RudeServer, reader: Reader) -> None:
    server.manners = manners.sends_a_gigabyte

    error = await refused(reader)

    assert (type(error), error.reason) == (PlatformUnavailable, "bad_reply")


@pytest.mark.parametrize(
    "rude", [manners.never_answers, manners.trickles_the_body, manners.resets_in_the_middle, manners.hangs_up]
)
async def test_a_server_that_hangs_or_breaks_off_is_left(name: str, server: RudeServer, rude: Any) -> None:
    impatient = {"connect_s": 0.5, "read_s": 0.5, "write_s": 0.5, "pool_s": 0.5, "total_s": 1.0}
    server.manners = rude

    async with asyncio.timeout(10):
        error = await refused(Reader(name, server.url, {"timeouts": impatient}))

    assert isinstance(error, PlatformUnavailable)


async def test_a_clock_far_ahead_of_ours_sets_aside_and_stops_nothing(api: Stocked, reader: Reader) -> None:
    api.fill(3)
    reader.clock.at = NOW - timedelta(days=40)

    pages = await reader.pages()

    made = sum(len(page.listings) for page in pages)
    letters = [letter.reason for page in pages for letter in page.set_aside]
    assert (made, letters) in [(0, ["from_the_future"] * 3), (3, [])]


# ---- keys, budget, pace -------------------------------------------------------------------------


async def test_a_token_that_was_revoked_is_asked_for_again_once(server: RudeServer) -> None:
    api = Stocked(ebay)
    server.manners = api.manners(server.url)
    api.fill(250)

    def revoked(number: int) -> None:
        if number == 2 and api.given == 1:
            api.tokens.clear()

    api.before = revoked
    titles = await Reader("ebay", server.url).titles()

    assert set(titles) == every(250)
    assert api.given == 2
    assert api.broken_rules == ["Invalid access token"]


@pytest.fixture
def market(server: RudeServer) -> Stocked:
    """The API that replaces its refresh tokens."""
    api = Stocked(mercadolibre)
    server.manners = api.manners(server.url)
    api.fill(3)
    return api


def kept_in(file: Path) -> tuple[str, int]:
    """What it holds, and who may read it."""
    return file.read_text(), file.stat().st_mode & 0o777


async def test_each_refresh_token_is_used_once_and_the_next_one_kept(
    server: RudeServer, market: Stocked, token_file: Path
) -> None:
    reader = Reader("mercadolibre", server.url)
    for hours in range(0, 28, 7):
        reader.clock.at = NOW + timedelta(hours=hours)
        await reader.pages()
        text, mode = kept_in(token_file)
        kept = json.loads(text)
        assert (kept["refresh_token"], {kept["access_token"]}) == (market.refresh, market.tokens)
        assert mode == 0o600
        await reader.pages()

    assert (market.given, market.broken_rules) == (4, [])


async def test_more_than_may_be_asked_for_is_not_asked_for(server: RudeServer, market: Stocked) -> None:
    market.fill(1_020, start=3)

    found = await Reader("mercadolibre", server.url).titles()

    assert (len(found), len(set(found)), market.broken_rules) == (1_000, 1_000, [])


async def test_two_processes_do_not_use_one_refresh_token_twice(server: RudeServer, market: Stocked) -> None:
    found = await asyncio.gather(*(Reader("mercadolibre", server.url).titles() for _ in range(3)))

    assert [len(one) for one in found] == [3, 3, 3]
    assert (market.given, market.broken_rules) == (1, [])


async def test_a_token_revoked_before_its_time_is_renewed_by_the_kept_refresh_token(
    server: RudeServer, market: Stocked
) -> None:
    reader = Reader("mercadolibre", server.url)
    await reader.pages()
    market.tokens.clear()
    market.fill(1, start=3)

    assert await reader.titles() == ["carved thing 3"]
    assert market.given == 2


async def test_a_refresh_token_that_is_not_taken_asks_for_a_person_and_is_kept(
    server: RudeServer, market: Stocked, token_file: Path
) -> None:
    market.refresh = "canary-another"

    error = await refused(Reader("mercadolibre", server.url))

    assert (type(error), error.reason) == (PlatformRefused, "unauthorised")
    assert "log in anew" in error.detail
    assert kept_in(token_file)[0] == FIRST_REFRESH + "\n"
    assert FIRST_REFRESH not in str(error)


def test_a_token_file_that_others_may_read_is_refused(token_file: Path, server: RudeServer) -> None:
    token_file.chmod(0o640)
    with pytest.raises(OperatorError, match="chmod 600"):
        opened("mercadolibre", server.url, Clock())
    token_file.unlink()
    with pytest.raises(OperatorError, match="refresh token into it"):
        opened("mercadolibre", server.url, Clock())


async def test_no_key_is_ever_in_a_log_or_an_error(
    server: RudeServer, reader: Reader, api: Stocked, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    api.fill(3)
    await reader.pages()
    server.answers(401, KEY.encode())

    error = await refused(reader)

    told = caplog.text + repr(error) + str(error)
    assert not any(word in told for word in (KEY, SECRET, "canary-token", "canary-refresh"))


async def test_a_day_s_calls_are_kept_over_restarts_and_go_on_the_next_day(
    name: str, sample: Sample, server: RudeServer, api: Stocked
) -> None:
    api.fill(sample.page * 4)
    reader = Reader(name, server.url, {"calls_a_day": 3 * sample.cost})

    first = await reader.titles()
    spent = len(api.pages)
    nothing = await reader.titles()
    assert (spent, nothing, len(api.pages)) == (3, [], 3)

    reader.changes = {"calls_a_day": 100 * sample.cost}
    reader.clock.at += timedelta(days=1)
    rest = await reader.titles()
    assert set(first) | set(rest) == every(sample.page * 4)


async def test_the_pace_is_kept_as_the_server_sees_it(
    name: str, sample: Sample, server: RudeServer, api: Stocked
) -> None:
    api.fill(sample.page * 3)

    began = time.monotonic()
    await Reader(name, server.url, {"rate_per_s": 20}).titles()

    # From before the first was sent: on a busy machine that one may arrive late, and no other early.
    times = [at for at, path in api.requests if "token" not in path.partition("?")[0]]
    assert len(times) >= 3
    for number, at in enumerate(times):
        assert at - began >= number / 20


def test_a_cursor_of_another_kind_is_everything_new() -> None:
    for text in ("", "[]", "{", "null", json.dumps({"seen": 7}), json.dumps({"seen": {}, "calls": "x"})):
        assert shelf_source._State.from_text(text).seen == {}
