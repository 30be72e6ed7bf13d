"""Reading the dead-letters topic and putting records back on their topics."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from schemas.dead_letter import DeadLetter
from schemas.errors import OperatorError
from schemas.topics import DEAD_LETTERS
from streams.dead_letters.ledger import (
    REPLAY_OF_HEADER,
    REPLAYED,
    REPLAYED_AT_HEADER,
    STATE_HEADER,
    Entry,
    Ledger,
)
from streams.local.readiness import admin_client, quiet_client

TOPIC = DEAD_LETTERS.name
NO_PROGRESS_S = 20.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one dead letter that was to be put back."""

    entry: Entry
    refusal: str | None
    """Why it was left; absent: it was put back, or would be."""
    put_back_at: tuple[int, int] | None = None
    """Partition and offset of the new record."""


async def read_ledger(bootstrap: str, *, topic: str = TOPIC) -> Ledger:
    """Every dead letter up to now.

    Raises:
        OperatorError: no broker answers, or the topic is not there.
    """
    ledger = Ledger()
    async with _consumer(bootstrap, topic) as (consumer, partitions):
        async for record in _up_to_now(consumer, partitions):
            ledger.add(
                key=record.key,
                value=record.value,
                headers=record.headers,
                partition=record.partition,
                offset=record.offset,
                at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
            )
    return ledger


async def read_letters(
    bootstrap: str, entries: Sequence[Entry], *, topic: str = TOPIC
) -> tuple[DeadLetter, ...]:
    """The letters of these entries, with their bytes.

    Raises:
        OperatorError: one is no longer there, because its time of keeping has passed.
    """
    async with _consumer(bootstrap, topic) as (consumer, _):
        return tuple([await _read_one(consumer, topic, entry) for entry in entries])


async def replay(
    bootstrap: str,
    entries: Sequence[Entry],
    *,
    now: Callable[[], datetime],
    topic: str = TOPIC,
    dry_run: bool = False,
) -> tuple[Outcome, ...]:
    """Put the kept bytes of each entry back on the topic they came from, in order of setting aside.

    Each record is acknowledged before its letter is marked as replayed. Killed in between, it can be
    put back a second time; what reads those topics is built for records that come twice.

    Raises:
        OperatorError: no broker answers, or it refused a record; what was put back until then stays
            marked.
    """
    known = await _topics(bootstrap)
    outcomes = []
    async with _consumer(bootstrap, topic) as (consumer, _), _producer(bootstrap) as producer:
        for entry in sorted(entries, key=lambda e: (e.letter.set_aside_at, e.letter.dead_letter_id)):
            refusal = entry.refusal() or _wrong_target(entry.letter.topic, topic, known)
            if refusal or dry_run:
                outcomes.append(Outcome(entry, refusal))
                continue
            letter = await _read_one(consumer, topic, entry)
            outcomes.append(Outcome(entry, None, await _put_back(producer, letter, topic=topic, now=now())))
    return tuple(outcomes)


def _wrong_target(target: str | None, topic: str, known: frozenset[str]) -> str | None:
    if target == topic:
        return "it came from the dead letters themselves"
    if target not in known:
        return f"there is no topic {target} on this broker"
    return None


async def _put_back(
    producer: AIOKafkaProducer, letter: DeadLetter, *, topic: str, now: datetime
) -> tuple[int, int]:
    identity = letter.dead_letter_id.encode()
    try:
        placed = await producer.send_and_wait(
            letter.topic,
            value=letter.value,
            key=base64.b64decode(letter.record_key) if letter.record_key is not None else None,
            headers=[(REPLAY_OF_HEADER, identity)],
        )
        await producer.send_and_wait(
            topic,
            value=None,
            key=identity,
            headers=[(STATE_HEADER, REPLAYED), (REPLAYED_AT_HEADER, now.isoformat().encode())],
        )
    except KafkaError as error:
        raise OperatorError(
            f"The broker refused dead letter {letter.dead_letter_id} ({type(error).__name__}): "
            "see that it runs and has space, then do it again."
        ) from error
    return placed.partition, placed.offset


async def _topics(bootstrap: str) -> frozenset[str]:
    async with admin_client(bootstrap) as admin:
        return frozenset(await admin.list_topics())


@contextlib.asynccontextmanager
async def _producer(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        max_request_size=DEAD_LETTERS.max_message_bytes,
        request_timeout_ms=15_000,
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@contextlib.asynccontextmanager
async def _consumer(
    bootstrap: str, topic: str
) -> AsyncIterator[tuple[AIOKafkaConsumer, tuple[TopicPartition, ...]]]:
    """A consumer outside every group, assigned to all partitions of the topic."""
    async with admin_client(bootstrap) as admin:
        described = [entry for entry in await admin.describe_topics() if entry["topic"] == topic]
    if not described:
        raise OperatorError(f"There is no topic {topic} at {bootstrap}: make it with takin topics apply.")
    partitions = tuple(
        TopicPartition(topic, number)
        for number in sorted(part["partition"] for part in described[0]["partitions"])
    )
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    with quiet_client():
        await consumer.start()
    try:
        consumer.assign(partitions)
        yield consumer, partitions
    finally:
        await consumer.stop()


async def _up_to_now(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]
) -> AsyncIterator[ConsumerRecord]:
    """Every record that is there at the call, partition by partition in order."""
    ends = await consumer.end_offsets(partitions)
    await consumer.seek_to_beginning(*partitions)
    left = set(partitions)
    idle_since = asyncio.get_running_loop().time()
    while left := {part for part in left if await consumer.position(part) < ends[part]}:
        batches = await consumer.getmany(*left, timeout_ms=500, max_records=500)
        if batches:
            idle_since = asyncio.get_running_loop().time()
        elif asyncio.get_running_loop().time() - idle_since > NO_PROGRESS_S:
            raise OperatorError(
                f"The Kafka broker stopped answering for {NO_PROGRESS_S:.0f} s while dead letters were read: "
                "see that it runs, then do it again."
            )
        for records in batches.values():
            for record in records:
                yield record


async def _read_one(consumer: AIOKafkaConsumer, topic: str, entry: Entry) -> DeadLetter:
    place = TopicPartition(topic, entry.partition)
    try:
        if entry.offset < (await consumer.beginning_offsets([place]))[place]:
            raise OperatorError(
                f"Dead letter {entry.letter.dead_letter_id} is no longer there: "
                "its time of keeping has passed."
            )
        consumer.seek(place, entry.offset)
        record = await asyncio.wait_for(consumer.getone(place), NO_PROGRESS_S)
    except (KafkaError, TimeoutError) as error:
        raise OperatorError(
            f"Dead letter {entry.letter.dead_letter_id} cannot be read ({type(error).__name__}): "
            "see that the broker runs, then do it again."
        ) from error
    return DeadLetter.from_bytes(record.value)
