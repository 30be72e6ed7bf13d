"""Sends listings on a schedule and sees when each was decided."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from pydantic import ValidationError

from connectors.publisher import listing_record
from schemas.kafka_access import kafka_at
from schemas.listing import Listing
from schemas.progress import ScreeningProgress
from schemas.topics import DETECTIONS, LISTINGS, SCREENING_PROGRESS

OFFER = "Genuine rhino horn, raw, {n} g, discreet shipping"
WARES = (
    "Mountain bike, {n} gears, like new",
    "Oak table, {n} cm, collection only",
    "Plush elephant toy, {n} cm",
    "Knitted jumper, blue, size {n}, hardly worn",
    "Box of {n} novels, paperback, smoke free home",
)
FILLER = " Collection only, or posting at cost. Please ask for more photos. No returns, cash only." * 4


def listings(count: int, offers: int, platform: str, base: str, run: str) -> Iterator[tuple[Listing, bool]]:
    """Made-up listings of about 450 characters, offers spread evenly, and whether each is an offer."""
    for number in range(count):
        offer = (number + 1) * offers // count > number * offers // count
        title = (OFFER if offer else WARES[number % len(WARES)]).format(n=20 + number % 400)
        name = f"{run}-{'offer' if offer else 'plain'}-{number}"
        yield (
            Listing.sealed(
                platform=platform,
                listing_id=name,
                url=f"{base}/listing/{name}",
                title=title,
                description=f"{title}.{FILLER}",
                observed_at=datetime.now(UTC),
                connector="load",
                run_id=run,
            ),
            offer,
        )


@dataclass(slots=True)
class Sent:
    """What was sent, and what became of it; times are ``time.time()``, as the platforms write them too."""

    due: dict[tuple[int, int], float] = field(default_factory=dict)
    """By partition and offset: when the listing's turn was."""
    offers: dict[str, float] = field(default_factory=dict)
    """By listing id."""
    decided: set[tuple[int, int]] = field(default_factory=set)
    """Records that screening says it has decided; it says so once in a while, for many at once."""
    detected: dict[str, float] = field(default_factory=dict)
    """By listing id: when its detection was first seen in Kafka."""
    late_s: float = 0.0
    seconds: float = 0.0
    """From the first turn to the last acknowledgement."""


async def send(bootstrap: str, source: Iterator[tuple[Listing, bool]], rate: float, sent: Sent) -> None:
    """One listing every ``1 / rate`` seconds, however slow anything is; returns when all are acknowledged."""
    async with AIOKafkaProducer(**kafka_at(bootstrap), acks="all") as producer:
        waiting: set[asyncio.Task[None]] = set()
        began = time.time()

        async def one(listing: Listing, due: float) -> None:
            record = listing_record(listing)
            ack = await producer.send(
                record.topic, key=record.key, value=record.value, headers=list(record.headers)
            )
            meta = await ack
            sent.due[meta.partition, meta.offset] = due

        for number, (listing, offer) in enumerate(source):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.time()))
            sent.late_s = max(sent.late_s, time.time() - due)
            if offer:
                sent.offers[listing.listing_id] = due
            task = asyncio.create_task(one(listing, due))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
        await asyncio.gather(*waiting)
        sent.seconds = time.time() - began


async def watch(bootstrap: str, sent: Sent, ready: asyncio.Event) -> None:
    """Note decisions and detections, for ever. ``ready`` is set when nothing will be missed from then on."""
    async with AIOKafkaConsumer(
        **kafka_at(bootstrap), enable_auto_commit=False, fetch_max_wait_ms=10
    ) as consumer:
        topics = (SCREENING_PROGRESS, DETECTIONS)
        parts = [TopicPartition(topic.name, n) for topic in topics for n in range(topic.partitions)]
        consumer.assign(parts)
        for part in parts:
            await consumer.seek_to_end(part)
            await consumer.position(part)
        ready.set()
        while True:
            found = await consumer.getmany(timeout_ms=1_000)
            now = time.time()
            for records in found.values():
                for record in records:
                    if record.topic == DETECTIONS.name:
                        name = str(json.loads(record.value).get("listing_id"))
                        sent.detected.setdefault(name, now)
                    else:
                        note(record.value, sent)


def note(value: bytes, sent: Sent) -> None:
    """One progress record: everything in its range is decided."""
    try:
        told = ScreeningProgress.model_validate_json(value)
    except ValidationError:
        return
    if told.topic == LISTINGS.name:
        sent.decided |= {(told.partition, at) for at in range(told.first_offset, told.next_offset)}
