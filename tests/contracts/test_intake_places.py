"""What the intake has fetched and could not take is fetched again, whatever kept it from being taken."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry

from schemas.dead_letter import DeadLetter
from schemas.topics import DETECTIONS
from streams.notices.casebook import figures
from streams.notices.casebook.database import Casebook, CasebookUnavailable
from streams.notices.intake import detection_intake
from streams.notices.loops import Bell
from streams.notices.metrics import NoticeMetrics
from streams.notices.topic_intake import TopicIntake
from tests.support.casebooks import DESK
from tests.support.notices import T0, make_detection

PLACE = TopicPartition(DETECTIONS.name, 0)


@dataclass
class Value:
    offset: int
    value: bytes
    key: bytes | None = None


@dataclass
class Log:
    """A partition, and a consumer's place in it."""

    values: list[bytes]
    at: int = 0
    most: int = 2

    async def getmany(self, **_: Any) -> dict[TopicPartition, list[Value]]:
        found = [Value(n, self.values[n]) for n in range(self.at, min(self.at + self.most, len(self.values)))]
        self.at += len(found)
        return {PLACE: found} if found else {}

    async def beginning_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 0)

    def seek(self, _: TopicPartition, at: int) -> None:
        self.at = at

    def highwater(self, _: TopicPartition) -> int:
        return len(self.values)


@dataclass
class Outages:
    """Which of the next calls fail."""

    writes: int = 0
    reads: int = 0
    letters: int = 0
    aside: list[DeadLetter] = field(default_factory=list)

    async def set_aside(self, letters: Sequence[DeadLetter]) -> None:
        if self.letters:
            self.letters -= 1
            raise ConnectionError("Kafka is away")
        self.aside += letters


@pytest.fixture
def casebook(tmp_path: Path) -> Iterator[Casebook]:
    book = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}")
    yield book
    book.close()


def failing(call: Callable[..., Any], outages: Outages, what: str) -> Callable[..., Any]:
    async def called(*args: Any, **kwargs: Any) -> Any:
        left = getattr(outages, what)
        if left:
            setattr(outages, what, left - 1)
            raise CasebookUnavailable("the server is away")
        return await call(*args, **kwargs)

    return called


@pytest.mark.parametrize(
    "outages",
    [Outages(writes=1), Outages(writes=1, reads=3), Outages(reads=2), Outages(letters=2), Outages(1, 1, 1)],
    ids=["write", "write and its way back", "start", "dead letters", "all"],
)
async def test_nothing_that_was_fetched_is_passed_over(
    casebook: Casebook, outages: Outages, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [str(number) for number in range(9)]
    log = Log([make_detection(number).to_bytes() for number in wanted])
    log.values.insert(3, b"not a detection")
    monkeypatch.setattr("streams.notices.topic_intake.AIOKafkaConsumer", lambda **_: log)
    intake: TopicIntake[Any, Any] = detection_intake(
        casebook,
        DESK,
        NoticeMetrics(CollectorRegistry()),
        bootstrap="127.0.0.1:1",
        group="test",
        set_aside=outages.set_aside,
        queued=Bell(),
        worker="test",
        clock=lambda: T0,
    )
    monkeypatch.setattr(casebook, "run", failing(casebook.run, outages, "writes"))
    monkeypatch.setattr(casebook, "look", failing(casebook.look, outages, "reads"))
    broken = 0
    try:
        await intake.seek([0])
    except CasebookUnavailable:
        broken += 1

    for _ in range(20):
        try:
            await intake.step()
        except (CasebookUnavailable, ConnectionError):
            broken += 1

    assert broken > 0
    assert sorted(one.listing_id for one in casebook.answer(figures.item_times)) == wanted
    assert {letter.offset for letter in outages.aside} == {3}
