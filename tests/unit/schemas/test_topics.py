"""The catalogue of topics."""

import re

import pytest

from schemas.generate import MESSAGES
from schemas.topics import CATALOGUE, LISTINGS, PARTITIONS, WATCHLIST, Topic, topic


def test_names_are_unique_and_safe_in_kafka_and_metrics() -> None:
    names = [entry.name for entry in CATALOGUE]

    assert len(names) == len(set(names))
    assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9-]{0,60}", name)] == []


def test_a_topic_is_found_by_name() -> None:
    assert topic("listings") is LISTINGS
    with pytest.raises(KeyError):
        topic("listing")


def test_days_become_kafkas_milliseconds() -> None:
    made = Topic("t", LISTINGS.message, "k", "s", (), (), retention_days=1.5)

    assert made.config() == {
        "cleanup.policy": "delete",
        "retention.ms": "129600000",
        "max.message.bytes": "1048588",
    }


def test_a_compacted_topic_is_kept_for_ever() -> None:
    assert WATCHLIST.config()["cleanup.policy"] == "compact"
    assert WATCHLIST.config()["retention.ms"] == "-1"


def test_extra_settings_win() -> None:
    made = Topic("t", LISTINGS.message, "k", "s", (), (), extra={"retention.ms": "1", "segment.ms": "2"})

    assert made.config()["retention.ms"] == "1"
    assert made.config()["segment.ms"] == "2"


def test_a_topic_can_stand_in_a_set() -> None:
    assert len(set(CATALOGUE)) == len(CATALOGUE)


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_each_topic_carries_a_known_message_that_somebody_writes_and_reads(entry: Topic) -> None:
    assert set(entry.messages) <= set(MESSAGES)
    assert entry.producers
    assert entry.consumers
    assert entry.partitions == PARTITIONS


def test_topics_with_one_key_have_one_partition_count() -> None:
    by_key: dict[str, set[int]] = {}
    for entry in CATALOGUE:
        by_key.setdefault(entry.key, set()).add(entry.partitions)

    assert {key: counts for key, counts in by_key.items() if len(counts) > 1} == {}
