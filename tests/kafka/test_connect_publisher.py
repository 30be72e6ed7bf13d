"""What the publisher says is written is in Kafka, whatever the broker does meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from aiokafka import AIOKafkaConsumer

from connectors.publisher import KafkaAway, Publisher, TopicNames
from schemas.dead_letter import DeadLetter, dead_letter
from schemas.errors import OperatorError
from schemas.listing import Listing
from schemas.report import Report, Reporter
from streams.local.kafka import LocalKafka
from tests.support.broker import Broker, MakeTopic, create_topic, read_all

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def listing(number: int, text: str = "") -> Listing:
    return Listing.sealed(
        platform="alpha",
        listing_id=str(number),
        url=f"https://a.example/{number}",
        description=text,
        observed_at=NOW,
        connector="test",
        run_id="run-1",
    )


def listings(count: int, text: str = "") -> tuple[Listing, ...]:
    return tuple(listing(number, text) for number in range(count))


async def topics(make_topic: MakeTopic, **config: str) -> TopicNames:
    return TopicNames(
        await make_topic("listings", config=config),
        await make_topic("reports"),
        await make_topic("dead-letters"),
    )


@asynccontextmanager
async def started(bootstrap: str, names: TopicNames) -> AsyncIterator[Publisher]:
    publisher = Publisher(bootstrap, now=lambda: NOW, topics=names)
    await publisher.start(within_s=30)
    try:
        yield publisher
    finally:
        await publisher.aclose()


async def ids(bootstrap: str, topic: str) -> list[str]:
    return [Listing.from_bytes(record.value or b"").listing_id for record in await read_all(bootstrap, topic)]


async def test_when_it_returns_everything_is_there_with_key_and_cloud_event(
    broker: Broker, make_topic: MakeTopic
) -> None:
    names = await topics(make_topic)
    report = Report(
        report_id="r_" + "a" * 32,
        received_at=NOW,
        reporter=Reporter(kind="citizen"),
        url="https://a.example/1",
        what="A tusk.",
    )
    async with started(broker.bootstrap, names) as publisher:
        assert await publisher.publish(listings(1_200)) == ()
        records = await read_all(broker.bootstrap, names.listings)
        assert await publisher.accept(reports=(report,), within_s=10) == ()
        (reported,) = await read_all(broker.bootstrap, names.reports)

    assert sorted(int(Listing.from_bytes(one.value or b"").listing_id) for one in records) == list(
        range(1_200)
    )
    assert {one.key for one in records} == {f"alpha:{number}".encode() for number in range(1_200)}
    headers = dict(records[0].headers)
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_type"] == b"takin.listing.v1"
    assert headers["ce_source"] == b"takin/connectors/test"
    assert headers["content-type"] == b"application/json"
    assert len({dict(one.headers)["ce_id"] for one in records}) == 1_200
    assert (reported.key, Report.from_bytes(reported.value or b"")) == (report.report_id.encode(), report)


async def test_snapshots_of_one_listing_stay_in_order(broker: Broker, make_topic: MakeTopic) -> None:
    names = await topics(make_topic)
    snapshots = tuple(listing(1, str(number)) for number in range(600))
    async with started(broker.bootstrap, names) as publisher:
        await publisher.publish(snapshots)

    records = await read_all(broker.bootstrap, names.listings)
    assert len({record.partition for record in records}) == 1
    assert [Listing.from_bytes(one.value or b"").description for one in records] == [
        str(n) for n in range(600)
    ]


@pytest.mark.parametrize(
    "limit", ["20000", "1048588"], ids=["refused-by-the-broker", "refused-by-the-client"]
)
async def test_one_that_is_too_large_is_handed_back_and_its_neighbours_are_written(
    broker: Broker, make_topic: MakeTopic, limit: str
) -> None:
    names = await topics(make_topic, **{"max.message.bytes": limit})
    huge = (
        listing(7_777, "象" * 15_000)
        if limit == "20000"
        else listing(7_777).model_copy(update={"description": "x" * 1_100_000})
    )
    # One at a time on a partition, so that the broker's limit meets single records.
    async with started(broker.bootstrap, names) as publisher:
        refused = await publisher.publish((*listings(40), huge, *(listing(n) for n in range(100, 140))))
        await publisher.set_aside(refused)
        assert await publisher.publish((listing(200),)) == ()
    (letter_record,) = await read_all(broker.bootstrap, names.dead_letters)
    letter = DeadLetter.from_bytes(letter_record.value or b"")

    expected = {*map(str, range(40)), *map(str, range(100, 140)), "200"}
    assert set(await ids(broker.bootstrap, names.listings)) == expected
    assert (letter.reason, letter.topic, letter.stage) == ("too_large", names.listings, "connector")
    assert letter_record.key == letter.dead_letter_id.encode()
    assert letter.record_bytes == len(huge.to_bytes())


async def test_a_dead_letter_of_the_largest_size_can_be_written(
    broker: Broker, make_topic: MakeTopic
) -> None:
    names = await topics(make_topic)
    letter = dead_letter(
        stage="connector", reason="too_large", detail="x", value=b"\xff" * 3_000_000, now=NOW, origin="f:1"
    )
    async with started(broker.bootstrap, names) as publisher:
        await publisher.set_aside([letter])
        await publisher.set_aside([letter])

    assert [record.key for record in await read_all(broker.bootstrap, names.dead_letters)] == [
        letter.dead_letter_id.encode()
    ] * 2


async def test_a_missing_topic_is_told_at_the_start(broker: Broker, prefix: str) -> None:
    publisher = Publisher(
        broker.bootstrap, now=lambda: NOW, topics=TopicNames(f"{prefix}-a", f"{prefix}-b", f"{prefix}-c")
    )
    with pytest.raises(OperatorError, match=r"has no topic .*-a.* takin topics apply"):
        await publisher.start()
    await publisher.aclose()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere.invalid:9092", "nonsense"])
async def test_no_broker_is_told_at_the_start(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT")
    publisher = Publisher(address, now=lambda: NOW)
    with pytest.raises(OperatorError, match="No Kafka broker answers"):
        await publisher.start(within_s=5)
    await publisher.aclose()


async def test_a_broker_that_is_killed_and_comes_back_loses_nothing(own_broker: LocalKafka) -> None:
    names = TopicNames()
    for name in (names.listings, names.reports, names.dead_letters):
        await create_topic(own_broker.bootstrap, name)
    async with started(own_broker.bootstrap, names) as publisher:
        await publisher.publish(listings(300))

        async def publish_all(batches: Sequence[range]) -> None:
            for batch in batches:
                await publisher.publish(tuple(listing(number) for number in batch))

        going_on = asyncio.ensure_future(
            publish_all([range(start, start + 100) for start in range(1_000, 4_000, 100)])
        )
        await asyncio.sleep(0.05)
        await own_broker.kill()
        assert not going_on.done()
        assert not await publisher.reachable(within_s=1)
        began = time.monotonic()
        with pytest.raises(KafkaAway):
            await publisher.accept(listings=(listing(5_000),), within_s=1.0)
        assert time.monotonic() - began < 3
        await own_broker.start()
        await asyncio.wait_for(going_on, 60)
        assert await publisher.accept(listings=(listing(5_001),), within_s=20) == ()
        assert await publisher.reachable()

    there = set(await ids(own_broker.bootstrap, names.listings))
    assert {str(number) for number in (*range(300), *range(1_000, 4_000), 5_001)} <= there


async def test_closing_while_the_broker_is_away_does_not_hang(own_broker: LocalKafka) -> None:
    names = TopicNames()
    for name in (names.listings, names.reports, names.dead_letters):
        await create_topic(own_broker.bootstrap, name)
    publisher = Publisher(own_broker.bootstrap, now=lambda: NOW)
    await publisher.start(within_s=30)
    await own_broker.kill()
    with pytest.raises(KafkaAway):
        await publisher.accept(listings=listings(5), within_s=0.5)

    async with asyncio.timeout(20):
        await publisher.aclose()

    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert [str(task.get_coro()) for task in left] == []


async def test_two_callers_do_not_wait_for_a_connection_that_was_given_up(
    broker: Broker, make_topic: MakeTopic
) -> None:
    names = await topics(make_topic, **{"max.message.bytes": "20000"})
    huge = tuple(listing(number, "象" * 15_000) for number in range(3))
    async with started(broker.bootstrap, names) as publisher, asyncio.timeout(60):
        refused, good = await asyncio.gather(
            publisher.publish(huge), publisher.publish(tuple(listing(n) for n in range(1_000, 1_400)))
        )

    assert len(refused) == 3
    assert good == ()
    assert set(await ids(broker.bootstrap, names.listings)) == {str(n) for n in range(1_000, 1_400)}


async def test_offsets_are_what_a_consumer_sees(broker: Broker, make_topic: MakeTopic) -> None:
    """Nothing is held back: what was acknowledged is at once visible to a reader of committed records."""
    names = await topics(make_topic)
    async with started(broker.bootstrap, names) as publisher:
        await publisher.publish(listings(10))
        consumer = AIOKafkaConsumer(
            names.listings,
            bootstrap_servers=broker.bootstrap,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        await consumer.start()
        try:
            seen = 0
            async with asyncio.timeout(20):
                while seen < 10:
                    seen += sum(len(batch) for batch in (await consumer.getmany(timeout_ms=500)).values())
        finally:
            await consumer.stop()

    assert seen == 10
