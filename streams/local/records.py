"""Reading a whole topic up to now, and writing single records, for commands that people run."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

from schemas.errors import OperatorError
from schemas.kafka_access import kafka_at
from streams.local.readiness import admin_client, quiet_client

NO_PROGRESS_S = 20.0
MAX_RECORD_BYTES = 1_048_588
"""The broker's default limit."""


@contextlib.asynccontextmanager
async def producer_at(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    """A started producer that waits for every in-sync replica."""
    producer = AIOKafkaProducer(
        **kafka_at(bootstrap),
        acks="all",
        enable_idempotence=True,
        max_request_size=MAX_RECORD_BYTES,
        request_timeout_ms=15_000,
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@contextlib.asynccontextmanager
async def consumer_of(
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
        **kafka_at(bootstrap),
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


async def up_to_now(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], *, since: datetime | None = None
) -> AsyncIterator[ConsumerRecord]:
    """Every record that is there at the call, partition by partition in order.

    ``since``: only from the first record of each partition that was written then or later.
    """
    ends = await consumer.end_offsets(partitions)
    await consumer.seek_to_beginning(*partitions)
    if since is not None:
        from_ms = int(since.timestamp() * 1000)
        starts = await consumer.offsets_for_times(dict.fromkeys(partitions, from_ms))
        for part, start in starts.items():
            consumer.seek(part, ends[part] if start is None else start.offset)
    left = set(partitions)
    idle_since = asyncio.get_running_loop().time()
    while left := {part for part in left if await consumer.position(part) < ends[part]}:
        batches = await consumer.getmany(*left, timeout_ms=500, max_records=500)
        if batches:
            idle_since = asyncio.get_running_loop().time()
        elif asyncio.get_running_loop().time() - idle_since > NO_PROGRESS_S:
            raise OperatorError(
                f"The Kafka broker stopped answering for {NO_PROGRESS_S:.0f} s while its records were read: "
                "see that it runs, then do it again."
            )
        for records in batches.values():
            for record in records:
                yield record
