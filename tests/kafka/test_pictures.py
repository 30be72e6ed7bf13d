"""A picture on the watchlist is found on a listing that only names its address; what hangs stops nobody."""

import asyncio
import hashlib
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from PIL import Image
from prometheus_client import CollectorRegistry

from connectors.pictures.reading import read_picture
from connectors.platform_config import PlatformConfig
from connectors.publisher import Publisher, TopicNames
from schemas.listing import Listing
from schemas.watchlist import WatchlistEntry
from streams.pictures.looking import Wish
from streams.pictures.metrics import PictureMetrics
from streams.pictures.service import fetcher_for, utc_now
from streams.pictures.stage import PictureStage
from streams.screening.topics import ScreeningTopics
from tests.kafka.test_screening_worker import Launch, launch, listing, topics, until
from tests.support.broker import Broker, MakeTopic, read_all, send
from tests.support.pictures import PictureServer, drawn, encoded, picture_server

__all__ = ["launch", "topics"]

WANTED, INNOCENT, SAME = (encoded(drawn(number)) for number in (11, 12, 13))


def altered(content: bytes) -> bytes:
    """As a seller shows it elsewhere: smaller, the edge cut off, and saved anew."""
    picture = Image.open(io.BytesIO(content))
    width, height = picture.size
    inner = picture.crop((width // 100, height // 100, width - width // 100, height - height // 100))
    return encoded(inner.resize((width * 7 // 10, height * 7 // 10)), "WEBP", quality=60)


def entry(entry_id: str, kind: str, value: str) -> tuple[bytes, bytes]:
    told = WatchlistEntry.model_validate(
        {
            **{"entry_id": entry_id, "kind": kind, "value": value, "outcome": "review"},
            **{"reason": "seized goods", "source": "test", "added_by": "tests", "added_at": utc_now()},
        }
    )
    return entry_id.encode(), told.to_bytes()


@asynccontextmanager
async def running(
    broker: Broker, names: TopicNames, server: PictureServer, group: str
) -> AsyncIterator[PictureMetrics]:
    config = PlatformConfig.model_validate(
        {
            **{"name": "practice", "kind": "sandbox", "base_url": server.base, "private_address": True},
            "pictures": {"fetch": True, "rate_per_s": 1_000, "within_s": 30},
        }
    )
    fetcher = fetcher_for(config)
    metrics = PictureMetrics(CollectorRegistry(), ["practice"])
    async with Publisher(broker.bootstrap, now=utc_now, topics=names) as publisher:
        stage = PictureStage(
            {"practice": Wish(fetcher.fetch, 5)},
            publisher.publish,
            metrics,
            bootstrap=broker.bootstrap,
            now=utc_now,
            topic=names.listings,
            group=group,
        )
        stopping = asyncio.Event()
        task = asyncio.create_task(stage.run(stopping))
        try:
            yield metrics
        finally:
            stopping.set()
            await asyncio.wait_for(task, 20)
            await fetcher.aclose()


async def test_what_was_altered_is_found_and_what_hangs_is_fetched_by_the_next_process(
    broker: Broker, topics: ScreeningTopics, launch: Launch, make_topic: MakeTopic, prefix: str
) -> None:
    pdq = read_picture(WANTED).pdq
    assert pdq is not None
    same = entry("same", "image_sha256", hashlib.sha256(SAME).hexdigest())
    await send(broker.bootstrap, topics.watchlist, entry("near", "image_pdq", pdq), same)
    names = TopicNames(topics.listings, await make_topic("reports"), topics.dead_letters)
    worker = launch(real=True, TAKIN_PUBLISH_CLEAR="1")
    await worker.ready()

    async def verdicts() -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for record in await read_all(broker.bootstrap, topics.detections):
            told = json.loads(record.value or b"{}")
            found.setdefault(told["listing_id"], []).append(told)
        return found

    async with picture_server() as server:
        shown = [altered(WANTED), SAME, INNOCENT, altered(SAME), SAME]
        addresses = [server.show(f"/{number}.jpg", body) for number, body in enumerate(shown)]
        server.hangs.add("/4.jpg")
        records = [
            listing(number, "A box, hardly used", images=[{"url": url}])
            for number, url in enumerate(addresses)
        ]
        await send(broker.bootstrap, topics.listings, *records)
        async with running(broker, names, server, f"{prefix}-pictures"):

            async def judged() -> dict[str, list[dict[str, Any]]] | None:
                found = await verdicts()
                return found if all(len(found.get(f"L-{number}", [])) >= 2 for number in range(4)) else None

            found = await until(judged, within_s=40)
        server.hangs.clear()
        # The one that hung was not committed, so the next process fetches it.
        async with running(broker, names, server, f"{prefix}-pictures"):

            async def at_last() -> bool:
                return len((await verdicts()).get("L-4", [])) >= 2

            await until(at_last, within_s=30)
        found = await verdicts()

    told = {
        name: [(one["outcome"], {match["ref"] for match in one["matches"]}) for one in seen]
        for name, seen in found.items()
    }
    text = ("clear", set[str]())
    assert told["L-0"] == [text, ("review", {"watchlist:near"})]
    assert told["L-1"] == told["L-4"] == [text, ("review", {"watchlist:same"})]
    # Neither another picture, nor other bytes of one that is listed by its bytes.
    assert told["L-2"] == told["L-3"] == [text, text]
    for name, seen in found.items():
        assert len({one["content_hash"] for one in seen}) == 1, name
        assert len({one["detection_id"] for one in seen}) == 2, name
    written = [
        Listing.from_bytes(one.value or b"") for one in await read_all(broker.bootstrap, topics.listings)
    ]
    assert sum(image.fetched is not None for one in written for image in one.images) == 5
