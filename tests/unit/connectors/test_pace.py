"""The rate is never exceeded, nobody waits longer than needed, and silence is kept."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.pace import Pace, backoff_s, reserve


@given(
    st.floats(0.01, 10),
    st.integers(1, 10),
    st.lists(st.floats(0, 5), min_size=2, max_size=60),
)
def test_in_no_stretch_of_time_more_start_than_the_rate_and_burst_allow(
    interval: float, burst: int, gaps: list[float]
) -> None:
    full_at, starts = 0.0, []
    for now in itertools.accumulate(gaps):
        full_at, start = reserve(full_at, now, interval=interval, burst=burst)
        assert start >= now
        starts.append(start)

    for first, last in itertools.combinations(range(len(starts)), 2):
        allowed = burst + (starts[last] - starts[first]) / interval
        assert last - first + 1 <= allowed + 1e-6


def test_whoever_comes_late_does_not_wait() -> None:
    assert reserve(5.0, 100.0, interval=1.0, burst=1) == (101.0, 100.0)


@pytest.mark.parametrize(("failures", "least", "most"), [(1, 0.5, 1), (4, 4, 8), (99, 150, 300)])
def test_backoff_doubles_up_to_five_minutes(failures: int, least: float, most: float) -> None:
    assert backoff_s(failures, chance=0.0) == least
    assert backoff_s(failures, chance=1.0) == most


def test_backoff_is_never_shorter_than_what_was_asked_for() -> None:
    assert backoff_s(1, chance=0.0, retry_after_s=77.0) == 77.0


class _Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def test_turns_come_at_the_rate_and_several_places_count_as_many() -> None:
    clock = _Clock()
    pace = Pace(10, monotonic=clock, sleep=clock.sleep)

    for _ in range(21):
        await pace.turn()
    assert clock.now - 1000 == pytest.approx(2.0)
    await pace.turn(20)
    await pace.turn()
    assert clock.now - 1000 == pytest.approx(4.1)


async def test_a_shorter_wish_for_silence_does_not_cut_a_longer_one() -> None:
    clock = _Clock()
    pace = Pace(10, monotonic=clock, sleep=clock.sleep)

    assert pace.silent_for_s == 0
    pace.be_silent(60)
    pace.be_silent(5)
    clock.now += 20
    assert pace.silent_for_s == pytest.approx(40)
    clock.now += 50
    assert pace.silent_for_s == 0
