"""The watchlist as a fold over its topic, and the search for the entry that spoils a build."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.watchlist import EntryKind, WatchlistEntry
from streams.screening.decode import Rejected
from streams.screening.watchlist import (
    Entries,
    Removal,
    apply,
    build_what_can_be,
    in_force,
    logged,
    next_expiry,
    read_change,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def entry(entry_id: str = "e-1", **changes: Any) -> WatchlistEntry:
    return WatchlistEntry.model_validate(
        {
            "entry_id": entry_id,
            "kind": "term",
            "value": f"word {entry_id}",
            "reason": "seen in listings of ivory",
            "source": "test",
            "added_by": "tests",
            "added_at": NOW,
            **changes,
        }
    )


def test_a_record_is_an_entry_or_a_removal() -> None:
    assert read_change(b"e-1", entry().to_bytes()) == entry()
    assert read_change(b"e-1", None) == Removal("e-1")
    assert read_change(b"e-1", b"") == Removal("e-1")


@pytest.mark.parametrize(
    ("key", "value", "reason", "says"),
    [
        pytest.param(None, b"{}", "wrong_shape", "no key", id="no key"),
        pytest.param(b"\xff", b"{}", "undecodable", "not UTF-8", id="key is not text"),
        pytest.param(b"e-1", b"{", "not_json", "'e-1' is not JSON", id="not JSON"),
        pytest.param(b"e-1", b"[" * 99_999, "not_json", "is not JSON", id="nested"),
        pytest.param(b"e-1", b"{}", "wrong_shape", "entry_id: Field required", id="empty object"),
        pytest.param(b"e-2", entry().to_bytes(), "wrong_shape", "not the entry's id e-1", id="other key"),
        pytest.param(
            b"e-1",
            json.dumps({**json.loads(entry().to_bytes()), "value": "x"}).encode(),
            "wrong_shape",
            "value: ",
            id="one letter matches everything",
        ),
    ],
)
def test_a_bad_record_has_one_reason(key: bytes | None, value: bytes, reason: str, says: str) -> None:
    answer = read_change(key, value)

    assert isinstance(answer, Rejected)
    assert answer.reason == reason
    assert says in answer.sentence


def test_the_latest_change_under_an_id_is_the_valid_one() -> None:
    after = apply(
        {"a": entry("a"), "b": entry("b")}, [entry("a", value="newer"), Removal("b"), Removal("unknown")]
    )

    assert after == {"a": entry("a", value="newer")}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, True, id="active"),
        pytest.param({"state": "shadow"}, True, id="shadow counts and sends nothing"),
        pytest.param({"state": "quarantined"}, False, id="quarantined"),
        pytest.param({"state": "retired"}, False, id="retired"),
        pytest.param({"expires_at": NOW}, False, id="expires now"),
        pytest.param({"expires_at": NOW + timedelta(seconds=1)}, True, id="expires later"),
    ],
)
def test_only_active_entries_are_in_force(changes: dict[str, Any], expected: bool) -> None:
    assert ("e-1" in in_force({"e-1": entry(**changes)}, NOW)) is expected


def test_the_next_expiry_is_the_earliest_of_those_in_force() -> None:
    entries = {
        "never": entry("never"),
        "gone": entry("gone", expires_at=NOW - timedelta(days=1)),
        "soon": entry("soon", expires_at=NOW + timedelta(minutes=1)),
        "later": entry("later", expires_at=NOW + timedelta(minutes=2)),
    }

    assert next_expiry(entries, NOW) == NOW + timedelta(minutes=1)
    assert next_expiry({"never": entry("never")}, NOW) is None


def build(entries: Entries) -> frozenset[str]:
    """Builds from everything but entries whose value is 'bad'."""
    if any(each.value == "bad" for each in entries.values()):
        raise ValueError("bad")
    return frozenset(f"{each.entry_id}={each.value}" for each in entries.values())


@given(st.dictionaries(st.sampled_from("abcdefghij"), st.booleans()), st.sets(st.sampled_from("abcdefghij")))
def test_every_usable_entry_is_used_and_every_other_is_named(
    changed: dict[str, bool], before: set[str]
) -> None:
    good = {name: entry(name, value="before") for name in before}
    wanted = {**good, **{name: entry(name, value="after" if ok else "bad") for name, ok in changed.items()}}

    built, used, bad = build_what_can_be(build, good, wanted)

    expected = {**good, **{name: wanted[name] for name, ok in changed.items() if ok}}
    assert used == expected
    assert built == build(expected)
    assert set(bad) == {name for name, ok in changed.items() if not ok}


def test_a_build_that_fails_without_any_change_is_not_blamed_on_an_entry() -> None:
    with pytest.raises(ValueError, match="bad"):
        build_what_can_be(build, {"a": entry("a", value="bad")}, {"a": entry("a", value="bad")})


def test_one_bad_entry_among_a_thousand_costs_few_builds() -> None:
    builds = 0

    def counted(entries: Entries) -> frozenset[str]:
        nonlocal builds
        builds += 1
        return build(entries)

    wanted = {f"e{n}": entry(f"e{n}", value="bad" if n == 617 else "good") for n in range(1_000)}
    _, used, bad = build_what_can_be(counted, {}, wanted)

    assert (len(used), list(bad)) == (999, ["e617"])
    assert builds <= 30


def test_the_log_tells_an_entry_by_its_id_unless_the_id_names_somebody() -> None:
    for kind in get_args(EntryKind):
        told = logged(entry(f"{kind}.ivory-king.1a2b3c4d", kind=kind, value="Ivory King"))
        assert ("ivory" in told) == (kind not in ("seller", "not_seller", "phone", "handle", "payment"))
        assert told.startswith(kind)
