"""Deadlines worked out another way, to compare with: no code of ``streams.sla`` is used.

Local midnights are found by walking every zone through five years in steps of a quarter of an hour
and reading the clock on the wall (only UTC to local time, which is never ambiguous). Limits are
counted one local date after the other, with a list of what closed the clock. Hours are counted by
adding up the stretches of time that were open.
"""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

import holidays

FIRST = date(2023, 12, 1)
LAST = date(2028, 12, 31)
QUARTER = timedelta(minutes=15)


@cache
def place_of(zone: str) -> ZoneInfo:
    """The zone as the pinned tzdata has it, not as this machine does."""
    with files("tzdata.zoneinfo").joinpath(zone).open("rb") as file:
        return ZoneInfo.from_file(file, key=zone)


@cache
def midnights(zone: str) -> dict[date, datetime]:
    """For every date the instant at which the date before is over."""
    place = place_of(zone)
    found: dict[date, datetime] = {}
    instant = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC)
    end = datetime(LAST.year, LAST.month, LAST.day, tzinfo=UTC)
    before = instant.astimezone(place).date()
    while instant < end:
        instant += QUARTER
        wall = instant.astimezone(place)
        if wall.date() > before:
            found[wall.date()] = instant
            before = wall.date()
        elif (wall.hour, wall.minute) == (0, 0):
            found[wall.date()] = instant  # midnight for the second time: the later counts
    return found


@cache
def date_at(zone: str, instant: datetime) -> date:
    """The date on the wall."""
    return instant.astimezone(place_of(zone)).date()


@cache
def closed_days(region: str) -> frozenset[date]:
    """Saturdays, Sundays and public holidays, as one list."""
    years = range(FIRST.year - 1, LAST.year + 2)
    country, _, part = region.partition("-")
    public = set(holidays.country_holidays(country, subdiv=part or None, years=years))
    day, found = FIRST, set(public)
    while day <= LAST:
        if day.isoweekday() >= 6:
            found.add(day)
        day += timedelta(days=1)
    return frozenset(found)


def days_due(
    zone: str, region: str | None, start: datetime, count: int, shut: Sequence[tuple[datetime, datetime]]
) -> datetime:
    """When ``count`` days (working ones where a region is given) are over.

    No date that the clock stood on, even for a moment, is charged.
    """
    days = sorted(midnights(zone))
    blocked = [(date_at(zone, one), date_at(zone, other)) for one, other in shut]
    closed = closed_days(region) if region else frozenset()
    place = bisect_left(days, date_at(zone, start)) + 1
    while True:
        day = days[place]
        if day not in closed and not any(one <= day <= other for one, other in blocked):
            count -= 1
            if count == 0:
                return midnights(zone)[days[place + 1]]
        place += 1


def hours_due(start: datetime, seconds: int, shut: Sequence[tuple[datetime, datetime]]) -> datetime:
    """When the open stretches after ``start`` add up to ``seconds``."""
    at, left = start, timedelta(seconds=seconds)
    for one, other in sorted(shut):
        if one - at >= left:
            break
        left -= one - at
        at = other
    return at + left
