"""Fixtures with a real Kafka broker.

- ``broker``: one per test session, shared; never kill it. ``KAFKA_BOOTSTRAP_SERVERS`` names another.
- ``own_broker``: one per test, empty, yours to stop, kill and start again.
- ``make_topic``: creates topics with names of their own on the shared broker.
"""

import asyncio
import itertools
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.structs import ConsumerRecord

from streams.local.kafka import LocalKafka
from streams.local.readiness import admin_client

MakeTopic = Callable[..., Awaitable[str]]

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Broker:
    """A broker that all tests of a session share."""

    bootstrap: str
    local: LocalKafka | None
    """The embedded broker; absent if one was given from outside."""


def _in_own_loop(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end in a loop of its own and leave pytest-asyncio's loop alone.

    In this thread: the kernel ties the broker's life to the thread that starts it.
    """
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(work)
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The session's broker, started when the first test asks for it."""
    given = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if given:
        yield Broker(given, None)
        return
    kafka = LocalKafka(tmp_path_factory.mktemp("kafka"))
    _in_own_loop(kafka.start())
    try:
        yield Broker(kafka.bootstrap, kafka)
    finally:
        _in_own_loop(kafka.stop())


@pytest.fixture
async def own_broker(tmp_path: Path) -> AsyncIterator[LocalKafka]:
    """A broker of the test's own, always an embedded one: stop it, kill it, start it again."""
    async with LocalKafka(tmp_path / "own-kafka") as kafka:
        yield kafka


async def create_topic(
    bootstrap: str, name: str, *, partitions: int = 4, config: Mapping[str, str] | None = None
) -> None:
    """Create a topic and wait until every partition has a leader."""
    async with admin_client(bootstrap) as admin:
        answer = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=dict(config or {}))])
        assert all(error[1] == 0 for error in answer.topic_errors), answer
        while True:
            (described,) = await admin.describe_topics([name])
            led = [part for part in described["partitions"] if part["leader"] >= 0]
            if described["error_code"] == 0 and len(led) == partitions:
                return
            await asyncio.sleep(0.02)


@pytest.fixture
def prefix() -> str:
    """A name that no other test uses, for topics and consumer groups."""
    return f"t{next(_numbers)}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def make_topic(broker: Broker, prefix: str) -> MakeTopic:
    """``await make_topic("listings", partitions=4)`` returns the new topic's own name."""

    async def make(name: str, *, partitions: int = 4, config: Mapping[str, str] | None = None) -> str:
        own_name = f"{prefix}-{name}"
        await create_topic(broker.bootstrap, own_name, partitions=partitions, config=config)
        return own_name

    return make


async def send(bootstrap: str, topic: str, *records: tuple[bytes | None, bytes | None]) -> None:
    """Write (key, value) records and wait until the broker has them."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for sent in [await producer.send(topic, key=key, value=value) for key, value in records]:
            await sent


async def read_all(bootstrap: str, topic: str) -> list[ConsumerRecord]:
    """Everything that the topic holds now, by partition and offset."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        await consumer._client.force_metadata_update()
        partitions = [TopicPartition(topic, number) for number in await _partitions(consumer, topic)]
        consumer.assign(partitions)
        for partition in partitions:
            consumer.seek(partition, 0)
        ends = await consumer.end_offsets(partitions)
        records: list[ConsumerRecord] = []
        while any([await consumer.position(part) < ends[part] for part in partitions]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                records.extend(batch)
    finally:
        await consumer.stop()
    return sorted(records, key=lambda record: (record.partition, record.offset))


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> list[int]:
    known = consumer.partitions_for_topic(topic)
    assert known, f"there is no topic {topic}"
    return sorted(known)
