"""What ``takin pictures`` finds reaches the case that words opened, through Kafka and screening."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.pictures.reading import read_picture
from connectors.publisher import TopicNames
from schemas.detection import Detection
from streams.notices import handlers
from streams.notices.casebook import desk_pages, events, sealing
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.viewer import Viewer
from streams.screening.topics import ScreeningTopics
from tests.kafka.test_pictures import running
from tests.kafka.test_screening_worker import Launch, launch, listing, topics, until
from tests.support.broker import Broker, MakeTopic, read_all, send
from tests.support.notices import T0, make_desk
from tests.support.pictures import drawn, encoded, picture_server

__all__ = ["launch", "topics"]

SHOWN = encoded(drawn(21))


@pytest.fixture
def casebook(tmp_path: Path) -> Iterator[Casebook]:
    book = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}")
    yield book
    book.close()


def holding(folder: Path, some: bytes) -> list[Path]:
    """Files in which these bytes stand."""
    return [path for path in folder.rglob("*") if path.is_file() and some in path.read_bytes()]


async def test_a_case_that_words_opened_has_the_hashes_of_its_pictures(
    broker: Broker,
    topics: ScreeningTopics,
    launch: Launch,
    make_topic: MakeTopic,
    prefix: str,
    casebook: Casebook,
    tmp_path: Path,
) -> None:
    names = TopicNames(topics.listings, await make_topic("reports"), topics.dead_letters)
    worker = launch(real=True)
    await worker.ready()

    async def verdicts(count: int) -> list[Detection]:
        async def enough() -> list[Detection] | None:
            records = await read_all(broker.bootstrap, topics.detections)
            found = [Detection.from_bytes(one.value or b"") for one in records]
            return found if len(found) >= count else None

        return list(await until(enough, within_s=40))

    async with picture_server() as server:
        addresses = [server.show("/there.jpg", SHOWN), server.base + "/gone.jpg"]
        images = [{"url": url} for url in addresses]
        words = "Hand carved elephant ivory netsuke, 52 g"
        await send(broker.bootstrap, topics.listings, listing(1, words, images=images))
        [bare] = await verdicts(1)
        async with running(broker, names, server, f"{prefix}-pictures"):
            first, second = await verdicts(2)

    desk = make_desk(name="practice")
    taken = [casebook.decide(handlers.take_detection, one, desk, now=T0) for one in (first, second)]
    case_id = taken[0].case_id
    assert case_id is not None
    assert (first, taken[1].case_id) == (bare, case_id)
    with casebook.read() as tx:
        page = desk_pages.case(tx, Viewer("a", "ada", "Ada", "officer"), case_id)
        told = [event.data for event in events.of_case(tx, case_id) if event.type == "detected"]
        assert sealing.verify(tx).holds
    assert page is not None
    there, gone = page.pictures.rows
    assert there.fetched is not None
    picture = read_picture(SHOWN)
    assert (there.url, there.fetched.sha256) == (addresses[0], hashlib.sha256(SHOWN).hexdigest())
    assert there.fetched.perceptual_hash == f"pdq:{picture.pdq}"
    assert (there.fetched.media_type, there.fetched.size) == ("image/jpeg", len(SHOWN))
    assert (gone.url, gone.fetched) == (addresses[1], None)
    assert [(one["pictures"], one["pictures_fetched"]) for one in told] == [(2, 0), (2, 1)]
    assert holding(tmp_path, SHOWN[-64:]) == []
