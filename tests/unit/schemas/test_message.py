"""What every message has in common."""

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.message import Instant, LanguageTag, PlatformName, canonical_json, digest
from schemas.progress import ScreeningProgress

instants = TypeAdapter(Instant)
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.mark.parametrize(
    "naive",
    [datetime(2026, 3, 9, 8, 0), "2026-03-09T08:00:00", "2026-03-09"],  # noqa: DTZ001 - that is the point
    ids=["value", "text", "date"],
)
def test_a_time_without_a_zone_is_refused(naive: object) -> None:
    with pytest.raises(ValidationError):
        instants.validate_python(naive)


FIRST, LAST = datetime(2, 1, 1), datetime(9998, 12, 31)  # noqa: DTZ001 - Hypothesis wants bounds without zone


@given(st.datetimes(min_value=FIRST, max_value=LAST, timezones=offsets))
def test_an_instant_keeps_its_moment_and_is_held_in_utc(moment: datetime) -> None:
    held = instants.validate_python(moment.isoformat())

    assert held == moment
    assert held.tzinfo is UTC
    assert instants.dump_python(held, mode="json").endswith("Z")


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_an_instant_that_utc_cannot_hold_is_bad_input_and_no_crash(text: str) -> None:
    with pytest.raises(ValidationError, match="outside the years 1 to 9999"):
        instants.validate_python(text)


parts = st.lists(st.text(max_size=8) | st.binary(max_size=8), max_size=5)


def as_bytes(values: list[str | bytes]) -> list[bytes]:
    return [value.encode() if isinstance(value, str) else value for value in values]


@given(parts, parts)
def test_two_lists_of_parts_share_a_digest_only_when_they_hold_the_same_bytes(
    one: list[str | bytes], other: list[str | bytes]
) -> None:
    assert (digest(one) == digest(other)) == (as_bytes(one) == as_bytes(other))


@given(st.lists(st.text(alphabet="ab", max_size=3), min_size=1, max_size=4), st.data())
def test_moving_a_border_between_parts_changes_the_digest(values: list[str], data: st.DataObject) -> None:
    joined = "".join(values)
    cut = data.draw(st.integers(0, len(joined)))
    moved = [joined[:cut], joined[cut:]]

    assert (digest(values) == digest(moved)) == (values == moved)


def test_a_digest_is_the_sha256_of_length_prefixed_parts() -> None:
    expected = hashlib.sha256(b"\0\0\0\0\0\0\0\x02ab" + b"\0\0\0\0\0\0\0\x01c").hexdigest()

    assert digest(["ab", b"c"]) == expected


def test_a_lone_surrogate_does_not_stop_a_digest() -> None:
    assert len(digest(["\ud800"])) == 64


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_canonical_json_says_the_same_and_does_not_depend_on_the_order_of_keys(value: object) -> None:
    def reversed_keys(node: object) -> object:
        if isinstance(node, dict):
            return {key: reversed_keys(node[key]) for key in reversed(node)}
        return [reversed_keys(inner) for inner in node] if isinstance(node, list) else node

    raw = canonical_json(value)

    assert json.loads(raw) == value
    assert canonical_json(reversed_keys(value)) == raw


def test_canonical_json_refuses_what_json_cannot_say() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))


@pytest.mark.parametrize("name", ["", "Bazaar", "bazaar.example", "-bazaar", "a" * 64, "bazaar\n", "базар"])
def test_a_platform_name_that_could_not_be_a_key_prefix_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(PlatformName).validate_python(name)


@pytest.mark.parametrize(
    ("tag", "accepted"),
    [("en", True), ("zh-Hans-CN", True), ("sr-Latn", True), ("e", False), ("en_GB", False), ("en-", False)],
)
def test_a_language_is_a_bcp_47_tag(tag: str, accepted: bool) -> None:
    adapter = TypeAdapter(LanguageTag)
    if accepted:
        assert adapter.validate_python(tag) == tag
    else:
        with pytest.raises(ValidationError):
            adapter.validate_python(tag)


def progress(**fields: object) -> ScreeningProgress:
    given_fields = {
        "topic": "listings",
        "partition": 0,
        "first_offset": 0,
        "next_offset": 1,
        "decided": 1,
        "worker": "screening-1",
        "decided_at": "2026-03-09T08:00:00Z",
    }
    return ScreeningProgress.model_validate({**given_fields, **fields})


def test_a_message_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        progress().decided = 2  # type: ignore[misc]


def test_a_message_of_another_version_is_refused() -> None:
    with pytest.raises(ValidationError, match="schema_version"):
        progress(schema_version=2)


@pytest.mark.parametrize(
    "raw", [b"", b"null", b"[]", b"\xff\xfe", b'{"topic":', b"[" * 100_000], ids=lambda raw: repr(raw[:8])
)
def test_bytes_that_are_no_message_raise_one_kind_of_error(raw: bytes) -> None:
    with pytest.raises(ValidationError):
        ScreeningProgress.from_bytes(raw)
