"""Health is progress: a worker that stands still is not healthy, one with nothing to do is."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from aiokafka import TopicPartition

from connectors.observability import Health
from streams.screening.health import screening_health
from streams.screening.lossless.ledger import Ledger

PART = TopicPartition("listings", 0)


@dataclass
class FixedBook:
    """The book's answers, as the test says."""

    still_s: float = 0.0
    open: dict[TopicPartition, Ledger] = field(default_factory=lambda: {PART: Ledger(5, 5)})

    def ledgers(self) -> dict[TopicPartition, Ledger]:
        return self.open

    def standing_still_s(self) -> dict[TopicPartition, float]:
        return {PART: self.still_s}

    def undecided_s(self, partition: TopicPartition) -> float:
        return 0.0


@dataclass
class FixedConsumer:
    """As much of the consumer as health looks at."""

    book: FixedBook = field(default_factory=FixedBook)
    rejoining_s: float | None = 0.0
    ends: dict[TopicPartition, int] = field(default_factory=lambda: {PART: 9})

    @property
    def joined(self) -> bool:
        return self.rejoining_s == 0.0


def health(consumer: FixedConsumer | None) -> Health:
    return screening_health(
        cast(Any, consumer), ruleset_version="r1", watchlist_entries=2, up_s=3.0, late_after_s=30.0
    )


@pytest.mark.parametrize(
    ("consumer", "ok", "says"),
    [
        pytest.param(None, False, "not yet a member", id="starting"),
        pytest.param(FixedConsumer(rejoining_s=None), False, "not yet a member", id="never joined"),
        pytest.param(FixedConsumer(rejoining_s=29.0), True, "get on", id="rebalancing"),
        pytest.param(FixedConsumer(rejoining_s=31.0), False, "outside the consumer group", id="thrown out"),
        pytest.param(
            FixedConsumer(FixedBook(open={})), True, "0 partitions", id="more workers than partitions"
        ),
        pytest.param(FixedConsumer(FixedBook(29.0)), True, "1 partitions get on", id="slow"),
        pytest.param(
            FixedConsumer(FixedBook(31.0)), False, "partition 0 stands still at offset 5", id="stuck"
        ),
    ],
)
def test_a_worker_is_healthy_when_its_offsets_get_on(
    consumer: FixedConsumer | None, ok: bool, says: str
) -> None:
    told = health(consumer)

    assert told.ok is ok
    assert says in told.summary


def test_the_facts_tell_offsets_lag_and_versions() -> None:
    facts = health(FixedConsumer()).facts

    assert facts["partitions"]["0"]["decided_to"] == 5
    assert facts["partitions"]["0"]["lag"] == 4
    assert (facts["ruleset"], facts["watchlist_entries"]) == ("r1", 2)
