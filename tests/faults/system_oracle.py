"""What a fault run must have come to, recomputed from the input, Kafka's logs and the platforms' own journal.

Never asks a counter of ours. What must be noticed is computed from the input with the rules alone.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from connectors.sandbox.journal import Journal
from schemas.topics import CASE_EVENTS, DEAD_LETTERS, LISTINGS, SCREENING_PROGRESS
from streams.notices.casebook import sealing
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Casebook, Transaction
from tests.support.broker import read_all

GRACE = timedelta(seconds=10)


@dataclass
class Account:
    """Every list must be empty and every number 0, but the plain counts."""

    listings: int = 0
    """In the input file, each once."""
    records: int = 0
    """In the topic, with repetitions and poison."""
    planted: int = 0
    notices: int = 0
    not_in_the_log: list[str] = field(default_factory=list)
    """Listings of the input that never reached Kafka."""
    undecided: list[tuple[int, int, int]] = field(default_factory=list)
    """Partition, first and past-the-last offset that no progress record covers."""
    poison: int = 0
    poison_not_set_aside: int = 0
    neighbours_set_aside: int = 0
    lost_notices: list[str] = field(default_factory=list)
    wrong_notices: list[str] = field(default_factory=list)
    second_notices: list[str] = field(default_factory=list)
    second_effects: list[str] = field(default_factory=list)
    early_retries: int = 0
    deadlines: int = 0
    deadlines_unfired: int = 0
    deadlines_twice: list[str] = field(default_factory=list)
    audit_breaks: int = 0

    @property
    def holds(self) -> bool:
        """Whether everything that must be empty is."""
        return not (
            self.not_in_the_log
            or self.undecided
            or self.poison_not_set_aside
            or self.neighbours_set_aside
            or self.lost_notices
            or self.wrong_notices
            or self.second_notices
            or self.second_effects
            or self.early_retries
            or self.deadlines_unfired
            or self.deadlines_twice
            or self.audit_breaks
        )


async def account(
    bootstrap: str, casebook: Casebook, journal_file: Path, ids: frozenset[str], planted: frozenset[str]
) -> Account:
    """Read everything again."""
    told = Account(listings=len(ids), planted=len(planted))
    missing, poison, ends = set(ids), set[tuple[int, int]](), Counter[int]()
    async for record in _every(bootstrap, LISTINGS.name):
        told.records += 1
        ends[record.partition] = record.offset + 1
        if (record.key or b"").startswith(b"poison:"):
            poison.add((record.partition, record.offset))
        else:
            missing.discard((record.key or b"").decode().rpartition(":")[2])
    told.not_in_the_log = sorted(missing)
    aside = set[tuple[int, int]]()
    for record in await read_all(bootstrap, DEAD_LETTERS.name):
        letter = json.loads(record.value)
        if letter.get("topic") == LISTINGS.name:
            aside.add((letter["partition"], letter["offset"]))
    told.poison = len(poison)
    told.poison_not_set_aside = len(poison - aside)
    told.neighbours_set_aside = len(aside - poison)
    told.undecided = await _undecided(bootstrap, ends)
    _judge_notices(told, Journal.load(journal_file), planted)
    fired: Counter[tuple[str, str, str]] = Counter()
    seen: set[str] = set()
    for record in await read_all(bootstrap, CASE_EVENTS.name):
        event = json.loads(record.value)
        if event["type"] == "deadline_missed" and event["event_id"] not in seen:
            seen.add(event["event_id"])
            data = event["data"]
            fired[str(event.get("notice_id")), str(data.get("kind")), str(data.get("due_at"))] += 1
    told.deadlines_twice = sorted(":".join(one) for one, times in fired.items() if times > 1)
    told.deadlines, told.deadlines_unfired = casebook.answer(_deadlines)
    told.audit_breaks = len(casebook.answer(sealing.verify).breaks)
    return told


def _judge_notices(told: Account, journal: Journal, planted: frozenset[str]) -> None:
    noticed = {listing: keys for (_, listing), keys in journal.noticed_listings().items()}
    told.notices = len(noticed)
    told.lost_notices = sorted(planted - noticed.keys())
    told.wrong_notices = sorted(noticed.keys() - planted)
    told.second_notices = sorted(listing for listing, keys in noticed.items() if len(set(keys)) > 1)
    told.second_effects = sorted(key for key, times in journal.effects().items() if times > 1)
    told.early_retries = len(journal.early_retries())


def _deadlines(tx: Transaction) -> tuple[int, int]:
    late = sa.and_(t.deadline.c.state == "pending", t.deadline.c.due_at < datetime.now(UTC) - GRACE)
    every = tx.execute(sa.select(sa.func.count()).select_from(t.deadline)).scalar_one()
    return every, tx.execute(sa.select(sa.func.count()).select_from(t.deadline).where(late)).scalar_one()


async def _undecided(bootstrap: str, ends: Counter[int]) -> list[tuple[int, int, int]]:
    spans: dict[int, list[tuple[int, int]]] = {}
    for record in await read_all(bootstrap, SCREENING_PROGRESS.name):
        one = json.loads(record.value)
        spans.setdefault(one["partition"], []).append((one["first_offset"], one["next_offset"]))
    found = []
    for partition, end in sorted(ends.items()):
        reached = 0
        for first, past in sorted(spans.get(partition, [])):
            if first > reached:
                found.append((partition, reached, first))
            reached = max(reached, past)
        if reached < end:
            found.append((partition, reached, end))
    return found


async def _every(bootstrap: str, topic: str) -> AsyncIterator[ConsumerRecord]:
    """The records of a topic, piece by piece: a long run does not fit into memory."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        numbers = range(LISTINGS.partitions)
        parts = [TopicPartition(topic, number) for number in numbers]
        consumer.assign(parts)
        for part in parts:
            consumer.seek(part, 0)
        ends = await consumer.end_offsets(parts)
        while any([await consumer.position(part) < ends[part] for part in parts]):
            for records in (await consumer.getmany(timeout_ms=200, max_records=5_000)).values():
                for record in records:
                    yield record
    finally:
        await consumer.stop()
