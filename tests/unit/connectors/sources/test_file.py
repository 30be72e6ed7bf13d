"""A file is read to its end whatever stands in it, and a reader that was stopped skips nothing."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import schemas
from connectors.platform import Page
from connectors.sandbox.assignment import assign_platform
from connectors.sources.file import MAX_LINE, FileSource
from schemas.dead_letter import DeadLetter
from schemas.errors import OperatorError
from schemas.listing import Listing

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PLATFORMS = {"alpha": "http://127.0.0.1:1001", "beta": "http://127.0.0.1:1002"}
EXAMPLE = Path(schemas.__file__).parent / "examples" / "listing.json"


def source(path: Path, **options: Any) -> FileSource:
    return FileSource(path, **{"platforms": PLATFORMS, "now": lambda: NOW, "run_id": "run-1", **options})


async def read(
    made: FileSource, since: str | None = None
) -> tuple[list[Listing], list[DeadLetter], str | None]:
    listings: list[Listing] = []
    aside: list[DeadLetter] = []
    cursor = since
    async for page in made.read(since):
        listings += page.listings
        aside += page.set_aside
        cursor = page.cursor
    return listings, aside, cursor


def write(tmp_path: Path, *lines: bytes | dict[str, Any], name: str = "listings.jsonl") -> Path:
    path = tmp_path / name
    path.write_bytes(
        b"".join((json.dumps(one).encode() if isinstance(one, dict) else one) + b"\n" for one in lines)
    )
    return path


async def test_a_row_of_three_fields_is_given_a_platform_and_an_address(tmp_path: Path) -> None:
    path = write(tmp_path, {"id": "a/b 1", "title": "t", "text": "x", "label": 1})
    (listing,), aside, _ = await read(source(path))

    name = assign_platform("a/b 1", list(PLATFORMS))
    assert aside == []
    assert (listing.platform, listing.url) == (name, f"{PLATFORMS[name]}/listing/a%2Fb%201")
    assert (listing.title, listing.description) == ("t", "x")
    assert (listing.connector, listing.run_id, listing.observed_at) == ("file", "run-1", NOW)


async def test_a_whole_listing_keeps_everything_but_who_published_it(tmp_path: Path) -> None:
    row = json.loads(EXAMPLE.read_text())
    row["platform"] = "alpha"
    (listing,), _, _ = await read(source(write(tmp_path, row)))

    ours = {"connector": "file", "run_id": "run-1", "content_hash": listing.content_hash}
    assert json.loads(listing.to_bytes()) == {**row, **ours}


async def test_what_a_row_knows_besides_is_kept(tmp_path: Path) -> None:
    row = {
        "id": 17,
        "name": "t",
        "price": "1.250,00",
        "currency": "eur",
        "seller": "dealer",
        "image": "https://a.example/1.jpg",
        "ships_to": "AT|CH",
        "lang": "de",
        "date": "2026-11-01",
        "platform": "beta",
        "url": "https://beta.example/17",
    }
    (listing,), _, _ = await read(source(write(tmp_path, row)))

    assert listing.listing_id == "17"
    assert listing.price is not None
    assert (str(listing.price.amount), listing.price.currency) == ("1250.00", "EUR")
    assert (listing.ships_to, listing.language, listing.url) == (
        ("AT", "CH"),
        "de",
        "https://beta.example/17",
    )
    assert listing.posted_at == datetime(2026, 11, 1, tzinfo=UTC)


BAD: list[tuple[bytes, str, str]] = [
    (b'{"id": "x", "title": "\xff\xfe"}', "undecodable", "not UTF-8"),
    (b'{"id": "x", "title": ', "not_json", "not JSON"),
    (b"[" * 5_000, "not_json", "not JSON"),
    (b'{"id": "x", "title": "\\ud800"}', "not_json", "not JSON"),
    (b"[1, 2]", "wrong_shape", "a list"),
    (b"7", "wrong_shape", "a number"),
    (b"null", "wrong_shape", "null"),
    (b'{"title": "no id"}', "wrong_shape", "no id"),
    (b'{"id": "", "title": "x"}', "wrong_shape", "no id"),
    (b'{"id": {"a": 1}}', "wrong_shape", "an object"),
    (b'{"id": true}', "wrong_shape", "true or false"),
    (b'{"id": "x", "title": ["a"]}', "wrong_shape", "title"),
    (b'{"id": "x", "title": 5}', "wrong_shape", "title"),
    (b'{"id": "' + b"x" * 600 + b'"}', "wrong_shape", "512"),
    (b'{"id": "x", "text": "' + b"x" * 200_001 + b'"}', "wrong_shape", "200000"),
    (b'{"id": "x", "platform": "gamma"}', "unknown_platform", "gamma"),
    (b'{"id": "x", "platform": ["alpha"]}', "wrong_shape", "platform is a list"),
    (b'{"id": "x", "posted_at": "2099-01-01T00:00:00Z"}', "from_the_future", "2099"),
    (b'{"id": "x", "observed_at": "2026-11-24T12:00:00Z"}', "from_the_future", "observed_at"),
    (b'{"id": "x", "observed_at": "soon"}', "wrong_shape", "observed_at"),
    (b'{"schema_version": 2, "listing_id": "x", "cls": 1, "self": 2}', "wrong_shape", "schema_version"),
    (b'{"id": "x", "text": "' + b"x" * 2_000_000 + b'"}', "too_large", "2000024 bytes"),
]


@pytest.mark.parametrize(("line", "reason", "told"), BAD, ids=[f"{reason}-{told}" for _, reason, told in BAD])
async def test_a_bad_line_is_set_aside_with_its_place_and_its_neighbours_are_kept(
    tmp_path: Path, line: bytes, reason: str, told: str
) -> None:
    path = write(tmp_path, {"id": "before"}, line, {"id": "after"})
    listings, (letter,), _ = await read(source(path))

    assert [listing.listing_id for listing in listings] == ["before", "after"]
    assert letter.reason == reason
    assert told in letter.detail
    assert letter.detail.startswith("Line 2: ")
    assert letter.origin == f"{path}:2"
    assert (letter.topic, letter.replayable) == (None, False)
    assert letter.record_bytes in (len(line), len(line) + 1)
    assert line.startswith(letter.value[:100])
    assert len(letter.to_bytes()) < 1_000_000


async def test_odd_optional_parts_do_not_cost_the_listing(tmp_path: Path) -> None:
    row = {
        "id": "1",
        "price": "a lot",
        "language": "???",
        "images": [5],
        "posted_at": "long ago",
        "seller": 5,
    }
    (listing,), aside, _ = await read(source(write(tmp_path, row)))

    assert aside == []
    assert (listing.price, listing.language, listing.images, listing.posted_at) == (None, None, (), None)


async def test_without_platforms_a_row_must_name_its_own(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {"id": "1", "platform": "any", "url": "https://a.example"},
        {"id": "2"},
        {"id": "3", "platform": "any"},
    )
    listings, aside, _ = await read(source(path, platforms={}))

    assert [listing.key for listing in listings] == ["any:1"]
    assert [letter.reason for letter in aside] == ["unknown_platform", "wrong_shape"]


async def test_empty_lines_a_byte_order_mark_and_a_missing_last_line_feed_are_no_trouble(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id": "1"}\r\n\n   \n{"id": "2"}')
    listings, aside, _ = await read(source(path))

    assert [listing.listing_id for listing in listings] == ["1", "2"]
    assert aside == []


# ---- going on -----------------------------------------------------------------------------------


@pytest.mark.parametrize("page_size", [1, 3, 7, 200])
@pytest.mark.parametrize("name", ["x.jsonl", "x.csv"])
async def test_stopped_after_any_page_and_started_again_nothing_is_skipped_or_repeated(
    tmp_path: Path, page_size: int, name: str
) -> None:
    rows = [{"id": str(number), "text": f'"quoted"\nline {number}, ö'} for number in range(20)]
    path = write_csv(tmp_path, rows) if name == "x.csv" else write(tmp_path, *rows)
    pages = [page async for page in source(path, page_size=page_size).read(None)]

    for stop, page in enumerate(pages):
        before = [listing.listing_id for one in pages[: stop + 1] for listing in one.listings]
        rest, aside, _ = await read(source(path), page.cursor)
        assert before + [listing.listing_id for listing in rest] == [row["id"] for row in rows]
        assert aside == []


async def test_a_resumed_line_has_its_own_number(tmp_path: Path) -> None:
    path = write(tmp_path, {"id": "1"}, {"id": "2"}, b"broken")
    first = await anext(source(path, page_size=1).read(None))
    _, (letter,), _ = await read(source(path), first.cursor)

    assert letter.origin == f"{path}:3"


async def test_lines_added_later_are_all_that_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, {"id": "1"})
    _, _, cursor = await read(source(path))
    with path.open("ab") as file:
        file.write(b'{"id": "2"}\n')
    listings, _, _ = await read(source(path), cursor)

    assert [listing.listing_id for listing in listings] == ["2"]


@pytest.mark.parametrize("how", ["replaced", "rewritten", "shorter"])
async def test_another_file_under_the_same_name_is_read_from_its_beginning(tmp_path: Path, how: str) -> None:
    path = write(tmp_path, {"id": "1"}, {"id": "2"})
    _, _, cursor = await read(source(path))
    new = b'{"id": "8"}\n{"id": "9"}\n{"id": "10"}\n'
    if how == "replaced":
        fresh = tmp_path / "fresh"
        fresh.write_bytes(new)
        fresh.replace(path)
    else:
        path.write_bytes(new if how == "rewritten" else b'{"id": "8"}\n')
    listings, _, _ = await read(source(path), cursor)

    assert listings[0].listing_id == "8"


async def test_an_odd_cursor_means_the_beginning(tmp_path: Path) -> None:
    path = write(tmp_path, {"id": "1"})
    for cursor in ("", "x", "{}", '{"inode": 1}', "[]"):
        assert len((await read(source(path), cursor))[0]) == 1


async def test_the_limit_counts_rows_and_leaves_a_cursor_to_go_on_from(tmp_path: Path) -> None:
    path = write(tmp_path, {"id": "1"}, b"broken", {"id": "2"}, {"id": "3"})
    first, aside, cursor = await read(source(path, limit=2))
    second, _, cursor = await read(source(path, limit=1), cursor)
    third, _, _ = await read(source(path), cursor)

    assert [len(first), len(aside)] == [1, 1]
    assert [listing.listing_id for listing in (*second, *third)] == ["2", "3"]


async def listings_after(pages: AsyncIterator[Page]) -> Page:
    """The next page with anything on it."""
    async for page in pages:
        if not page.at_end:
            return page
    raise AssertionError("it ended")


async def test_following_waits_for_more_and_for_the_end_of_a_line(tmp_path: Path) -> None:
    path = write(tmp_path, {"id": "1"})
    pages = source(path, follow=True, poll_s=0.01).read(None)
    assert [listing.listing_id for listing in (await anext(pages)).listings] == ["1"]
    assert await anext(pages) == Page((), at_end=True)
    waiting = asyncio.ensure_future(listings_after(pages))
    with path.open("ab") as file:
        file.write(b'{"id": "2", "tit')
        file.flush()
        await asyncio.sleep(0.05)
        assert not waiting.done()
        file.write(b'le": "whole"}\n')
    page = await asyncio.wait_for(waiting, 2)

    assert [(listing.listing_id, listing.title) for listing in page.listings] == [("2", "whole")]


async def test_progress_tells_the_bytes_read(tmp_path: Path) -> None:
    path = write(tmp_path, *({"id": str(number)} for number in range(5)))
    told: list[int] = []
    made = source(path, page_size=2, progress=told.append)
    await read(made)

    assert told == sorted(told)
    assert told[-1] == made.size


# ---- CSV ----------------------------------------------------------------------------------------


def write_csv(tmp_path: Path, rows: list[dict[str, str]], name: str = "listings.csv") -> Path:
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, list(rows[0]))
    table.writeheader()
    table.writerows(rows)
    path = tmp_path / name
    path.write_bytes(text.getvalue().encode("utf-8", "surrogateescape"))
    return path


HEADER = b"id,title,text,price,currency,platform\r\n"


async def test_csv_cells_become_fields_and_empty_cells_are_absent(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"\xef\xbb\xbf" + HEADER + 'A 1,"Кость, ""old""","two\r\nlines",12.50,EUR,\n'.encode())
    (listing,), aside, _ = await read(source(path))

    assert aside == []
    assert (listing.title, listing.description) == ('Кость, "old"', "two\r\nlines")
    assert listing.price is not None
    assert str(listing.price.amount) == "12.50"


@pytest.mark.parametrize(
    ("row", "reason", "told"),
    [
        (b"x,\xff\xfe,t,,,", "undecodable", "not UTF-8"),
        (b"x,a,b", "wrong_shape", "3 cells"),
        (b"x,a,b,,,,,,", "wrong_shape", "9 cells"),
        (b",no id,,,,", "wrong_shape", "no id"),
        (b'x,"open,b,,,', "wrong_shape", "not CSV"),
        (b'x,"a"b,c,,,"', "wrong_shape", "not CSV"),
        (b"x,a,b,,,gamma", "unknown_platform", "gamma"),
        (b"x,a," + b"y" * 260_000 + b",,,", "wrong_shape", "not CSV"),
        (b"x,a," + b"y" * 2_000_000 + b",,,", "too_large", "bytes"),
    ],
)
async def test_a_bad_csv_row_does_not_harm_its_neighbours(
    tmp_path: Path, row: bytes, reason: str, told: str
) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(HEADER + b"1,a,b,,,\n" + row + b'\n2,a,"b",,,\n3,"a\nb",c,,,\n')
    listings, aside, _ = await read(source(path))

    assert [listing.listing_id for listing in listings] == ["1", "2", "3"]
    assert [(letter.reason, letter.origin) for letter in aside] == [(reason, f"{path}:3")]
    assert told in aside[0].detail


async def test_a_quote_that_never_closes_costs_only_its_own_line(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(HEADER + b'x,"open,b,,,\n1,a,b,,,\n2,a,b,,,\n')
    listings, (letter,), _ = await read(source(path))

    assert [listing.listing_id for listing in listings] == ["1", "2"]
    assert (letter.origin, "never closed" in letter.detail) == (f"{path}:2", True)


async def test_many_quotes_that_never_close_do_not_take_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(HEADER + b'x,"a,b,,,\ny,b,c,,,\n' * 300)

    async with asyncio.timeout(20):
        listings, aside, _ = await read(source(path))

    assert len(listings) + len(aside) > 300


_cell = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.lists(st.tuples(_cell, _cell), min_size=1, max_size=12), st.integers(1, 5))
async def test_whatever_csv_a_program_writes_is_read_back(
    tmp_path: Path, cells: list[tuple[str, str]], page_size: int
) -> None:
    rows = [{"id": f"n{place}", "title": a, "text": b} for place, (a, b) in enumerate(cells)]
    listings, aside, _ = await read(source(write_csv(tmp_path, rows), page_size=page_size))

    assert aside == []
    assert [(one.listing_id, one.title, one.description) for one in listings] == [
        (row["id"], row["title"], row["text"]) for row in rows
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.lists(st.binary(max_size=60).map(lambda raw: raw.replace(b"\n", b"")), max_size=10))
async def test_any_bytes_are_read_to_the_end(tmp_path: Path, lines: list[bytes]) -> None:
    for name in ("x.jsonl", "x.csv"):
        path = write(tmp_path, b"id,title", *lines, b'{"id": "last"}', name=name)
        listings, aside, _ = await read(source(path))
        if name == "x.jsonl":
            assert listings[-1].listing_id == "last"
        assert len(listings) + len(aside) >= 1


# ---- opening ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["missing.jsonl", "folder.csv", "listings.xlsx", "listings"])
def test_a_file_that_cannot_be_read_is_told_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "listings.xlsx").touch()

    with pytest.raises(OperatorError):
        source(tmp_path / name)


async def test_an_empty_file_is_simply_read(tmp_path: Path) -> None:
    for name in ("x.jsonl", "x.csv"):
        (tmp_path / name).touch()
        assert await read(source(tmp_path / name)) == ([], [], None)


def test_a_line_that_fits_gives_a_record_that_fits() -> None:
    assert MAX_LINE <= 1_000_000
