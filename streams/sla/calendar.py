"""The business clock: working days of the addressee, and how far a limit reaches from an instant.

Hours are UTC arithmetic. Days and working days are local dates of the addressee's zone; the day on
which something happens is not counted, and the limit ends when its last day ends there. That is
the reading of Regulation (EEC, Euratom) No 1182/71, Article 3 (unchecked by a lawyer); that
regulation also says that working days are all days but Saturdays, Sundays and public holidays.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from importlib.metadata import version
from typing import Literal

from schemas.errors import OperatorError
from streams.sla.zones import day_end, day_exists, local_date, tzdata_version, zone

Unit = Literal["hours", "days", "working_days"]
Amount = float
"""Hours (may be a fraction), or a whole number of days."""

_DAY = timedelta(days=1)
LONGEST_DAYS = 3_660
"""No limit reaches further; a calendar that has no working day in ten years is a mistake."""
UTC_ZONE = "Etc/UTC"


@dataclass(frozen=True, slots=True)
class Calendar:
    """Where an addressee works: a zone and a region's public holidays.

    >>> Calendar("Europe/Berlin", "DE-BY").is_working_day(date(2026, 12, 25))
    False
    """

    zone: str = UTC_ZONE
    """IANA name."""
    region: str | None = None
    """ISO 3166-1 alpha-2, or with an ISO 3166-2 subdivision (``DE-BY``); ``None``: weekends only."""

    def is_working_day(self, day: date) -> bool:
        """Neither weekend nor public holiday, and a date that existed in the zone."""
        return _is_working_day(self.zone, self.region, day)

    def reach(self, start: datetime, amount: Amount, unit: Unit) -> datetime:
        """The instant (of ``start``'s own zone, UTC here) by which a limit from ``start`` is over.

        Raises:
            ValueError: an amount that is not above zero, too long, or a fraction of days.
        """
        _check(amount, unit)
        if unit == "hours":
            return start + timedelta(hours=amount)
        place = zone(self.zone)
        left = int(amount)
        for day in self._days_after(local_date(start, place), unit):
            left -= 1
            if left == 0:
                return day_end(day, place)
        raise ValueError(f"no {amount:g} {unit} within {LONGEST_DAYS} days in {self}")

    def spent(self, start: datetime, at: datetime, unit: Unit) -> Amount:
        """How much of a limit from ``start`` was used up when the clock stopped at ``at``.

        Of days only whole ones: neither the day of ``start`` nor the day of ``at`` is counted, so
        that a day on which the clock stood is never charged.
        """
        if unit == "hours":
            return (at - start) / timedelta(hours=1)
        place = zone(self.zone)
        last = local_date(at, place)
        used = 0
        for day in self._days_after(local_date(start, place), unit):
            if day >= last:
                break
            used += 1
        return float(used)

    def _days_after(self, day: date, unit: Unit) -> Iterator[date]:
        place = zone(self.zone)
        for _ in range(LONGEST_DAYS):
            day += _DAY
            if self.is_working_day(day) if unit == "working_days" else day_exists(day, place):
                yield day

    @property
    def edition(self) -> str:
        """Which data it is computed from; kept beside a deadline."""
        return f"{self.zone} {self.region or 'weekends'}; tzdata {tzdata_version()}; {holidays_version()}"


@cache
def holidays_version() -> str:
    """The release of the public holidays, for example ``holidays 0.109``."""
    return f"holidays {version('holidays')}"


def check_region(region: str) -> None:
    """Refuse a region without known holidays.

    Raises:
        OperatorError
    """
    _holidays(region, 2026)


def _check(amount: Amount, unit: Unit) -> None:
    longest = LONGEST_DAYS * 24 if unit == "hours" else LONGEST_DAYS
    if not 0 < amount <= longest:
        raise ValueError(f"a limit is more than 0 and at most {longest} {unit}, not {amount:g}")
    if unit != "hours" and amount != int(amount):
        raise ValueError(f"a limit in {unit} is a whole number, not {amount:g}")


@lru_cache(maxsize=65_536)
def _is_working_day(zone_name: str, region: str | None, day: date) -> bool:
    if region is None:
        off = day.weekday() in (5, 6)
    else:
        weekend, public = _holidays(region, day.year)
        off = day.weekday() in weekend or day in public
    return not off and day_exists(day, zone(zone_name))


@lru_cache(maxsize=4_096)
def _holidays(region: str, year: int) -> tuple[frozenset[int], frozenset[date]]:
    import holidays

    country, _, subdivision = region.partition("-")
    # The years on both sides too: a holiday at the turn of the year can be kept in the other one.
    years = range(year - 1, year + 2)
    try:
        found = holidays.country_holidays(country, subdiv=subdivision or None, years=years)
    except (NotImplementedError, ValueError, KeyError) as error:
        raise OperatorError(
            f"No public holidays are known for {region!r} ({holidays_version()}): give an ISO 3166 code such "
            "as DE or DE-BY, or leave the calendar out to count weekends only."
        ) from error
    return frozenset(found.weekend), frozenset(day for day in found if day.year == year)
