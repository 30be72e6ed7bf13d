"""How long after its turn a listing's detection can be read, for one system under light load.

A listing's turn is by the clock, whatever became of the one before it; it counts from then. The reader of the
detections is the same for every system, and its own wait is part of each figure.
"""

import asyncio
import time

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.listing import Listing
from tests.bench.synthetic import listings

PARTITIONS = 4
OFFERS = 0.25
"""More than any platform has, so that a short run has enough detections for a p99."""
READY_WITHIN_S = 90.0
LAST_WITHIN_S = 20.0


async def waits_ms(bootstrap: str, prefix: str, rate: float, seconds: float, seed: int) -> list[float]:
    """Milliseconds from each offer's turn to its detection, of a system that reads ``PREFIX-listings``.

    Raises:
        TimeoutError: the system showed no detection, or lost one.
    """
    turns, read = dict[str, float](), dict[str, float]()
    async with (
        AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer,
        AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False) as consumer,
    ):
        parts = [TopicPartition(f"{prefix}-detections", number) for number in range(PARTITIONS)]
        consumer.assign(parts)
        await consumer.seek_to_beginning(*parts)
        reading = asyncio.create_task(_read(consumer, read))
        try:
            sender = _Sender(producer, f"{prefix}-listings")
            await _until_it_works(sender, read, seed)
            known = frozenset(read)
            offers = list(listings(int(rate * seconds), offers=OFFERS, near_misses=0.05, seed=seed))
            began = time.monotonic() + 0.05
            for number, listing in enumerate(offers):
                turn = began + number / rate
                await asyncio.sleep(max(0.0, turn - time.monotonic()))
                turns[listing.listing_id] = turn
                await sender.send(listing)
            await sender.settled()
            await asyncio.sleep(2)
            quiet, until = len(read), time.monotonic() + LAST_WITHIN_S
            while time.monotonic() < until:
                await asyncio.sleep(1)
                if len(read) == quiet:
                    break
                quiet = len(read)
        finally:
            reading.cancel()
    found = [1_000 * (at - turns[name]) for name, at in read.items() if name not in known and name in turns]
    if len(found) < OFFERS * rate * seconds / 2:
        raise TimeoutError(f"{len(found)} detections of about {OFFERS * rate * seconds:.0f} came")
    return found


class _Sender:
    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer, self._topic, self._number = producer, topic, 0
        self._acks: list[asyncio.Future[object]] = []

    async def send(self, listing: Listing) -> None:
        self._number += 1
        self._acks.append(
            await self._producer.send(
                self._topic,
                key=listing.key.encode(),
                value=listing.to_bytes(),
                partition=self._number % PARTITIONS,
            )
        )

    async def settled(self) -> None:
        await asyncio.gather(*self._acks)


async def _until_it_works(sender: _Sender, read: dict[str, float], seed: int) -> None:
    """Offers, a few at a time, until each partition's detections come; then a moment of rest."""
    async with asyncio.timeout(READY_WITHIN_S):
        for number, listing in enumerate(listings(10_000, offers=1.0, near_misses=0.0, seed=seed + 1)):
            await sender.send(listing.model_copy(update={"listing_id": f"first-{number}"}))
            if number % PARTITIONS == PARTITIONS - 1:
                await asyncio.sleep(0.5)
                newest = {f"first-{number - back}" for back in range(PARTITIONS)}
                if newest <= read.keys():
                    break
        await asyncio.sleep(2)


async def _read(consumer: AIOKafkaConsumer, read: dict[str, float]) -> None:
    async for record in consumer:
        name = orjson.loads(record.value)["listing"]["listing_id"]
        read.setdefault(name, time.monotonic())
