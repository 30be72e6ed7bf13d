"""10,000 generated deadlines in 12 zones against a way of counting that shares no code."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import NamedTuple

import pytest

from streams.sla.calendar import Calendar, Unit
from streams.sla.clock import ClockEvent, Due, Limit, due
from tests.unit.streams.sla import oracle

PLACES = (
    ("Europe/Berlin", "DE"),
    ("Europe/Lisbon", "PT"),
    ("America/New_York", "US"),
    ("America/Havana", "CU"),  # clocks change at midnight: 0:00 is left out, or shown twice
    ("America/Santiago", "CL"),  # midnight is left out on a Sunday
    ("Africa/Cairo", "ZA"),  # midnight is left out on a Friday
    ("Asia/Beirut", "FR"),  # the same on a Sunday
    ("Asia/Kathmandu", "IN"),  # + 5:45
    ("Asia/Shanghai", "CN"),
    ("Australia/Lord_Howe", "AU-NSW"),  # clocks change by half an hour
    ("Pacific/Chatham", "NZ"),  # + 12:45 or + 13:45
    ("America/St_Johns", "CA-NL"),  # - 3:30
)
EACH = 834  # 12 × 834 > 10,000
MONTH_S = 30 * 86_400


class Generated(NamedTuple):
    limit: Limit
    start: datetime
    events: list[ClockEvent]
    shut: list[tuple[datetime, datetime]]


def generate(chance: Random, zone: str) -> Generated:
    """Half of the starts and stops lie within two days of a change of clocks or of the year's turn."""
    unit: Unit = chance.choice(("hours", "days", "working_days"))
    amount = chance.randint(1, 400) if unit == "hours" else chance.randint(1, 25)
    start = instant(chance, zone)
    rule = chance.choice(("run", "pause", "pause", "restart"))
    at = start
    events: list[ClockEvent] = []
    shut: list[tuple[datetime, datetime]] = []
    for _ in range(chance.randint(0, 3)):
        asked = at + timedelta(seconds=chance.randint(1, 6 * 86_400))
        told = asked + timedelta(
            seconds=chance.choice((1, 60, 3_600, 86_400, 500_000)) * chance.randint(1, 3)
        )
        how = chance.choice(("information_given", "request_dropped"))
        events += [ClockEvent("information_requested", asked), ClockEvent(how, told)]  # type: ignore[arg-type]
        shut.append((asked, told))
        at = told
    return Generated(Limit(amount, unit, rule), start, events, shut)  # type: ignore[arg-type]


def instant(chance: Random, zone: str) -> datetime:
    first = datetime(2024, 1, 1, tzinfo=UTC)
    if chance.random() < 0.5:
        near = chance.choice(changes(zone))
        return near + timedelta(seconds=chance.randint(-2 * 86_400, 2 * 86_400))
    return first + timedelta(
        seconds=chance.randint(0, 3 * 365 * 86_400), microseconds=chance.randint(0, 999_999)
    )


def changes(zone: str) -> list[datetime]:
    """Instants at which a day was not 24 hours long, and the turns of the year."""
    ends = sorted(oracle.midnights(zone).values())
    odd = [one for one, other in pairwise(ends) if other - one != timedelta(days=1)]
    turns = [datetime(year, 12, 24, 12, tzinfo=UTC) for year in (2024, 2025, 2026)]
    return [one for one in odd if one.year in (2024, 2025, 2026)] + turns


def expected(zone: str, region: str, one: Generated) -> datetime:
    """Through the clock events with the oracle alone."""

    def ends(start: datetime, shut: list[tuple[datetime, datetime]]) -> datetime:
        if one.limit.unit == "hours":
            return oracle.hours_due(start, int(one.limit.amount * 3_600), shut)
        working = region if one.limit.unit == "working_days" else None
        return oracle.days_due(zone, working, start, int(one.limit.amount), shut)

    start = one.start
    shut: list[tuple[datetime, datetime]] = []
    if one.limit.need_info == "run":
        return ends(start, shut)
    for (asked, told), end in zip(one.shut, one.events[1::2], strict=True):
        if asked > ends(start, shut):
            break
        if one.limit.need_info == "restart" and end.kind == "information_given":
            start, shut = told, []
        else:
            shut = [*shut, (asked, told)]
    return ends(start, shut)


@pytest.mark.parametrize(("zone", "region"), PLACES, ids=[zone for zone, _ in PLACES])
def test_generated_deadlines_equal_the_oracle(zone: str, region: str) -> None:
    chance = Random(f"{zone} 5")
    calendar = Calendar(zone, region)
    units: dict[str, int] = {}
    stopped = 0
    for number in range(EACH):
        one = generate(chance, zone)
        shuffled = [*one.events, *one.events[:1]]
        chance.shuffle(shuffled)

        found: Due = due(one.limit, one.start, shuffled, calendar)

        assert found.due_at == expected(zone, region, one), (number, one)
        units[one.limit.unit] = units.get(one.limit.unit, 0) + 1
        stopped += found.why in ("resumed", "restarted")
    assert min(units.values()) > EACH // 5
    assert stopped > EACH // 5, "the generator must reach what stops a clock"


def test_the_zones_are_those_where_days_are_long_and_short() -> None:
    lengths = {zone: set[timedelta]() for zone, _ in PLACES}
    for zone, found in lengths.items():
        ends = sorted(oracle.midnights(zone).values())
        found.update(other - one for one, other in pairwise(ends))

    assert lengths["Asia/Shanghai"] == {timedelta(hours=24)}
    assert {timedelta(hours=23.5), timedelta(hours=24.5)} <= lengths["Australia/Lord_Howe"]
    assert sum(len(found) >= 3 for found in lengths.values()) >= 10
