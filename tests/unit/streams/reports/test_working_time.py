"""Business time, against a walk through every minute and the deadlines' own calendar."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.reports.working_time import WorkingTime
from streams.sla.calendar import Calendar
from streams.sla.zones import zone

ZONES = ("Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia", "Etc/UTC")
STEP = timedelta(minutes=15)
START = datetime(2011, 12, 27, tzinfo=UTC)
"""Before Apia left a day out; with other years for changes of clocks."""


def walked(calendar: Calendar, start: datetime, end: datetime) -> float:
    place, found = zone(calendar.zone), timedelta(0)
    while start < end:
        if calendar.is_working_day(start.astimezone(place).date()):
            found += STEP
        start += STEP
    return found.total_seconds()


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.sampled_from([START, datetime(2026, 3, 26, tzinfo=UTC), datetime(2026, 10, 23, tzinfo=UTC)]),
    st.integers(0, 300),
    st.integers(0, 900),
)
def test_it_equals_a_walk_through_local_time(name: str, base: datetime, before: int, steps: int) -> None:
    calendar = Calendar(name)
    start = base + before * STEP
    end = start + steps * STEP

    assert WorkingTime(calendar).between(start, end) == pytest.approx(walked(calendar, start, end), abs=1e-3)


@given(st.lists(st.integers(-3_000, 3_000), min_size=2, max_size=20))
def test_the_order_of_questions_changes_nothing(hours: list[int]) -> None:
    base = datetime(2026, 3, 2, tzinfo=UTC)
    shared = WorkingTime(Calendar())

    for hour in hours:
        start = base + timedelta(hours=hour)
        end = start + timedelta(days=3)
        assert shared.between(start, end) == pytest.approx(WorkingTime(Calendar()).between(start, end))


def test_a_limit_is_reckoned_as_deadlines_are() -> None:
    calendar = Calendar("Europe/Berlin", "DE")
    working = WorkingTime(calendar)
    for hour in range(0, 24 * 20, 5):
        start = datetime(2026, 4, 1, tzinfo=UTC) + timedelta(hours=hour)

        assert working.reach(start, 2) == calendar.reach(start, 2, "working_days").timestamp()


def test_what_ends_before_it_began_took_no_time() -> None:
    start = datetime(2026, 3, 2, tzinfo=UTC)

    assert WorkingTime(Calendar()).between(start, start - timedelta(hours=1)) == 0
