"""An entry is stopped when it matches far above its usual share, and only then."""

from dataclasses import astuple
from datetime import UTC, datetime, timedelta

import pytest

from streams.screening.flood_guard import Flood, FloodGuard, FloodLimits, floods, learned

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LIMITS = FloodLimits(timedelta(minutes=1), matches=50, share=0.05, factor=10.0)


@pytest.mark.parametrize(
    ("decided", "matches", "usual", "expected"),
    [
        pytest.param(500, 49, 0.0, False, id="too few to say"),
        pytest.param(1_000, 50, 0.0, False, id="not above the share"),
        pytest.param(999, 50, 0.0, True, id="new and above the share"),
        pytest.param(500, 400, 0.08, False, id="ten times the usual"),
        pytest.param(500, 401, 0.08, True, id="above ten times the usual"),
        pytest.param(500, 500, 0.5, False, id="always matches much"),
    ],
)
def test_a_flood_is_many_and_much_and_unusual(
    decided: int, matches: int, usual: float, expected: bool
) -> None:
    found = floods(decided, {"e": matches, "quiet": 1}, {"e": usual}, LIMITS)

    assert [one.entry_id for one in found] == (["e"] if expected else [])


def test_the_baseline_follows_slowly_and_learns_no_flood() -> None:
    first = learned(100, {"a": 10}, {}, ())
    second = learned(100, {"a": 0, "b": 90}, first, {"b"})

    assert first == {"a": pytest.approx(0.1)}
    assert second == {"a": pytest.approx(0.08)}


def test_windows_follow_each_other_and_a_flood_is_told_once_in_each() -> None:
    guard = FloodGuard(LIMITS)

    for minute in range(5):
        assert guard.count(1_000, ["e"] * 20, NOW + timedelta(minutes=minute)) == ()
    at = NOW + timedelta(minutes=5)
    (flood,) = guard.count(200, ["e"] * 60, at)
    assert astuple(flood) == ("e", 60, 200, pytest.approx(0.02), LIMITS.window)
    assert guard.count(200, ["e"] * 60, at + timedelta(seconds=30)) == ()
    assert [one.entry_id for one in guard.count(200, ["e"] * 60, at + timedelta(minutes=1))] == ["e"]


def test_what_matched_a_window_ago_does_not_count() -> None:
    guard = FloodGuard(LIMITS)

    for minute in range(20):
        assert guard.count(40, ["e"] * 40, NOW + timedelta(minutes=minute)) == ()


def test_the_reason_gives_the_counts() -> None:
    said = Flood("e", 60, 200, 0.02, LIMITS.window).sentence(NOW)

    for part in ("60 of 200", "30.0%", "2.00% before", "60 s", "2026-11-23T12:00:00Z"):
        assert part in said
