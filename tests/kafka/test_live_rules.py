"""Two real workers, listings flowing: what is added on the topic rules the next listing within 2 s."""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.watchlist import WatchlistEntry
from streams.screening.topics import ScreeningTopics
from tests.kafka.test_screening_worker import Launch, Process, entry, launch, listing, topics, until
from tests.support.broker import Broker, read_all, send
from tests.unit.streams.screening.test_releases import pack_text, release

__all__ = ["launch", "topics"]

WITHIN_S = 2.0


async def load(bootstrap: str, topic: str) -> None:
    """Listings of no interest on every partition, until cancelled."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(1_000_000):
            key, value = listing(1_000_000 + number, "A blue ceramic mug, hardly used, 300 ml")
            await producer.send(topic, key=key, value=value)
            if number % 20 == 0:
                await asyncio.sleep(0.05)


class Verdicts:
    """Follows the detections and sends listings to chosen partitions."""

    def __init__(self, bootstrap: str, topics: ScreeningTopics) -> None:
        self._topics = topics
        self._consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
        self._producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
        self._number = 0
        self.versions: set[str] = set()

    async def __aenter__(self) -> "Verdicts":
        await self._consumer.start()
        await self._producer.start()
        partitions = [TopicPartition(self._topics.detections, number) for number in range(4)]
        self._consumer.assign(partitions)
        for partition in partitions:
            await self._consumer.position(partition)  # else "latest" is settled after the first verdict
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()
        await self._producer.stop()

    async def on_every_partition(self, title: str, within_s: float = 15.0) -> list[dict[str, Any]]:
        """Send one listing to each partition; the verdicts on them."""
        wanted: dict[str, dict[str, Any]] = {}
        for partition in range(4):
            self._number += 1
            _, value = listing(self._number, title)
            wanted[f"L-{self._number}"] = {}
            await self._producer.send_and_wait(
                self._topics.listings, key=f"L-{self._number}".encode(), value=value, partition=partition
            )
        async with asyncio.timeout(within_s):
            while not all(wanted.values()):
                for records in (await self._consumer.getmany(timeout_ms=100)).values():
                    for record in records:
                        told = json.loads(record.value)
                        assert told["ruleset_version"]
                        self.versions.add(told["ruleset_version"])
                        if told["listing_id"] in wanted:
                            wanted[told["listing_id"]] = told
        return list(wanted.values())


async def versions_of(workers: Sequence[Process]) -> set[str]:
    return {(await worker.health())["ruleset"] for worker in workers}


async def all_at_another(workers: Sequence[Process], before: set[str]) -> None:
    async def moved() -> bool:
        now = await versions_of(workers)
        return len(now) == 1 and not now & before

    await until(moved, within_s=WITHIN_S)


async def test_an_entry_and_a_pack_rule_the_next_listing_on_two_workers_and_through_a_kill(
    broker: Broker, topics: ScreeningTopics, launch: Launch
) -> None:
    bootstrap = broker.bootstrap
    workers = [launch(real=True, TAKIN_PUBLISH_CLEAR="1") for _ in range(2)]
    for worker in workers:
        await worker.ready()

    async def shared() -> bool:
        return all([len((await worker.health())["partitions"]) == 2 for worker in workers])

    await until(shared)
    flow = asyncio.create_task(load(bootstrap, topics.listings))
    try:
        async with Verdicts(bootstrap, topics) as verdicts:
            before = await versions_of(workers)
            quiet = await verdicts.on_every_partition("A moon biscuit, 3 pieces")
            assert {one["outcome"] for one in quiet} == {"clear"}

            began = time.monotonic()
            await send(bootstrap, topics.watchlist, entry("e-1", "moon biscuit"))
            await all_at_another(workers, before)
            assert time.monotonic() - began < WITHIN_S
            told = await verdicts.on_every_partition("A moon biscuit, 3 pieces")
            assert {one["outcome"] for one in told} == {"review"}
            assert {one["ruleset_version"] for one in told} == await versions_of(workers)

            before = await versions_of(workers)
            own = release(pack_text("zero-tolerance", 9), pack="zero-tolerance", version=9)
            offered = "Hand carved elephant ivory netsuke, 52 g"
            assert {one["outcome"] for one in await verdicts.on_every_partition(offered)} == {"notify"}
            await send(bootstrap, topics.watchlist, (own.key.encode(), own.to_bytes()))
            await all_at_another(workers, before)
            told = await verdicts.on_every_partition(offered)
            assert {one["outcome"] for one in told} == {"review"}
            assert {rule["pack"] for one in told for rule in one["rules"]} == {"zero-tolerance@9"}

            workers[0].process.kill()
            before = await versions_of(workers[1:])
            await send(bootstrap, topics.watchlist, (own.key.encode(), None), (b"e-1", None))
            await all_at_another(workers[1:], before)
            told = await verdicts.on_every_partition(offered)
            assert {one["outcome"] for one in told} == {"notify"}
            assert {one["ruleset_version"] for one in told} == {quiet[0]["ruleset_version"]}
            assert len(verdicts.versions) == 3
    finally:
        flow.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await flow
    for record in await read_all(bootstrap, topics.progress):
        assert json.loads(record.value)["ruleset_versions"]


async def test_a_broken_pack_is_set_aside_with_its_line_and_the_last_good_one_stays_in_force(
    broker: Broker, topics: ScreeningTopics, launch: Launch
) -> None:
    """Also for a worker that starts later, as long as the topic still holds the good one."""
    bootstrap = broker.bootstrap
    good = release()
    broken = release(pack_text(version=2, when="nonsense"), version=2)
    shadow = release(pack_text("hidden", id="hidden.rule"), pack="hidden", state="shadow")
    key = good.key.encode()
    first = launch(real=True)
    await first.ready()
    await send(bootstrap, topics.watchlist, (key, good.to_bytes()), (shadow.key.encode(), shadow.to_bytes()))

    async def taken() -> bool:
        return bool((await first.health())["packs"] == ["bangles@1 (active)", "hidden@1 (shadow)"])

    await until(taken, within_s=WITHIN_S)
    in_force = await versions_of([first])
    huge = json.dumps({**json.loads(good.to_bytes()), "text": "x" * 600_000}).encode()
    await send(bootstrap, topics.watchlist, (key, broken.to_bytes()), (key, huge), (b"pack:x", b"{"))

    async def aside() -> list[dict[str, Any]]:
        told = [json.loads(record.value) for record in await read_all(bootstrap, topics.dead_letters)]
        return told if len(told) == 3 else []

    letters = {one["reason"]: one["detail"] for one in await until(aside)}
    assert set(letters) == {"rule_failed", "wrong_shape", "not_json"}
    line = 1 + broken.text.splitlines().index("  when: nonsense")
    assert f"bangles.yaml:{line}: pack bangles, rule bangles.offered" in letters["rule_failed"]
    assert "nonsense" in letters["rule_failed"]
    assert await versions_of([first]) == in_force

    second = launch(real=True)
    await second.ready()
    assert await versions_of([second]) == in_force


async def test_an_entry_that_floods_is_quarantined_and_one_in_shadow_only_counts(
    broker: Broker, topics: ScreeningTopics, launch: Launch
) -> None:
    bootstrap = broker.bootstrap
    await send(
        bootstrap,
        topics.watchlist,
        entry("wide", "ceramic mug"),
        entry("quiet", "hardly used", state="shadow", outcome="notify"),
        entry("narrow", "moon biscuit"),
    )
    worker = launch(real=True, TAKIN_FLOOD_MATCHES="40", TAKIN_FLOOD_SHARE="0.5")
    await worker.ready()
    flow = asyncio.create_task(load(bootstrap, topics.listings))
    try:

        async def stopped() -> WatchlistEntry | None:
            records = [r for r in await read_all(bootstrap, topics.watchlist) if r.key == b"wide"]
            newest = WatchlistEntry.from_bytes(records[-1].value)
            return newest if newest.state == "quarantined" else None

        told: WatchlistEntry = await until(stopped)
        assert told.value == "ceramic mug"
        assert told.state_reason
        assert "flood guard" in told.state_reason

        async def out_of_force() -> bool:
            return bool((await worker.health())["watchlist_entries"] == 2)

        await until(out_of_force, within_s=WITHIN_S)
    finally:
        flow.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await flow
    later = [listing(n, "A blue ceramic mug, hardly used") for n in range(5)]
    await send(bootstrap, topics.listings, *later, listing(9, "A moon biscuit, hardly used"))

    async def found() -> list[dict[str, Any]]:
        read = [json.loads(record.value) for record in await read_all(bootstrap, topics.detections)]
        return [one for one in read if one["listing_id"] == "L-9"]

    (detection,) = await until(found)
    assert detection["outcome"] == "review"
    assert [rule["shadow"] for rule in detection["rules"]] == [False, True]
    assert "hardly used" not in detection["explanation"].replace("biscuit, hardly used", "")
    keys = {record.key for record in await read_all(bootstrap, topics.detections)}
    assert not keys & {f"practice:L-{n}".encode() for n in range(5)}
    metrics = await worker.metrics()
    assert "takin_watchlist_quarantined_total 1.0" in metrics
    assert re.search(
        r'takin_rule_matches_total\{outcome="notify",pack="watchlist",rule_id="watchlist.term",shadow="true"\}',
        metrics,
    )
