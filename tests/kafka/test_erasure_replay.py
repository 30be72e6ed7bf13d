"""What was erased stays erased when Kafka's topics are read again from their start."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from aiokafka import AIOKafkaProducer

from schemas.detection import Detection
from schemas.errors import OperatorError
from schemas.listing import Listing
from schemas.topics import CATALOGUE, DETECTIONS, REPORTS
from streams.local.kafka import LocalKafka
from streams.local.topics import apply
from streams.notices import acts
from streams.notices.casebook import sealing
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Casebook
from streams.notices.sender import demonstration_sender
from streams.notices.service import NoticeService
from streams.privacy.erase import Asked, decision_on, run
from streams.privacy.keys import PrivacyKeys
from tests.support.erasable import make_report, offer, where_named
from tests.support.notices import LAW, make_detection, make_listing

KEYS = PrivacyKeys((b"k" * 32,))


def service(kafka: LocalKafka, url: str, keys: PrivacyKeys | None = KEYS) -> NoticeService:
    return NoticeService(
        bootstrap=kafka.bootstrap,
        casebook_url=url,
        platforms=[],
        sender=demonstration_sender(reply_base="http://127.0.0.1:1"),
        law=LAW,
        receiver_host="127.0.0.1",
        receiver_port=0,
        observability_host="127.0.0.1",
        observability_port=0,
        privacy_keys=lambda: keys,
    )


@contextlib.asynccontextmanager
async def serving(kafka: LocalKafka, url: str) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(service(kafka, url).run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(true):
            await asyncio.sleep(0.05)


def seen_now(number: str, version: str, *, seller: str = "canary-seller") -> Detection:
    seen_at = datetime.now(UTC) - timedelta(seconds=5)
    return make_detection(
        outcome="review", version=version, **offer(number, seller=seller), observed_at=seen_at
    )


def sentinel(number: str) -> Detection:
    return make_detection(number, outcome="review")


async def test_a_replay_brings_nothing_back_of_a_seller_who_was_erased(
    own_broker: LocalKafka, tmp_path: Path
) -> None:
    """Nor do verdicts under new rules on snapshots from before, nor reports that lay in the topic."""
    await apply(own_broker.bootstrap, CATALOGUE)
    url = f"sqlite:///{tmp_path / 'casebook.db'}"
    casebook = Casebook.open(url)

    def listed(number: str) -> bool:
        with casebook.read() as tx:
            return bool(tx.execute(sa.select(t.case.c.case_id).where(t.case.c.listing_id == number)).first())

    async def publish(*found: Detection) -> None:
        async with AIOKafkaProducer(bootstrap_servers=own_broker.bootstrap, acks="all") as producer:
            for one in found:
                await producer.send_and_wait(DETECTIONS.name, one.to_bytes(), key=b"k")

    first = seen_now("1", "v1")
    await publish(first, sentinel("5"))
    async with serving(own_broker, url):
        await until(lambda: listed("5"))
    with casebook.read() as tx:
        case_id = tx.execute(
            sa.select(t.case.c.case_id).where(t.case.c.listing_id == "canary-1")
        ).scalar_one()
    now = datetime.now(UTC)
    casebook.decide(acts.dismiss, case_id, by="Kim", reason="canary is a toy maker", now=now)
    decision = decision_on("request", by="Kim", why="a request", basis="GDPR Article 17")
    asked = Asked(seller=("market", "canary-seller"))
    run(casebook, asked, decision, KEYS, now=now, apply=True)
    assert where_named(casebook) == set()

    # The whole log is read again, and behind it stand verdicts of new rules and a report.
    with casebook.engine.connect() as connection, connection.begin():
        connection.execute(sa.delete(t.consumer_offset))
    other = seen_now("2", "v2").model_copy()
    await publish(first.model_copy(update={"detection_id": "d_" + "1" * 40}), other, sentinel("6"))
    report = make_report("3").model_copy(update={"received_at": now - timedelta(seconds=1)})
    async with AIOKafkaProducer(bootstrap_servers=own_broker.bootstrap, acks="all") as producer:
        await producer.send_and_wait(REPORTS.name, report.to_bytes(), key=b"r")
    async with serving(own_broker, url):
        await until(lambda: listed("6"))
        await until(lambda: _read(casebook, REPORTS.name) == 1)

        assert where_named(casebook) == set()
        assert casebook.answer(sealing.verify).holds
        # What is seen from now on is a new offer.
        await publish(seen_now("1", "v3").model_copy(update={"listing": _fresh("1")}))
        await until(lambda: listed("canary-1"))
    casebook.close()

    with pytest.raises(OperatorError, match="and there is none"):
        await service(own_broker, url, None).run(asyncio.Event())


def _fresh(number: str) -> Listing:
    return make_listing(**offer(number), observed_at=datetime.now(UTC))


def _read(casebook: Casebook, topic: str) -> int:
    with casebook.read() as tx:
        found = tx.execute(
            sa.select(sa.func.sum(t.consumer_offset.c.next_offset)).where(t.consumer_offset.c.topic == topic)
        ).scalar_one()
    return int(found or 0)
