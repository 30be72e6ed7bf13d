"""One real screening worker against a real broker: starting, watching, setting aside, stopping."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete

from schemas.listing import Listing
from schemas.watchlist import WatchlistEntry
from streams.local.readiness import admin_client
from streams.screening.topics import ScreeningTopics
from tests.faults.screening_faults import ROOT, make_topics
from tests.support.broker import Broker, read_all, send
from tests.support.screening_worker import prefixed


@dataclass
class Process:
    """A worker process and what it printed."""

    process: "subprocess.Popen[bytes]"
    log: Path
    url: str = ""

    async def ready(self) -> None:
        """Wait until it serves its health and has joined its group."""
        async with asyncio.timeout(30):
            while not self.url:
                assert self.process.poll() is None, self.said()
                found = re.search(r"health at (http://\S+)", self.said())
                self.url = found.group(1) if found else ""
                await asyncio.sleep(0.05)
            while not (await self.health())["joined"]:
                await asyncio.sleep(0.1)

    async def health(self) -> dict[str, Any]:
        async with httpx.AsyncClient(trust_env=False) as client:
            return dict((await client.get(f"{self.url}/health")).json())

    async def metrics(self) -> str:
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(f"{self.url}/metrics")).text

    async def exit_code(self, within_s: float) -> int:
        async with asyncio.timeout(within_s):
            while self.process.poll() is None:
                await asyncio.sleep(0.02)
        return int(self.process.returncode)

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")


Launch = Callable[..., Process]


@pytest_asyncio.fixture
async def launch(broker: Broker, prefix: str, tmp_path: Path) -> AsyncIterator[Launch]:
    """``launch()`` starts a worker on the test's own topics; settings are given as TAKIN_… names."""
    running: list[Process] = []

    def start(bootstrap: str = "", *, real: bool = False, **settings: str) -> Process:
        environment = dict(
            os.environ,
            KAFKA_BOOTSTRAP_SERVERS=bootstrap or broker.bootstrap,
            TAKIN_SCREENING_GROUP=prefix,
            TAKIN_SESSION_TIMEOUT_S="6",
            PYTHONUNBUFFERED="1",
            **settings,
        )
        log = tmp_path / f"worker-{len(running)}.log"
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.support.screening_worker",
                    prefix,
                    *(["--real"] if real else []),
                ],
                env=environment,
                stdout=sink,
                stderr=sink,
                cwd=ROOT,
                start_new_session=True,
            )
        running.append(Process(process, log))
        return running[-1]

    yield start
    for each in running:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()


@pytest_asyncio.fixture
async def topics(broker: Broker, prefix: str) -> ScreeningTopics:
    names = prefixed(prefix)
    await make_topics(broker.bootstrap, names)
    return names


def listing(number: int, title: str, **changes: Any) -> tuple[bytes, bytes]:
    told = Listing.sealed(
        platform="practice",
        listing_id=f"L-{number}",
        url=f"https://practice.example/{number}",
        title=title,
        observed_at=datetime.now(UTC),
        connector="tests",
        run_id="tests",
        **changes,
    )
    return told.key.encode(), told.to_bytes()


def entry(entry_id: str, value: str, **changes: Any) -> tuple[bytes, bytes]:
    told = WatchlistEntry(
        entry_id=entry_id,
        kind="term",
        value=value,
        reason="test",
        source="test",
        added_by="tests",
        added_at=datetime.now(UTC),
        **changes,
    )
    return entry_id.encode(), told.to_bytes()


async def until(look: Callable[[], Any], within_s: float = 20.0) -> Any:
    """What ``await look()`` returns, as soon as it is something."""
    async with asyncio.timeout(within_s):
        while not (found := await look()):
            await asyncio.sleep(0.05)
    return found


async def test_without_a_broker_one_sentence_says_so(launch: Launch) -> None:
    worker = launch("127.0.0.1:1")

    assert await worker.exit_code(within_s=30) == 2
    last = worker.said().strip().splitlines()[-1]
    assert last.startswith("takin: No Kafka broker answers at 127.0.0.1:1")
    assert "Traceback" not in worker.said()


async def test_without_topics_one_sentence_names_them_and_the_command(launch: Launch, prefix: str) -> None:
    worker = launch()

    assert await worker.exit_code(within_s=30) == 2
    assert f"has no topic {prefix}-listings, " in worker.said()
    assert "takin topics apply" in worker.said()
    assert "Traceback" not in worker.said()


async def test_a_watchlist_entry_takes_effect_and_leaves_again_without_a_restart(
    broker: Broker, topics: ScreeningTopics, launch: Launch
) -> None:
    """Also: a bad entry is set aside and spoils nothing; an expired one drops out by itself."""
    bootstrap = broker.bootstrap
    await send(bootstrap, topics.watchlist, entry("old", "pangolin"))
    worker = launch()
    await worker.ready()
    assert (await worker.health())["watchlist_entries"] == 1
    await send(bootstrap, topics.listings, listing(1, "pangolin scales"), listing(2, "narwhal tusk"))
    await until(lambda: read_all(bootstrap, topics.detections))

    soon = datetime.now(UTC) + timedelta(seconds=4)
    await send(
        bootstrap,
        topics.watchlist,
        entry("new", "narwhal"),
        entry("brief", "hornbill", expires_at=soon),
        entry("spoiler", "unusable"),
        (b"broken", b"{"),
        (b"old", None),
    )
    written = time.monotonic()

    async def in_force() -> bool:
        return bool((await worker.health())["watchlist_entries"] == 2)

    await until(in_force, within_s=2.0)
    assert time.monotonic() - written < 2.0
    await send(
        bootstrap,
        topics.listings,
        listing(3, "narwhal tusk"),
        listing(4, "pangolin scales"),
        listing(5, "hornbill casque"),
    )

    async def detected() -> list[str]:
        records = await read_all(bootstrap, topics.detections)
        return sorted(json.loads(record.value)["listing_id"] for record in records)

    async def three() -> bool:
        return len(await detected()) == 3

    await until(three)
    assert await detected() == ["L-1", "L-3", "L-5"]
    letters = [json.loads(record.value) for record in await read_all(bootstrap, topics.dead_letters)]
    assert sorted((letter["stage"], letter["reason"]) for letter in letters) == [
        ("watchlist", "not_json"),
        ("watchlist", "rule_failed"),
    ]
    assert 'takin_dead_letters_total{reason="rule_failed",stage="watchlist"} 1.0' in await worker.metrics()

    async def expired() -> bool:
        return bool((await worker.health())["watchlist_entries"] == 1)

    await until(expired, within_s=6.0)
    assert datetime.now(UTC) >= soon


async def test_bad_records_end_in_the_dead_letters_and_can_be_acted_on(
    broker: Broker, topics: ScreeningTopics, launch: Launch, tmp_path: Path
) -> None:
    """Every kind of bad record between good ones, with the platforms file in force."""
    platforms = tmp_path / "platforms.yaml"
    platforms.write_text(
        "platforms:\n  - name: practice\n    kind: sandbox\n    base_url: https://desk.example.org\n"
    )
    ahead = datetime.now(UTC) + timedelta(hours=1)
    key, good = listing(1, "ivory box")
    fields = json.loads(good)
    records = [
        (key, good),
        (b"undecodable", b"\xff\xfe"),
        (b"wrong_shape", json.dumps({**fields, "title": 5}).encode()),
        (b"too_large", json.dumps({**fields, "description": "x" * 300_000}).encode()),
        (
            b"wrong_shape",
            json.dumps({name: fields[name] for name in fields if name != "listing_id"}).encode(),
        ),
        (b"unknown_platform", json.dumps({**fields, "platform": "elsewhere"}).encode()),
        (b"from_the_future", json.dumps({**fields, "observed_at": ahead.isoformat()}).encode()),
        (b"rule_failed", listing(8, "boom")[1]),
        listing(9, "ivory comb"),
    ]
    await send(broker.bootstrap, topics.listings, *records)
    worker = launch(TAKIN_PLATFORMS_FILE=str(platforms))
    await worker.ready()

    async def all_aside() -> list[dict[str, Any]]:
        letters = [
            json.loads(record.value) for record in await read_all(broker.bootstrap, topics.dead_letters)
        ]
        return letters if len(letters) == 7 else []

    letters = await until(all_aside)
    detections = await read_all(broker.bootstrap, topics.detections)

    at = {(r.partition, r.offset): r for r in await read_all(broker.bootstrap, topics.listings)}
    for letter in letters:
        source = at[letter["partition"], letter["offset"]]
        assert letter["reason"].encode() == source.key
        assert letter["topic"] == topics.listings
        assert len(letter["detail"]) > 30
    assert sorted(record.key for record in detections) == [b"practice:L-1", b"practice:L-9"]
    metrics = await worker.metrics()
    assert 'takin_listings_screened_total{outcome="notify",platform="practice"} 2.0' in metrics
    for reason in ("undecodable", "too_large", "unknown_platform", "from_the_future", "rule_failed"):
        assert f'takin_dead_letters_total{{reason="{reason}",stage="screening"}} 1.0' in metrics


async def test_a_flood_of_rule_failures_stops_the_worker_and_passes_nothing_over(
    broker: Broker, topics: ScreeningTopics, launch: Launch, prefix: str
) -> None:
    await send(broker.bootstrap, topics.listings, *(listing(number, "boom") for number in range(200)))
    worker = launch(TAKIN_RULE_FAILURES_IN_A_ROW="20")

    assert await worker.exit_code(within_s=30) == 3

    assert "20 listings in a row failed in the rules" in worker.said()
    aside = len(await read_all(broker.bootstrap, topics.dead_letters))
    async with admin_client(broker.bootstrap) as admin:
        commits = await admin.list_consumer_group_offsets(prefix)
    assert sum(meta.offset for meta in commits.values() if meta.offset > 0) <= aside < 20


async def test_sigterm_ends_it_cleanly_and_the_next_one_goes_on_without_a_duplicate(
    broker: Broker, topics: ScreeningTopics, launch: Launch
) -> None:
    """Also: metrics and health tell how far it is, and nothing else listens."""
    await send(broker.bootstrap, topics.listings, *(listing(n, "ivory") for n in range(300)))
    first = launch()
    await first.ready()

    async def level() -> bool:
        partitions = (await first.health())["partitions"].values()
        return len(partitions) == 4 and all(part["end"] and part["lag"] == 0 for part in partitions)

    async def measured() -> bool:
        metrics = await first.metrics()
        return all(f'takin_commit_age_seconds{{partition="{n}"}} 0.0' in metrics for n in range(4))

    await until(level)
    await until(measured)
    assert (await first.health())["ok"] is True
    listening = [
        connection.laddr
        for connection in psutil.Process(first.process.pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert [(address.ip, address.port) for address in listening] == [
        ("127.0.0.1", int(first.url.rsplit(":", 1)[1]))
    ]
    began = time.monotonic()
    first.process.send_signal(signal.SIGTERM)
    assert await first.exit_code(within_s=10) == 0
    assert time.monotonic() - began < 10

    second = launch()
    await second.ready()
    await send(broker.bootstrap, topics.listings, listing(300, "ivory"))

    async def last() -> bool:
        records = await read_all(broker.bootstrap, topics.detections)
        return b"practice:L-300" in [record.key for record in records]

    await until(last)
    detections = await read_all(broker.bootstrap, topics.detections)
    assert len(detections) == len({record.key for record in detections}) == 301


async def test_real_gaps_in_the_log_are_passed_and_neighbours_are_decided(
    broker: Broker, topics: ScreeningTopics, launch: Launch, prefix: str
) -> None:
    """Retention took the start of partition 0 from under a commit; partition 1 holds transaction markers."""
    bootstrap = broker.bootstrap
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(100):
            key, value = listing(number, "ivory")
            await producer.send(topics.listings, key=key, value=value, partition=0)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=prefix) as producer:
        for round_ in range(3):
            async with producer.transaction():
                for number in range(10):
                    key, value = listing(1_000 + 10 * round_ + number, "ivory")
                    await producer.send(topics.listings, key=key, value=value, partition=1)
    start = TopicPartition(topics.listings, 0)
    await commit(bootstrap, prefix, start, 10)
    async with admin_client(bootstrap) as admin:
        await admin.delete_records({start: RecordsToDelete(30)})
    worker = launch()
    await worker.ready()

    async def hundred() -> bool:
        return len(await read_all(bootstrap, topics.detections)) >= 100

    await until(hundred)
    keys = {record.key.decode() for record in await read_all(bootstrap, topics.detections)}
    expected = {f"practice:L-{n}" for n in range(30, 100)} | {f"practice:L-{n}" for n in range(1_000, 1_030)}
    assert keys == expected
    assert "the log has no records here" in worker.said()


async def commit(bootstrap: str, group: str, partition: TopicPartition, offset: int) -> None:
    """Let the group stand at an offset."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    consumer.assign([partition])
    await consumer.commit({partition: offset})
    await consumer.stop()
