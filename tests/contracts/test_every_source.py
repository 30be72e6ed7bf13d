"""The table: every source of listings, under everything that its place may do.

A cell is a test here, a test elsewhere, or the reason why it cannot be. What is asked here goes through the
loop that runs in production, :class:`streams.connect.runner.Runner`; the server's own list is the oracle.
"""

import asyncio
import json
import logging
import re
import time
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import connectors.sources
from connectors.cursors import CursorStore
from connectors.metrics import ConnectorMetrics
from connectors.registry import KINDS
from connectors.run_notes import RunNotes, every_note
from schemas.dead_letter import DeadLetter
from schemas.errors import OperatorError
from schemas.listing import Listing
from streams.connect.runner import Assignment, Runner, Tally
from tests.contracts import manners
from tests.contracts.rude_server import Asked, RudeServer, answer, rude_server
from tests.support.source_servers import NOW, RIGS, SECRET, Rig, Stock, title
from tests.support.telegram_server import TOKEN

ROOT = Path(__file__).parents[2]
HERE = "here"
SHELVES = "tests/contracts/test_shelves.py::"
CRAWL = "tests/contracts/test_crawl.py::"
FIREHOSE = "tests/unit/connectors/sources/test_firehose.py::"
FILE = "tests/unit/connectors/sources/test_file.py::"
DROPS = "tests/contracts/test_drops.py::"
TELEGRAM = "tests/contracts/test_telegram.py::"
RUNNER = "tests/unit/streams/connect/test_runner.py::"
SESSION = "tests/unit/connectors/atproto/test_session.py::"

ASPECTS = (
    "odd rows", "cursor over restarts", "change while it is read", "401, 403, 404", "429 with Retry-After",
    "5xx", "not its format", "HTML instead", "50 MB", "slow", "clock skew", "revoked token", "secrets",
    "politeness",
)  # fmt: skip
NO_SERVER = "nothing is asked over a network: there is no status, no pace and no key"
OVER_HTTP: dict[str, str] = dict.fromkeys(ASPECTS, HERE)
ON_DISK = dict.fromkeys(ASPECTS, NO_SERVER)

TABLE: dict[str, dict[str, str]] = {
    "shelf_source": {
        "odd rows": SHELVES + "test_a_row_that_cannot_be_read_costs_no_other",
        "cursor over restarts": SHELVES + "test_killed_after_any_page_nothing_is_skipped",
        "change while it is read": SHELVES + "test_items_that_go_while_pages_are_read_hide_none_for_good",
        "401, 403, 404": SHELVES + "test_what_a_status_means",
        "429 with Retry-After": SHELVES + "test_who_asks_for_silence_gets_it",
        "5xx": SHELVES + "test_what_a_status_means",
        "not its format": SHELVES + "test_an_answer_in_another_shape_is_asked_for_again_later",
        "HTML instead": SHELVES + "test_an_answer_in_another_shape_is_asked_for_again_later",
        "50 MB": SHELVES + "test_an_endless_answer_is_not_read",
        "slow": SHELVES + "test_a_server_that_hangs_or_breaks_off_is_left",
        "clock skew": SHELVES + "test_a_clock_far_ahead_of_ours_sets_aside_and_stops_nothing",
        "revoked token": SHELVES + "test_a_token_that_was_revoked_is_asked_for_again_once",
        "secrets": SHELVES + "test_no_key_is_ever_in_a_log_or_an_error",
        "politeness": SHELVES + "test_the_pace_is_kept_as_the_server_sees_it",
    },
    "telegram": OVER_HTTP
    | {
        "secrets": TELEGRAM + "test_the_token_is_in_the_path_and_nowhere_else",
        "revoked token": TELEGRAM + "test_the_api_s_own_words_go_along",
    },
    "post_search": OVER_HTTP
    | {
        "revoked token": SESSION + "test_a_stale_session_is_renewed_by_its_refresh_token_without_a_login",
        "secrets": "tests/contracts/test_platforms.py::test_no_secret_reaches_a_log_or_an_error",
    },
    "sandbox": OVER_HTTP | {"revoked token": "its feed is public: no token is shown"},
    "feed": OVER_HTTP
    | {
        "change while it is read": "one answer holds all of it",
        "revoked token": "it is public: no token is shown",
        "secrets": "it knows none; an address on the command line is not one, and is shown",
        "politeness": RUNNER + "test_following_looks_again_after_the_interval",
    },
    "page": OVER_HTTP
    | {
        "change while it is read": "one answer holds all of it",
        "revoked token": "it is public: no token is shown",
        "secrets": "it knows none; an address on the command line is not one, and is shown",
        "politeness": RUNNER + "test_following_looks_again_after_the_interval",
    },
    "crawl": OVER_HTTP
    | {
        "cursor over restarts": CRAWL + "test_killed_after_any_page_nothing_is_skipped_or_repeated",
        "change while it is read": "which pages there are is read before the first of them is",
        "revoked token": "it is public: no token is shown",
        "secrets": "it knows none",
        "politeness": CRAWL + "test_the_pace_is_kept_as_the_site_sees_it",
    },
    "firehose": {
        "odd rows": FIREHOSE + "test_what_cannot_be_read_is_set_aside_and_its_neighbours_arrive",
        "cursor over restarts": "tests/atproto/test_firehose.py::"
        "test_killed_while_it_reads_at_full_speed_it_misses_no_post",
        "change while it is read": "a stream is nothing but change, and has no pages",
        "401, 403, 404": FIREHOSE + "test_a_server_that_does_not_let_us_in_says_what_to_do",
        "429 with Retry-After": FIREHOSE + "test_a_server_that_does_not_let_us_in_says_what_to_do",
        "5xx": FIREHOSE + "test_a_server_that_does_not_let_us_in_says_what_to_do",
        "not its format": FIREHOSE + "test_what_cannot_be_read_is_set_aside_and_its_neighbours_arrive",
        "HTML instead": "before it is a stream an answer has no body for us, and frames are binary",
        "50 MB": FIREHOSE + "test_a_frame_that_is_too_long_is_passed_over_and_told",
        "slow": FIREHOSE + "test_nobody_there_and_nobody_answering_are_told_apart",
        "clock skew": "tests/unit/connectors/atproto/test_posts.py::"
        "test_a_date_that_cannot_be_true_hides_no_post",
        "revoked token": "it is public: no token is shown",
        "secrets": "it is public: no token is shown",
        "politeness": "one connection, and the server sets the pace",
    },
    "file": ON_DISK
    | {
        "odd rows": FILE + "test_a_bad_line_is_set_aside_with_its_place_and_its_neighbours_are_kept",
        "cursor over restarts": FILE
        + "test_stopped_after_any_page_and_started_again_nothing_is_skipped_or_repeated",
        "change while it is read": FILE + "test_lines_added_later_are_all_that_is_read",
        "not its format": FILE + "test_any_bytes_are_read_to_the_end",
        "50 MB": FILE + "test_a_line_that_fits_gives_a_record_that_fits",
    },
    "folder": ON_DISK
    | {
        "odd rows": DROPS + "test_a_row_that_cannot_be_used_is_named_by_its_line_and_costs_no_other",
        "cursor over restarts": DROPS + "test_killed_anywhere_no_row_is_skipped_or_read_twice",
        "change while it is read": DROPS + "test_a_second_file_of_one_name_is_read_and_loses_no_first",
        "not its format": DROPS + "test_complete_files_are_read_the_oldest_first_and_moved",
    },
    "warc": ON_DISK
    | {
        "odd rows": DROPS + "test_what_is_no_page_or_hostile_costs_no_other",
        "cursor over restarts": DROPS + "test_killed_between_records_reading_goes_on_after_the_last",
        "not its format": DROPS + "test_an_archive_that_breaks_off_gives_what_came_before_and_says_where",
        "HTML instead": "HTML is what it reads",
        "50 MB": DROPS + "test_what_is_no_page_or_hostile_costs_no_other",
    },
}
"""Sources (modules, and platforms with a feed of their own) and what is asked of each."""


def test_no_source_is_without_a_row() -> None:
    folder = Path(connectors.sources.__path__[0])
    there = {
        path.stem
        for path in folder.glob("*.py")
        if re.search(r"^class (?!_)\w+(Source|Search)\b", path.read_text("utf-8"), re.MULTILINE)
    }
    with_a_feed = set(KINDS) - {"atproto"}  # its sources are modules: firehose, post_search

    assert set(TABLE) == there | with_a_feed
    assert {name: set(row) for name, row in TABLE.items()} == {name: set(ASPECTS) for name in TABLE}
    here = {name for name, row in TABLE.items() if HERE in row.values()}
    assert here == set(RIGS)


def test_every_test_that_a_cell_names_is_there() -> None:
    cells = {cell for row in TABLE.values() for cell in row.values() if cell.startswith("tests/")}
    for cell in cells:
        file, _, name = cell.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text("utf-8"), cell


# ---- reading, as production does -----------------------------------------------------------------


class Killed(Exception):
    """The process is gone."""


@dataclass
class Kafka:
    """What was published."""

    listings: list[Listing] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    dies_after: int | None = None
    """So many pages are published, and the next is not."""

    async def publish(self, listings: Sequence[Listing]) -> tuple[DeadLetter, ...]:
        if self.dies_after is not None:
            if self.dies_after == 0:
                raise Killed
            self.dies_after -= 1
        self.listings += listings
        return ()

    async def set_aside(self, letters: Sequence[DeadLetter]) -> None:
        self.letters += letters

    @property
    def titles(self) -> list[str]:
        return [one.title or one.description for one in self.listings]


@dataclass
class Reading:
    """One source, its server, and what came of it; each run opens it anew, as after a restart."""

    rig: Rig
    server: RudeServer
    stock: Stock
    folder: Path
    at: datetime = NOW
    kafka: Kafka = field(default_factory=Kafka)
    waits: list[float] = field(default_factory=list)
    """Seconds that the loop waited for, which take no time here."""
    changes: dict[str, Any] = field(default_factory=dict)
    mends_after: int = 1_000
    """After so many waits the server answers well again."""
    dies_waiting: bool = False
    """Killed as it begins to wait."""
    metrics: ConnectorMetrics = field(default_factory=ConnectorMetrics)

    async def run(self) -> Tally:
        made = self.rig.open(self.server.url, lambda: self.at, **self.changes)
        runner = Runner(
            made.source,
            self.kafka,
            Assignment(made.connector, made.place, made.platform),
            cursors=CursorStore(self.folder),
            metrics=self.metrics,
            now=lambda: self.at,
            sleep=self._sleep,
            notes=RunNotes(self.folder / "notes", lambda: self.at),
        )
        # What the place asked to be left alone for has passed when the loop has waited for it.
        try:
            async with asyncio.timeout(30):
                return await runner.run()
        finally:
            self.at += timedelta(hours=1)
            self.stock.at = self.at
            await made.close()  # type: ignore[misc]

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        if self.dies_waiting:
            raise Killed
        if len(self.waits) >= self.mends_after:
            self.server.manners = self.stock

    async def fails(self) -> str:
        """The sentence that the operator gets."""
        with pytest.raises(OperatorError) as error:
            await self.run()
        return str(error.value)


def cells(aspect: str) -> list[str]:
    """The sources of which this is asked here."""
    return [name for name, row in TABLE.items() if row[aspect] == HERE]


@pytest.fixture
async def reading(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Reading]:
    rig = RIGS[request.param]
    async with rude_server() as server:
        stock = rig.stock()
        stock.url = server.url
        server.manners = stock
        yield Reading(rig, server, stock, tmp_path)


def every(count: int, start: int = 0) -> list[str]:
    return sorted(title(number) for number in range(start, start + count))


def asked_of(aspect: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("reading", cells(aspect), indirect=True)


@asked_of("odd rows")
async def test_a_row_that_cannot_be_read_is_set_aside_once_and_costs_no_other(reading: Reading) -> None:
    reading.stock.fill(3)
    reading.stock.rows = ["row", 7, [], {"id": {}}, {"message_id": 1, "sku": "x" * 600}, {"title": "\ud800"}]

    await reading.run()
    set_aside = {one.dead_letter_id for one in reading.kafka.letters}
    await reading.run()

    assert set(every(3)) <= set(reading.kafka.titles)
    assert {one.reason for one in reading.kafka.letters} == {"wrong_shape"}
    assert len(set_aside) >= 1
    assert {one.dead_letter_id for one in reading.kafka.letters} == set_aside


@asked_of("cursor over restarts")
async def test_killed_and_started_again_nothing_is_skipped_and_it_ends(reading: Reading) -> None:
    page = reading.rig.page or 5
    reading.stock.fill(page * 2 + 7)

    for dies_after in (0, 1, 1):
        reading.kafka.dies_after = dies_after
        try:
            await reading.run()
        except Killed:
            continue
    reading.kafka.dies_after = None
    await reading.run()
    seen = set(reading.kafka.titles)
    reading.kafka.listings.clear()
    await reading.run()
    repeated = len(reading.kafka.listings)
    reading.stock.fill(2, start=page * 2 + 7)
    await reading.run()

    assert sorted(seen) == every(page * 2 + 7)
    assert repeated == 0
    assert set(every(2, page * 2 + 7)) <= set(reading.kafka.titles)


@asked_of("change while it is read")
async def test_what_comes_while_pages_are_read_pushes_nothing_out(reading: Reading) -> None:
    assert reading.rig.page is not None
    count = reading.rig.page * 3
    reading.stock.fill(count)

    def something_comes(number: int) -> None:
        if number == 2:
            reading.stock.at += timedelta(hours=1)
            reading.stock.fill(3, start=count)

    reading.stock.before = something_comes
    await reading.run()
    reading.stock.before = lambda _: None
    await reading.run()

    assert sorted(set(reading.kafka.titles)) == every(count + 3)


@pytest.mark.parametrize(
    ("status", "reason"), [(401, "unauthorised"), (403, "unauthorised"), (404, "not_found")]
)
@asked_of("401, 403, 404")
async def test_a_refusal_is_told_and_what_was_there_is_read_when_it_is_over(
    reading: Reading, status: int, reason: str
) -> None:
    reading.stock.fill(3)
    reading.server.answers(status, b"{}")

    sentence = await reading.fails()
    assert reason in sentence
    assert [(one.reason, one.is_failing) for one in every_note(reading.folder / "notes")] == [(reason, True)]
    assert reading.waits == []

    reading.server.manners = reading.stock
    await reading.run()
    assert sorted(reading.kafka.titles) == every(3)
    assert [one.is_failing for one in every_note(reading.folder / "notes")] == [False]


@asked_of("429 with Retry-After")
async def test_who_asks_for_silence_gets_it_and_nothing_is_lost(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.pace.Pace.silent_for_s", 0.0)  # the loop's wait takes no time here
    reading.stock.fill(3)
    reading.server.answers(429, b"{}", ("retry-after", "120"))
    reading.mends_after = 1

    await reading.run()

    assert [120 <= one < 130 for one in reading.waits] == [True]
    assert len(reading.server.asked) - len(reading.stock.asked) == 1
    assert sorted(reading.kafka.titles) == every(3)


@pytest.mark.parametrize("status", [429, 503])
@asked_of("429 with Retry-After")
async def test_who_asked_for_silence_gets_it_also_from_a_restarted_connector(
    reading: Reading, status: int
) -> None:
    reading.stock.fill(3)
    reading.server.answers(status, b"{}", ("retry-after", "120"))
    asked_at, reading.dies_waiting = reading.at, True
    with pytest.raises(Killed):
        await reading.run()
    asked = len(reading.server.asked)
    reading.at = asked_at + timedelta(seconds=50)
    with pytest.raises(Killed):
        await reading.run()

    assert [round(one) for one in reading.waits[1:]] == [70]
    assert len(reading.server.asked) == asked

    reading.at, reading.dies_waiting = asked_at + timedelta(seconds=120), False
    reading.server.manners = reading.stock
    await reading.run()
    assert len(reading.waits) == 2
    assert sorted(reading.kafka.titles) == every(3)


@pytest.mark.parametrize("status", [500, 503])
@asked_of("5xx")
async def test_trouble_of_theirs_is_waited_for(reading: Reading, status: int) -> None:
    reading.stock.fill(3)
    reading.server.answers(status, b"<html>sorry")
    reading.mends_after = 2

    tally = await reading.run()

    assert tally.failures == {"server_error": 2}
    assert sorted(reading.kafka.titles) == every(3)


@pytest.mark.parametrize("body", [b"", b"{", b"[1", b"null", b'"x"', b"\x00\xff", b"[" * 60_000])
@asked_of("not its format")
async def test_what_cannot_be_read_stops_nothing_for_good(reading: Reading, body: bytes) -> None:
    await _stranger_in_the_middle(reading, body)


@asked_of("HTML instead")
async def test_a_page_for_people_in_its_place_stops_nothing_for_good(reading: Reading) -> None:
    await _stranger_in_the_middle(reading, b"<!doctype html><title>Checking your browser</title>")


async def _stranger_in_the_middle(reading: Reading, body: bytes) -> None:
    """A place that was read before and says something else for a while is asked again; nothing is lost."""
    reading.stock.fill(3)
    await reading.run()
    reading.stock.fill(2, start=3)
    reading.server.answers(200, body, ("content-type", "text/html"))
    reading.mends_after = 2

    tally = await reading.run()

    assert tally.failures == {"bad_reply": 2}
    assert sorted(reading.kafka.titles) == every(5)


async def fifty_megabytes(_: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 50000000\r\n\r\n")
    for _number in range(50):
        writer.write(b"[" + b" " * 999_999)
        await writer.drain()


@asked_of("50 MB")
async def test_an_answer_of_fifty_megabytes_is_not_held(reading: Reading) -> None:
    reading.stock.fill(3)
    reading.server.manners = fifty_megabytes
    reading.mends_after = 1
    tracemalloc.start()
    try:
        tally = await reading.run()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert tally.failures == {"bad_reply": 1}
    assert peak < 60_000_000
    assert sorted(reading.kafka.titles) == every(3)


@pytest.mark.parametrize("rude", [manners.trickles_the_body, manners.hangs_up])
@asked_of("slow")
async def test_a_server_that_hangs_is_left_and_asked_again(reading: Reading, rude: Any) -> None:
    reading.changes = {"timeouts": {"connect_s": 0.3, "read_s": 0.3, "pool_s": 0.3, "total_s": 0.3}}
    reading.stock.fill(3)
    reading.server.manners = rude
    reading.mends_after = 1

    began = time.monotonic()
    tally = await reading.run()

    assert 1 <= sum(tally.failures.values()) <= 3  # on a busy machine a good answer may be late, too
    assert set(tally.failures) <= {"timeout", "reset"}
    assert time.monotonic() - began < 10
    assert sorted(reading.kafka.titles) == every(3)


@pytest.mark.parametrize("days", [-40, 40])
@asked_of("clock skew")
async def test_a_clock_that_is_far_off_stops_nothing(reading: Reading, days: int) -> None:
    reading.stock.ahead = timedelta(days=days)
    reading.stock.fill(3)

    await reading.run()

    if days < 0 or reading.kafka.listings:
        assert sorted(reading.kafka.titles) == every(3)
    else:
        assert [one.reason for one in reading.kafka.letters] == ["from_the_future"] * 3


@asked_of("secrets")
async def test_no_secret_is_in_a_log_or_an_error(reading: Reading, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    reading.stock.fill(3)
    await reading.run()
    reading.server.answers(401, f"{SECRET} {TOKEN}".encode())

    told = caplog.text + await reading.fails()
    told += "".join(path.read_text() for path in (reading.folder / "notes").iterdir())

    assert not any(one in told for one in (SECRET, TOKEN))


@asked_of("politeness")
async def test_the_pace_is_kept_as_the_server_sees_it(reading: Reading) -> None:
    assert reading.rig.page is not None
    reading.stock.fill(reading.rig.page * 3)
    reading.changes = {reading.rig.rate: 20}

    began = time.monotonic()
    await reading.run()

    # From before the first was sent: on a busy machine that one may arrive late, and no other early.
    assert len(reading.stock.asked) >= 3
    for number, (at, _) in enumerate(reading.stock.asked):
        assert at - began >= number / 20


@pytest.mark.parametrize("reading", ["crawl"], indirect=True)
@pytest.mark.parametrize(("budget", "left"), [(100, 95), (4, 0)])
async def test_what_is_left_of_a_day_s_calls_is_on_the_metrics(
    reading: Reading, budget: int, left: int
) -> None:
    reading.stock.fill(3)
    reading.changes = {"crawl__calls_a_day": budget}

    await reading.run()

    labels = {"connector": "crawl", "platform": "market"}
    assert reading.metrics.registry.get_sample_value("takin_connector_calls_left", labels) == left
    assert len(reading.stock.asked) == budget - left


@pytest.mark.parametrize("reading", ["sandbox", "telegram", "post_search"], indirect=True)
async def test_a_server_that_gives_the_same_page_again_and_again_does_not_hold_us(reading: Reading) -> None:
    reading.stock.fill(3)
    first: list[Any] = []

    async def the_same(asked: Asked, writer: asyncio.StreamWriter) -> None:
        target = asked.target if not first else first[0]
        first.append(target)
        body = {
            "version": "https://jsonfeed.org/version/1.1",
            "items": [],
            "next_url": "x",
            "posts": [],
            "cursor": "7",
            "ok": True,
            "result": [{"update_id": 7, "channel_post": {}}],
        }
        await answer(200, json.dumps(body).encode(), ("takin-cursor", "7"))(asked, writer)

    reading.server.manners = the_same
    reading.mends_after = 1

    tally = await reading.run()

    assert len(first) <= 4
    assert tally.failures in ({}, {"bad_reply": 1})
