"""Setting a record aside never fails, never loses what can be kept, and repeats its id."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.dead_letter import KEEP, KEEP_KEY, DeadLetter, dead_letter
from schemas.listing import Listing
from schemas.topics import DEAD_LETTERS

NOW = datetime(2026, 3, 9, 8, 0, tzinfo=UTC)


def letter(**fields: Any) -> DeadLetter:
    given_fields: dict[str, Any] = {
        "stage": "screening",
        "reason": "not_json",
        "detail": "The record is not JSON.",
        "value": b"{",
        "now": NOW,
        "topic": "listings",
        "partition": 1,
        "offset": 7,
    }
    return dead_letter(**{**given_fields, **fields})


def test_the_same_record_set_aside_twice_has_one_id() -> None:
    again = letter(now=NOW + timedelta(days=3), reason="wrong_shape", detail="Other words.", worker="w-2")

    assert letter().dead_letter_id == again.dead_letter_id


@pytest.mark.parametrize(
    "elsewhere",
    [{"topic": "reports"}, {"partition": 2}, {"offset": 8}, {"stage": "notices"}],
    ids=lambda fields: next(iter(fields)),
)
def test_another_place_has_another_id(elsewhere: dict[str, Any]) -> None:
    assert letter().dead_letter_id != letter(**elsewhere).dead_letter_id


def test_what_never_reached_kafka_is_told_apart_by_origin_and_bytes() -> None:
    outside = {"topic": None, "partition": None, "offset": None}
    ids = {
        letter(**outside, origin="ads.jsonl:1").dead_letter_id,
        letter(**outside, origin="ads.jsonl:2").dead_letter_id,
        letter(**outside, origin="ads.jsonl:1", value=b"other").dead_letter_id,
    }

    assert len(ids) == 3
    assert letter(**outside, origin="ads.jsonl:1").dead_letter_id in ids


@given(st.binary(max_size=200), st.none() | st.binary(max_size=50))
def test_the_bytes_come_back_as_they_were(value: bytes, key: bytes | None) -> None:
    read = DeadLetter.from_bytes(letter(value=value, key=key).to_bytes())

    assert read.value == value
    assert read.record_key_bytes == key
    assert read.record_bytes == len(value)
    assert read.replayable


def test_a_record_that_is_too_long_is_cut_and_cannot_be_put_back() -> None:
    cut = letter(value=b"\x00" * (KEEP + 1))

    assert cut.value == b"\x00" * KEEP
    assert cut.record_bytes == KEEP + 1
    assert cut.truncated
    assert not cut.replayable
    assert not letter(value=b"\x00" * KEEP).truncated


def test_a_key_that_is_too_long_is_cut_and_the_record_cannot_be_put_back_under_another_key() -> None:
    cut = letter(key=b"k" * (KEEP_KEY + 1))

    assert cut.record_key_bytes == b"k" * KEEP_KEY
    assert not cut.replayable


def test_the_longest_key_of_a_listing_is_kept_whole() -> None:
    longest = Listing.sealed(
        platform="p" * 63,
        listing_id="\U0001f98f" * 512,
        url="https://bazaar.example/",
        observed_at=NOW,
        connector="feed",
        run_id="run-1",
    ).key.encode()
    kept = letter(key=longest)

    assert kept.record_key_bytes == longest
    assert kept.replayable


def test_the_longest_dead_letter_fits_its_topic() -> None:
    longest = letter(
        value=b"\xff" * (2 * KEEP),
        key=b"\xff" * (2 * KEEP_KEY),
        detail="\x01" * 9_000,
        origin="\x01" * 9_000,
        worker="w" * 200,
    )

    assert len(longest.to_bytes()) < DEAD_LETTERS.max_message_bytes - 4_096


@pytest.mark.parametrize(
    "detail", ["", "it said \ud83d", "x" * 100_000, "\x00"], ids=["empty", "surrogate", "long", "nul"]
)
def test_whatever_the_reason_quotes_the_record_is_set_aside(detail: str) -> None:
    made = letter(detail=detail)

    assert 1 <= len(DeadLetter.from_bytes(made.to_bytes()).detail) <= 2_000


def test_what_has_no_topic_cannot_be_put_back() -> None:
    assert not letter(topic=None, partition=None, offset=None, origin="ads.jsonl:1").replayable
