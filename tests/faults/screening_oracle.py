"""What really happened to a run of listings, read from the topics and from the group's commits.

Never asks a worker. Every listing of a run must come out as a detection or a dead letter
(``publish_clear`` is on), so "nothing undecided lies below a commit" can be read off at any moment.
"""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.errors import OperatorError
from streams.local.readiness import admin_client
from streams.screening.topics import ScreeningTopics
from tests.support.broker import read_all

PARTITIONS = 4


@dataclass
class Shore:
    """The decided offsets of one partition and how far they are contiguous."""

    decided: set[int] = field(default_factory=set)
    contiguous: int = 0
    announced: int = 0
    """Up to where the progress ranges leave no hole."""
    committed: int = 0
    ranges: list[tuple[int, int]] = field(default_factory=list)

    def advance(self) -> None:
        while self.contiguous in self.decided:
            self.contiguous += 1
        for first, after in sorted(self.ranges):
            if first <= self.announced:
                self.announced = max(self.announced, after)
        self.ranges = [span for span in self.ranges if span[1] > self.announced]


class Watcher:
    """Follows the outputs during a run and compares them with the group's commits."""

    def __init__(self, bootstrap: str, topics: ScreeningTopics, group: str) -> None:
        self.bootstrap, self.topics, self.group = bootstrap, topics, group
        self.shores = [Shore() for _ in range(PARTITIONS)]
        self.checks = 0
        self.violations: list[dict[str, Any]] = []
        self.backwards = 0
        self._one_at_a_time = asyncio.Lock()
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        names = (topics.detections, topics.dead_letters, topics.progress)
        self._parts = [TopicPartition(name, number) for name in names for number in range(PARTITIONS)]

    async def __aenter__(self) -> "Watcher":
        await self._consumer.start()
        self._consumer.assign(self._parts)
        for part in self._parts:
            self._consumer.seek(part, 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def committed(self) -> dict[int, int]:
        """Committed offsets of the input; a partition without a commit is absent."""
        async with admin_client(self.bootstrap) as admin:
            offsets = await admin.list_consumer_group_offsets(self.group)
        return {
            part.partition: meta.offset
            for part, meta in offsets.items()
            if part.topic == self.topics.listings and meta.offset >= 0
        }

    async def check(self, why: str) -> dict[int, int] | None:
        """Commits are read first, then every output that existed by then; ``None``: the broker was away."""
        async with self._one_at_a_time:
            return await self._check(why)

    async def _check(self, why: str) -> dict[int, int] | None:
        try:
            async with asyncio.timeout(15):
                committed = await self.committed()
                await self._read_to_the_end()
        except (KafkaError, OperatorError, TimeoutError):
            return None
        for number, shore in enumerate(self.shores):
            shore.advance()
            commit = committed.get(number, 0)
            if commit > shore.contiguous or commit > shore.announced:
                self.violations.append(
                    {
                        "when": why,
                        "partition": number,
                        "committed": commit,
                        "decided_to": shore.contiguous,
                        "announced_to": shore.announced,
                    }
                )
            if number in committed and commit < shore.committed:
                self.backwards += 1
            shore.committed = max(shore.committed, commit)
        self.checks += 1
        return committed

    async def _read_to_the_end(self) -> None:
        ends = await self._consumer.end_offsets(self._parts)
        while any([await self._consumer.position(part) < end for part, end in ends.items()]):
            for records in (await self._consumer.getmany(timeout_ms=200, max_records=5_000)).values():
                for record in records:
                    self._see(record)

    def _see(self, record: Any) -> None:
        told = json.loads(record.value)
        if record.topic == self.topics.progress:
            self.shores[told["partition"]].ranges.append((told["first_offset"], told["next_offset"]))
        elif record.topic == self.topics.detections:
            source = told["source"]
            self.shores[source["partition"]].decided.add(source["offset"])
        elif told["topic"] == self.topics.listings:
            self.shores[told["partition"]].decided.add(told["offset"])


@dataclass(frozen=True)
class Account:
    """The run, recomputed from the topics with fresh consumers."""

    listings: int
    poison: int
    lost: list[str]
    """Listing ids without a detection."""
    lost_poison: list[str]
    """Poisoned records without a dead letter of the expected reason."""
    extra_detections: int
    extra_dead_letters: int
    set_aside_neighbours: list[str]
    """Good listings that are in the dead letters."""
    ids_with_two_detection_ids: int
    progress_holes: list[tuple[int, int, int]]
    """Partition, where the announced ranges end, where the log ends."""


async def account(bootstrap: str, topics: ScreeningTopics) -> Account:
    """Read everything again. A poisoned record says in its key which reason it must be set aside for."""
    wanted: dict[str, tuple[int, int]] = {}
    poison: dict[tuple[int, int], str] = {}
    ends = [0] * PARTITIONS
    for record in await read_all(bootstrap, topics.listings):
        ends[record.partition] = record.offset + 1
        key = (record.key or b"").decode()
        if key.startswith("poison:"):
            poison[record.partition, record.offset] = key.removeprefix("poison:")
        else:
            wanted[key] = (record.partition, record.offset)
    found: Counter[str] = Counter()
    ids: dict[str, set[str]] = {}
    for record in await read_all(bootstrap, topics.detections):
        told = json.loads(record.value)
        key = f"{told['platform']}:{told['listing_id']}"
        found[key] += 1
        ids.setdefault(key, set()).add(told["detection_id"])
    aside: Counter[tuple[int, int]] = Counter()
    reasons: dict[tuple[int, int], str] = {}
    for record in await read_all(bootstrap, topics.dead_letters):
        told = json.loads(record.value)
        if told["topic"] == topics.listings:
            where = (told["partition"], told["offset"])
            aside[where] += 1
            reasons[where] = told["reason"]
    shores = [Shore() for _ in range(PARTITIONS)]
    for record in await read_all(bootstrap, topics.progress):
        told = json.loads(record.value)
        shores[told["partition"]].ranges.append((told["first_offset"], told["next_offset"]))
    for shore in shores:
        shore.advance()
    return Account(
        listings=len(wanted),
        poison=len(poison),
        lost=sorted(key for key in wanted if key not in found),
        lost_poison=[f"{where}: {why}" for where, why in poison.items() if reasons.get(where) != why],
        extra_detections=sum(found.values()) - len(found),
        extra_dead_letters=sum(aside.values()) - len(aside),
        set_aside_neighbours=sorted(key for key, where in wanted.items() if where in aside),
        ids_with_two_detection_ids=sum(len(several) > 1 for several in ids.values()),
        progress_holes=[
            (number, shore.announced, ends[number])
            for number, shore in enumerate(shores)
            if shore.announced != ends[number]
        ],
    )
