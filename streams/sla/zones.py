"""Time zones from the pinned ``tzdata`` package, and how a local time becomes an instant.

The machine's own zone files are not read: the same deadline must fall due at the same instant on
every machine, and the version that it was computed with must be known.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from importlib.metadata import version
from importlib.resources import files
from zoneinfo import ZoneInfo

from schemas.errors import OperatorError

_MIDNIGHT = time(0)
_SECOND = timedelta(seconds=1)
_ZONE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+\-]*(/[A-Za-z][A-Za-z0-9_+\-]*){0,2}")


@cache
def tzdata_version() -> str:
    """The release of the zone rules, for example ``2026.6``."""
    return version("tzdata")


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The zone with that IANA name.

    Raises:
        OperatorError: the pinned tzdata knows no such zone.
    """
    if _ZONE_NAME.fullmatch(name):
        file = files("tzdata").joinpath("zoneinfo", *name.split("/"))
        try:
            with file.open("rb") as opened:
                return ZoneInfo.from_file(opened, key=name)
        except (OSError, ValueError):
            pass
    raise OperatorError(
        f"There is no time zone {name!r} in tzdata {tzdata_version()}: "
        "give an IANA name such as Europe/Berlin."
    )


def localise(wall: datetime, at: ZoneInfo) -> datetime:
    """The instant (UTC) at which clocks in a zone show ``wall``, a naive local time.

    Where clocks go back and show it twice, the later instant; where they go forward past it, the
    first instant after the gap. Both are in favour of whoever has to act by then.
    """
    instant = wall.replace(tzinfo=at, fold=1).astimezone(UTC)
    if instant.astimezone(at).replace(tzinfo=None) == wall:
        return instant
    # In a gap. fold=1 reads it with the offset after the jump, which is before the jump itself;
    # fold=0 with the one before, which is after the jump or at it.
    early, late = instant, wall.replace(tzinfo=at, fold=0).astimezone(UTC)
    before = early.astimezone(at).utcoffset()
    while late - early > _SECOND:
        middle = early + timedelta(seconds=(late - early) // _SECOND // 2)
        if middle.astimezone(at).utcoffset() == before:
            early = middle
        else:
            late = middle
    return late


def local_date(instant: datetime, at: ZoneInfo) -> date:
    """The calendar date in a zone."""
    return instant.astimezone(at).date()


def day_end(day: date, at: ZoneInfo) -> datetime:
    """The instant at which a local date is over: the next date's midnight."""
    return localise(datetime.combine(day + timedelta(days=1), _MIDNIGHT), at)


def day_exists(day: date, at: ZoneInfo) -> bool:
    """False for a date that a zone left out when it moved across the date line (Apia, 2011-12-30)."""
    return day_end(day, at) > day_end(day - timedelta(days=1), at)


@lru_cache(maxsize=512)
def zone_of_country(country: str) -> str | None:
    """The one zone of a country (ISO 3166-1 alpha-2); ``None`` where it must be named.

    Countries with several zones whose clocks show the same all year (Germany) count as one zone.
    """
    names = _zones_by_country().get(country, ())
    if not names:
        return None
    months = [datetime(2026, month, 15, tzinfo=UTC) for month in range(1, 13)]
    offsets = {tuple(month.astimezone(zone(name)).utcoffset() for month in months) for name in names}
    return names[0] if len(offsets) == 1 else None


@lru_cache(maxsize=1)
def _zones_by_country() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    text = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            country, _, name, *_ = line.split("\t")
            found[country] = (*found.get(country, ()), name)
    return found
