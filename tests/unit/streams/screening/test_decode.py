"""Every record is a listing or has one clear reason why it is none."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.listing import Listing
from streams.screening.decode import MAX_LISTING_BYTES, Rejected, decode

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KNOWN = frozenset({"practice"})


def fields(**changes: Any) -> dict[str, Any]:
    """A listing as a connector writes it, with changes; ``None`` takes a field out."""
    listing = Listing.sealed(
        platform="practice",
        listing_id="L-1",
        url="https://practice.example/1",
        title="Old box",
        observed_at=NOW,
        connector="file",
        run_id="r1",
    )
    told = {**json.loads(listing.to_bytes()), **changes}
    return {name: value for name, value in told.items() if value is not None}


def raw(**changes: Any) -> bytes:
    return json.dumps(fields(**changes)).encode()


def rejected(value: bytes | None, known: frozenset[str] | None = KNOWN) -> Rejected:
    answer = decode(value, NOW, known_platforms=known)
    assert isinstance(answer, Rejected)
    return answer


def test_a_good_record_is_a_listing() -> None:
    listing = decode(raw(), NOW, known_platforms=KNOWN)

    assert isinstance(listing, Listing)
    assert listing.key == "practice:L-1"


@pytest.mark.parametrize(
    ("value", "reason", "says"),
    [
        pytest.param(None, "undecodable", "no value", id="tombstone"),
        pytest.param(b"", "undecodable", "no value", id="empty"),
        pytest.param(b"\xff\xfe\x00", "undecodable", "byte 0", id="not UTF-8"),
        pytest.param(b'{"title": "caf\xe9"}', "undecodable", "byte 14", id="Latin-1 inside JSON"),
        pytest.param(b"hello", "not_json", "not JSON", id="text"),
        pytest.param(b'{"platform":', "not_json", "cut off", id="truncated"),
        pytest.param(b"[" * 100_000, "not_json", "not JSON", id="nested 100,000 deep"),
        pytest.param(b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "not_json", "not JSON", id="deep objects"),
        pytest.param(b"[]", "wrong_shape", "the whole", id="a list"),
        pytest.param(b"null", "wrong_shape", "the whole", id="null"),
        pytest.param(b'{"title":"\\ud800"}', "not_json", "not JSON", id="half a surrogate pair"),
        pytest.param(raw(listing_id=None), "wrong_shape", "no usable listing_id", id="no listing id"),
        pytest.param(raw(listing_id=""), "wrong_shape", "no usable listing_id", id="empty listing id"),
        pytest.param(raw(listing_id=7), "wrong_shape", "no usable listing_id", id="number as listing id"),
        pytest.param(raw(title=5), "wrong_shape", "title: ", id="number as title"),
        pytest.param(raw(observed_at="2026-11-23T12:00:00"), "wrong_shape", "timezone", id="no zone"),
        pytest.param(raw(observed_at="0001-01-01T00:00:00+14:00"), "wrong_shape", "observed_at", id="year 0"),
        pytest.param(raw(price={"amount": float("nan")}), "wrong_shape", "price.amount", id="NaN"),
        pytest.param(raw(price={"amount": float("inf")}), "wrong_shape", "price.amount", id="Infinity"),
        pytest.param(raw(platform="Not A Name"), "wrong_shape", "platform", id="no platform name"),
        pytest.param(raw(schema_version=2), "wrong_shape", "schema_version", id="another version"),
        pytest.param(raw(description="x" * 200_001), "too_large", "description", id="long description"),
        pytest.param(raw(images=[{"url": "u"}] * 201), "too_large", "images", id="too many images"),
        pytest.param(b"x" * (MAX_LISTING_BYTES + 1), "too_large", "1,000,001 bytes", id="over 1 MB"),
        pytest.param(raw(platform="elsewhere"), "unknown_platform", "elsewhere", id="unknown platform"),
        pytest.param(raw(observed_at="2026-11-23T12:05:01Z"), "from_the_future", "observed_at", id="ahead"),
        pytest.param(
            raw(posted_at="2026-11-24T12:00:01Z"), "from_the_future", "posted_at", id="posted ahead"
        ),
    ],
)
def test_a_bad_record_has_one_reason(value: bytes | None, reason: str, says: str) -> None:
    answer = rejected(value)

    assert answer.reason == reason
    assert says in answer.sentence
    assert answer.sentence.endswith(".")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"observed_at": "2026-11-23T12:05:00Z"}, id="observed five minutes ahead"),
        pytest.param({"posted_at": "2026-11-24T12:00:00Z"}, id="posted a day ahead"),
        pytest.param({"title": "\u202eivory\u0000\u200b"}, id="bidi and control characters"),
        pytest.param({"unheard_of": {"a": 1}}, id="a field of a newer version"),
        pytest.param({"description": "象" * 200_000}, id="200,000 Han characters"),
    ],
)
def test_an_unusual_record_is_taken(changes: dict[str, Any]) -> None:
    value = json.dumps(fields(**changes), ensure_ascii=False).encode()

    assert isinstance(decode(value, NOW, known_platforms=KNOWN), Listing)


def test_the_last_of_two_equal_keys_counts() -> None:
    value = raw().replace(b'{"schema_version"', b'{"title":"first","schema_version"')

    listing = decode(value, NOW)

    assert isinstance(listing, Listing)
    assert listing.title == "Old box"


def test_without_a_list_of_platforms_every_name_is_taken() -> None:
    assert isinstance(decode(raw(platform="elsewhere"), NOW), Listing)


def test_only_the_first_faults_are_named() -> None:
    answer = rejected(b"{}")

    assert "and 4 more" in answer.sentence
    assert answer.sentence.count("Field required") == 3


def test_a_sentence_never_holds_what_the_seller_wrote() -> None:
    secret = "call me on 0123"

    for value in (
        raw(price={"amount": secret}),
        raw(observed_at=secret),
        raw(images=[secret]),
        raw(language=secret),
        secret.encode(),
    ):
        assert secret not in rejected(value).sentence


@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise(value: bytes) -> None:
    assert isinstance(decode(value, NOW), Rejected)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(Listing.model_fields)), json_values)
def test_no_value_of_a_field_makes_it_raise(name: str, value: Any) -> None:
    answer = decode(json.dumps({**fields(), name: value}).encode(), NOW + timedelta(days=1))

    assert isinstance(answer, (Listing, Rejected))
