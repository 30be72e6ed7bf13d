"""Reading the dead-letters topic and putting records back on their topics."""

import asyncio
import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

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
from streams.local.readiness import admin_client
from streams.local.records import NO_PROGRESS_S, consumer_of, producer_at, up_to_now

TOPIC = DEAD_LETTERS.name


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
    async with consumer_of(bootstrap, topic) as (consumer, partitions):
        async for record in up_to_now(consumer, partitions):
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
    async with consumer_of(bootstrap, topic) as (consumer, _):
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
    async with consumer_of(bootstrap, topic) as (consumer, _), producer_at(bootstrap) as producer:
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
