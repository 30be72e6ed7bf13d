"""The catalogue's topics on a real broker: made once, never changed, drift refused."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import pytest
from aiokafka.admin import NewTopic

from schemas.errors import OperatorError
from schemas.topics import CATALOGUE, Topic
from streams.local.ports import free_port
from streams.local.readiness import admin_client
from streams.local.topics import Report, apply, observe
from tests.support.broker import Broker

Renamed = Sequence[Topic]


@pytest.fixture
def catalogue(prefix: str) -> Renamed:
    """The real catalogue under names of this test's own."""
    return tuple(replace(topic, name=f"{prefix}-{topic.name}") for topic in CATALOGUE)


async def test_every_topic_is_made_as_the_catalogue_says(broker: Broker, catalogue: Renamed) -> None:
    report = await apply(broker.bootstrap, catalogue)

    assert report == Report(created=tuple(topic.name for topic in catalogue), present=())
    async with admin_client(broker.bootstrap) as admin:
        existing = await observe(admin, catalogue)
    assert {name: topic.partitions for name, topic in existing.items()} == {
        topic.name: topic.partitions for topic in catalogue
    }
    assert {name: topic.config for name, topic in existing.items()} == {
        topic.name: topic.config() for topic in catalogue
    }
    assert all(topic.led for topic in existing.values())


async def test_applying_again_changes_nothing(broker: Broker, catalogue: Renamed) -> None:
    await apply(broker.bootstrap, catalogue)

    again = await apply(broker.bootstrap, catalogue)
    assert again == Report(created=(), present=tuple(topic.name for topic in catalogue))


async def test_two_at_once_make_them_once(broker: Broker, catalogue: Renamed) -> None:
    await asyncio.gather(*(apply(broker.bootstrap, catalogue) for _ in range(3)))

    again = await apply(broker.bootstrap, catalogue)
    assert again.created == ()


async def test_a_dry_run_makes_nothing(broker: Broker, catalogue: Renamed) -> None:
    report = await apply(broker.bootstrap, catalogue, dry_run=True)

    assert report.dry_run
    assert len(report.created) == len(catalogue)
    async with admin_client(broker.bootstrap) as admin:
        assert await observe(admin, catalogue) == {}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(
            lambda t: replace(t, partitions=t.partitions + 1), "4 partitions instead of 5", id="partitions"
        ),
        pytest.param(
            lambda t: replace(t, retention_days=1),
            "retention.ms 2419200000 instead of 86400000",
            id="retention",
        ),
        pytest.param(
            lambda t: replace(t, cleanup="compact"), "cleanup.policy delete instead of compact", id="cleanup"
        ),
        pytest.param(
            lambda t: replace(t, max_message_bytes=5_000_000),
            "max.message.bytes 1048588 instead of 5000000",
            id="largest message",
        ),
        pytest.param(
            lambda t: replace(t, extra={"message.timestamp.type": "LogAppendTime"}),
            "message.timestamp.type CreateTime instead of LogAppendTime",
            id="extra",
        ),
    ],
)
async def test_drift_is_refused_by_name_and_nothing_is_made(
    broker: Broker, catalogue: Renamed, change: Callable[[Topic], Topic], said: str
) -> None:
    listings, *others = catalogue
    await apply(broker.bootstrap, [listings])

    with pytest.raises(OperatorError) as refused:
        await apply(broker.bootstrap, [change(listings), *others])

    assert f"{listings.name} has {said}" in str(refused.value)
    async with admin_client(broker.bootstrap) as admin:
        assert set(await observe(admin, catalogue)) == {listings.name}


async def test_every_difference_of_every_topic_is_named(broker: Broker, catalogue: Renamed) -> None:
    await apply(broker.bootstrap, catalogue)

    with pytest.raises(OperatorError) as refused:
        await apply(broker.bootstrap, [replace(t, partitions=9, max_message_bytes=1) for t in catalogue])

    for topic in catalogue:
        assert f"{topic.name} has 4 partitions instead of 9 and max.message.bytes" in str(refused.value)


async def test_a_setting_the_broker_does_not_know_is_said(broker: Broker, catalogue: Renamed) -> None:
    odd = replace(catalogue[0], extra={"no.such.setting": "1"})
    with pytest.raises(OperatorError, match=r"refused to create topic .*no\.such\.setting"):
        await apply(broker.bootstrap, [odd])


async def test_an_address_where_nobody_listens_is_said_at_once() -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    began = time.monotonic()
    with pytest.raises(OperatorError, match=f"No Kafka broker answers at {nowhere}"):
        await apply(nowhere, CATALOGUE)
    assert time.monotonic() - began < 10


async def _mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def _web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
    await writer.drain()
    writer.close()


@pytest.mark.parametrize("server", [_mute, _web])
async def test_a_server_that_is_no_kafka_is_said_within_ten_seconds(
    server: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> None:
    listening = await asyncio.start_server(server, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    began = time.monotonic()
    try:
        with pytest.raises(OperatorError, match=f"No Kafka broker answers at 127.0.0.1:{port}"):
            await apply(f"127.0.0.1:{port}", CATALOGUE)
        assert time.monotonic() - began < 10
    finally:
        listening.close()
        await asyncio.sleep(0.1)  # the server reads that the last client went


@pytest.mark.parametrize("address", ["127.0.0.1:none", "no-such-host.invalid:9092", "", ":", "::"])
async def test_what_is_no_address_is_said(address: str) -> None:
    with pytest.raises(OperatorError, match="Kafka"):
        await apply(address, CATALOGUE, answer_within_s=3)


async def test_a_topic_that_somebody_else_made_differently_is_left_alone(
    broker: Broker, catalogue: Renamed
) -> None:
    listings = catalogue[0]
    async with admin_client(broker.bootstrap) as admin:
        await admin.create_topics([NewTopic(listings.name, 1, 1)])
    with pytest.raises(OperatorError, match="1 partitions instead of 4 and retention"):
        await apply(broker.bootstrap, [listings])

    async with admin_client(broker.bootstrap) as admin:
        assert (await observe(admin, [listings]))[listings.name].partitions == 1
