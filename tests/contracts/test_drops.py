"""Files that others drop, and archives of pages: each is read once, over kills, whatever is in it."""

import gzip
import json
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.platform import Page
from connectors.platform_config import PlatformConfig
from connectors.sources import warc
from connectors.sources.file import PAGE
from schemas.errors import OperatorError
from streams.connect.sources import Wanted, open_source

NOW = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)
MARKET = PlatformConfig.model_validate(
    {"name": "market", "kind": "desk", "folder": "/nowhere", "base_url": "https://market.example"}
)


class Reader:
    """One source, opened anew for each pass, as after a restart."""

    def __init__(self, source: str, **wanted: Any) -> None:
        self.source, self.wanted = source, wanted
        self.cursor: str | None = None

    async def pages(self, *, die_after: int | None = None) -> list[Page]:
        wanted = Wanted(self.source, **self.wanted)
        made = open_source(wanted, (MARKET,), run_id="r", now=lambda: NOW)
        found: list[Page] = []
        async for page in made.source.read(self.cursor):
            if die_after is not None and len(found) >= die_after:
                break
            found.append(page)
            self.cursor = page.cursor or self.cursor
        return found

    async def ids(self, **how: Any) -> list[str]:
        return [one.listing_id for page in await self.pages(**how) for one in page.listings]


# ---- a folder ---------------------------------------------------------------------------------------


def drop(path: Path, *ids: object, age_s: float = 60) -> Path:
    """A file that nobody has written to for so long."""
    rows = [one if isinstance(one, str) else json.dumps({"id": str(one), "title": f"t{one}"}) for one in ids]
    path.write_text("".join(f"{row}\n" for row in rows))
    os.utime(path, (NOW.timestamp() - age_s,) * 2)
    return path


def left(folder: Path) -> list[str]:
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file())


async def test_complete_files_are_read_the_oldest_first_and_moved(tmp_path: Path) -> None:
    drop(tmp_path / "b.jsonl", 3, 4)
    drop(tmp_path / "a.csv", "id,title", "1,one", "2,two", age_s=90)
    drop(tmp_path / "being-written.jsonl", 5, age_s=1)
    drop(tmp_path / ".hidden.jsonl", 6)
    drop(tmp_path / "c.jsonl.part", 7)
    reader = Reader(f"folder:{tmp_path}")

    assert await reader.ids() == ["1", "2", "3", "4"]
    assert left(tmp_path) == [
        ".hidden.jsonl",
        "being-written.jsonl",
        "c.jsonl.part",
        "done/a.csv",
        "done/b.jsonl",
    ]
    assert await reader.ids() == []


async def test_a_row_that_cannot_be_used_is_named_by_its_line_and_costs_no_other(tmp_path: Path) -> None:
    drop(tmp_path / "a.jsonl", 1, "{", 2, '{"title": "no id"}', 3)

    pages = await Reader(f"folder:{tmp_path}").pages()

    assert [one.listing_id for page in pages for one in page.listings] == ["1", "2", "3"]
    letters = [one for page in pages for one in page.set_aside]
    assert [one.detail.partition(":")[0] for one in letters] == ["Line 2", "Line 4"]
    assert left(tmp_path) == ["done/a.jsonl"]


async def test_killed_anywhere_no_row_is_skipped_or_read_twice(tmp_path: Path) -> None:
    size = PAGE * 2 + 50
    for number in range(3):
        drop(tmp_path / f"{number}.jsonl", *range(number * size, (number + 1) * size), age_s=90 - number)
    reader, found = Reader(f"folder:{tmp_path}"), []
    for _ in range(20):
        found += await reader.ids(die_after=1)

    assert found == [str(number) for number in range(3 * size)]
    assert left(tmp_path) == ["done/0.jsonl", "done/1.jsonl", "done/2.jsonl"]


async def test_a_second_file_of_one_name_is_read_and_loses_no_first(tmp_path: Path) -> None:
    reader = Reader(f"folder:{tmp_path}")
    drop(tmp_path / "a.jsonl", 1)
    assert await reader.ids() == ["1"]
    drop(tmp_path / "a.jsonl", 1, 2)
    assert await reader.ids() == ["1", "2"]
    assert len(left(tmp_path)) == 2


async def test_a_link_is_not_followed_and_a_dry_run_moves_nothing(tmp_path: Path) -> None:
    secret = drop(tmp_path.parent / f"{tmp_path.name}-secret.jsonl", 9)
    (tmp_path / "link.jsonl").symlink_to(secret)
    drop(tmp_path / "a.jsonl", 1)

    assert await Reader(f"folder:{tmp_path}", keep=True).ids() == ["1"]
    assert left(tmp_path) == ["a.jsonl", "link.jsonl"]


def test_a_folder_or_archive_that_is_not_there_is_named(tmp_path: Path) -> None:
    for source in (f"folder:{tmp_path}/none", f"warc:{tmp_path}/none.warc"):
        with pytest.raises(OperatorError, match="There is no"):
            open_source(Wanted(source), (), run_id="r", now=lambda: NOW)


# ---- an archive -------------------------------------------------------------------------------------


def page(number: int) -> bytes:
    product = {"@type": "Product", "sku": f"W-{number}", "name": f"carved thing {number}"}
    return f'<script type="application/ld+json">{json.dumps(product)}</script>'.encode()


def record(kind: str, url: str, content: bytes, media: str) -> bytes:
    """As ISO 28500 writes it."""
    head = [
        "WARC/1.1",
        f"WARC-Type: {kind}",
        f"WARC-Target-URI: {url}",
        "WARC-Date: 2025-12-01T08:00:00Z",
        f"WARC-Record-ID: <urn:uuid:{uuid.uuid4()}>",
        f"Content-Type: {media}",
        f"Content-Length: {len(content)}",
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + content + b"\r\n\r\n"


def archive(path: Path, pages: list[tuple[str, bytes]], **head: str) -> Path:
    """An archive as crawlers write it: their own notes, requests and answers."""
    records = [record("warcinfo", "urn:example", b"software: example\r\n", "application/warc-fields")]
    for url, body in pages:
        asked = b"GET / HTTP/1.1\r\nHost: market.example\r\n\r\n"
        fields = [
            f"HTTP/1.1 {head.get('status', '200 OK')}",
            f"Content-Type: {head.get('kind', 'text/html')}",
        ]
        fields += [f"Content-Encoding: {head['encoding']}"] if "encoding" in head else []
        answer = "\r\n".join(fields).encode() + b"\r\n\r\n" + body
        records.append(record("request", url, asked, "application/http; msgtype=request"))
        records.append(record("response", url, answer, "application/http; msgtype=response"))
    path.write_bytes(b"".join(gzip.compress(one) if path.suffix == ".gz" else one for one in records))
    return path


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
async def test_archived_offers_are_listings_of_the_day_and_host_they_were_kept(
    tmp_path: Path, name: str
) -> None:
    hosts = ["https://market.example/1", "https://www.other.example/2"]
    path = archive(tmp_path / name, [(url, page(number)) for number, url in enumerate(hosts)])
    reader = Reader(f"warc:{path}")

    found = [one for held in await reader.pages() for one in held.listings]

    assert [(one.platform, one.listing_id, one.url) for one in found] == [
        ("market", "W-0", hosts[0]),
        ("other-example", "W-1", hosts[1]),
    ]
    assert {one.observed_at for one in found} == {datetime(2025, 12, 1, 8, tzinfo=UTC)}
    assert await reader.ids() == []


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
async def test_killed_between_records_reading_goes_on_after_the_last(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warc, "RECORDS", 3)
    path = archive(tmp_path / name, [(f"https://market.example/{n}", page(n)) for n in range(10)])
    reader, found = Reader(f"warc:{path}"), []
    for _ in range(8):
        found += await reader.ids(die_after=1)

    assert found == [f"W-{number}" for number in range(10)]


async def test_what_is_no_page_or_hostile_costs_no_other(tmp_path: Path) -> None:
    bomb = gzip.compress(b" " * 30_000_000)
    for number, (pages, head) in enumerate(
        [
            ([("https://market.example/a", bomb)], {"encoding": "gzip"}),
            ([("https://market.example/b", page(1))], {"status": "404 Not Found"}),
            ([("https://market.example/c", page(1))], {"kind": "image/png"}),
            ([("dns:market.example", page(1))], {}),
            ([("https://market.example/d", page(7))], {}),
        ]
    ):
        archive(tmp_path / f"{number}.warc", pages, **head)
    whole = tmp_path / "whole.warc"
    whole.write_bytes(b"".join((tmp_path / f"{number}.warc").read_bytes() for number in range(5)))

    pages_ = await Reader(f"warc:{whole}").pages()

    assert [one.listing_id for held in pages_ for one in held.listings] == ["W-7"]
    assert [one.reason for held in pages_ for one in held.set_aside] == ["too_large"]


async def test_an_archive_that_breaks_off_gives_what_came_before_and_says_where(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.warc.gz", [(f"https://market.example/{n}", page(n)) for n in range(3)])
    path.write_bytes(path.read_bytes() + b"rubbish that is no record\r\n\r\n")
    (tmp_path / "b.warc.gz").write_bytes(gzip.compress(b"no archive at all"))

    pages = await Reader(f"warc:{path}").pages()
    other = await Reader(f"warc:{tmp_path / 'b.warc.gz'}").pages()

    assert [one.listing_id for held in pages for one in held.listings] == ["W-0", "W-1", "W-2"]
    assert [one.reason for held in (*pages, *other) for one in held.set_aside] == ["undecodable"] * 2
