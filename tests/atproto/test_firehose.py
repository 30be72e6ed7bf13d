"""The firehose of a real data server: killed again and again, nothing is missing. The oracle is the server's
own list of an account's records.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from connectors.errors import PlatformUnavailable
from connectors.platform import Page
from connectors.platform_config import PlatformConfig
from connectors.registry import build
from connectors.sources.firehose import Place
from schemas.listing import Listing
from schemas.topics import CATALOGUE, LISTINGS
from streams.local.kafka import LocalKafka
from streams.local.machine import Machine
from streams.local.topics import apply
from streams.notices.casebook import figures
from tests.support.atproto import Account, AtprotoNetwork, sender_file
from tests.support.broker import read_all
from tests.support.machine import kill, running, until_sent

IN_ONE_COMMIT = 100
OFFER = "Genuine elephant ivory bangle, {n} g, antique, for sale. DM me"


def write_posts(author: Account, count: int, *, offers_every: int = 0) -> None:
    """Posts of everyday talk, with an offer now and then."""
    for start in range(0, count, IN_ONE_COMMIT):
        numbers = range(start, min(start + IN_ONE_COMMIT, count))
        author.write_many(
            [
                OFFER.format(n=number)
                if offers_every and number % offers_every == 0
                else f"It rains. No. {number}"
                for number in numbers
            ]
        )


def platforms_file(folder: Path, network: AtprotoNetwork, **options: object) -> Path:
    path = folder / "platforms.yaml"
    path.write_text(yaml.safe_dump({"platforms": [network.platform("net", start="oldest", **options)]}))
    return path


async def connect(*arguments: str, bootstrap: str, data: Path, platforms: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streams.cli", "connect", "net", "--platforms", str(platforms), *arguments),
        env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": bootstrap, "TAKIN_DATA_DIR": str(data)},
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )


def reached(data: Path) -> int:
    for path in data.glob("cursors/*.json"):
        place = Place.read(json.loads(path.read_text())["cursor"])
        return place.seq if place else 0
    return 0


async def published(bootstrap: str, did: str) -> Counter[str]:
    found = [Listing.from_bytes(record.value or b"") for record in await read_all(bootstrap, LISTINGS.name)]
    return Counter(one.listing_id for one in found if one.listing_id.startswith(f"at://{did}/"))


async def read_from_now(
    network: AtprotoNetwork, author: Account
) -> tuple[Page, tuple[str, ...], tuple[str, ...]]:
    """The first page of a reader that begins now, what was written meanwhile, and what it saw of that."""
    platform = build(PlatformConfig.model_validate(network.platform("net", start="now")), environment={})
    stream = platform.stream(None)  # type: ignore[attr-defined]
    first = asyncio.ensure_future(anext(stream))
    written: list[str] = []
    deadline = time.monotonic() + 20
    while not first.done() and time.monotonic() < deadline:
        written.append(author.post(f"new {len(written)}"))
        await asyncio.sleep(0.1)
    place = await first
    seen: list[str] = []
    async with asyncio.timeout(20):
        async for page in stream:
            seen += [one.listing_id for one in page.listings]
            if written[-1] in seen:
                break
    await stream.aclose()
    await platform.aclose()
    return place, tuple(written), tuple(seen)


@pytest.mark.kafka
@pytest.mark.slow
async def test_killed_while_it_reads_at_full_speed_it_misses_no_post(
    atproto: AtprotoNetwork, own_broker: LocalKafka, tmp_path: Path
) -> None:
    await apply(own_broker.bootstrap, CATALOGUE)
    author = atproto.account("author")
    write_posts(author, 1_000)
    data = tmp_path / "data"
    platforms = platforms_file(tmp_path, atproto)

    kills = 0
    while kills < 2:
        before = reached(data)
        process = await connect(bootstrap=own_broker.bootstrap, data=data, platforms=platforms)
        async with asyncio.timeout(60):
            while reached(data) == before and process.returncode is None:
                await asyncio.sleep(0.002)
        assert process.returncode is None, "it ended before it could be killed"
        os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()
        kills += 1
    last = await connect(bootstrap=own_broker.bootstrap, data=data, platforms=platforms)
    _, said = await asyncio.wait_for(last.communicate(), 90)
    assert last.returncode == 0, said.decode()

    found = await published(own_broker.bootstrap, author.did)
    assert set(found) == atproto.records(author.did)
    assert len(found) == 1_000
    # A kill repeats at most the page that was under way.
    assert sum(found.values()) - len(found) <= kills * 2 * 500


@pytest.mark.kafka
@pytest.mark.long
@pytest.mark.timeout(900)
async def test_ten_thousand_posts_and_five_kills_and_each_is_screened(
    atproto: AtprotoNetwork, tmp_path: Path
) -> None:
    author = atproto.account("author")
    write_posts(author, 10_000, offers_every=100)
    machine = Machine(
        data_dir=tmp_path / "takin",
        source="net",
        stock=None,
        scenario=None,
        platforms_file=platforms_file(tmp_path, atproto),
        sender_file=sender_file(tmp_path),
        follow=True,
    )
    async with running(machine) as (supervisor, prepared, casebook):
        done, before = 0, 0
        async with asyncio.timeout(120):
            while done < 5:
                while (now := reached(machine.data_dir)) == before:
                    await asyncio.sleep(0.002)
                before = now
                if kill(supervisor, "connect"):
                    done += 1
                    await asyncio.sleep(0.2)
        killed_at = reached(machine.data_dir)
        records = atproto.records(author.did)
        async with asyncio.timeout(180):
            while set(await published(prepared.bootstrap, author.did)) != records:
                await asyncio.sleep(1)
        await until_sent(prepared, casebook, within_s=180)
        found = await published(prepared.bootstrap, author.did)
        in_review = casebook.answer(figures.totals).review

    assert done == 5
    assert killed_at < reached(machine.data_dir), "the last kill came when all was read"
    assert len(records) == 10_000
    assert set(found) == records
    # No account reports here, so each offer waits for a person: one case a post, however often it was read.
    assert in_review == 100


@pytest.mark.long
async def test_it_reads_two_thousand_posts_a_second(
    atproto: AtprotoNetwork, own_broker: LocalKafka, tmp_path: Path
) -> None:
    await apply(own_broker.bootstrap, CATALOGUE)
    author = atproto.account("author")
    write_posts(author, 10_000)
    data, summary = tmp_path / "data", tmp_path / "summary.json"
    process = await connect(
        *("--limit", "10000", "--summary", str(summary)),  # so that it ends without waiting for more
        bootstrap=own_broker.bootstrap,
        data=data,
        platforms=platforms_file(tmp_path, atproto),
    )
    await process.communicate()
    told = json.loads(summary.read_text())
    print(told)

    assert told["published"] == 10_000
    assert told["published"] / told["seconds"] >= 2_000


@pytest.mark.long
async def test_a_server_that_restarts_is_read_on_from_the_old_cursor(atproto: AtprotoNetwork) -> None:
    author = atproto.account("author")
    platform = build(PlatformConfig.model_validate(atproto.platform("net", start="oldest")), environment={})
    first = author.post("before")
    pages = [page async for page in platform.fetch(None)]
    cursor = pages[-1].cursor
    author.post("while nobody reads")

    stream = platform.stream(cursor)  # type: ignore[attr-defined]
    held = await anext(stream)
    atproto.restart()

    async def read_on() -> None:
        nonlocal held
        async for page in stream:
            held = page if page.cursor else held

    with pytest.raises(PlatformUnavailable):
        await asyncio.wait_for(read_on(), 30)
    after = author.post("after")
    later = [page async for page in platform.fetch(held.cursor)]
    await platform.aclose()

    ids = [one.listing_id for page in pages for one in page.listings]
    assert first in ids
    assert [one.listing_id for page in later for one in page.listings] == [after]


async def test_a_server_whose_numbers_begin_anew_is_read_from_its_first_on(atproto: AtprotoNetwork) -> None:
    author = atproto.account("author")
    uri = author.post("here")
    platform = build(PlatformConfig.model_validate(atproto.platform("net")), environment={})
    future = str(Place(atproto.firehose, 10**9))

    pages = [page async for page in platform.fetch(future)]
    await platform.aclose()

    assert uri in {one.listing_id for page in pages for one in page.listings}
    assert ["began anew" in letter.detail for page in pages for letter in page.set_aside] == [True]
    assert (Place.read(pages[-1].cursor) or Place("", 10**9)).seq < 10**9


async def test_from_now_on_means_that_nothing_older_is_read(atproto: AtprotoNetwork) -> None:
    author = atproto.account("author")
    # What a first reader saw as it came, the server has told: only then is it old.
    _, old, _ = await read_from_now(atproto, author)
    place, new, seen = await read_from_now(atproto, author)

    # Its place is known before the first post is given out: a kill in between skips nothing.
    assert (place.listings, place.cursor is not None) == ((), True)
    assert set(old) & set(seen) == set()
    assert seen == new[-len(seen) :]
