"""Which time a report is about. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from schemas.errors import OperatorError

_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}
_SPAN = re.compile(r"([0-9]{1,6})([dhm])")
_NAMED = re.compile(r"(?P<year>20[0-9]{2})(-(Q(?P<quarter>[1-4])|(?P<month>0[1-9]|1[0-2])))?")


@dataclass(frozen=True, slots=True)
class Period:
    """From ``since`` until before ``until``; by when the notice was written."""

    since: datetime | None
    until: datetime | None
    name: str | None = None
    """``2026``, ``2026-Q4`` or ``2026-10``, in UTC; absent for any other."""

    def as_json(self) -> dict[str, str | None]:
        """In words that a program reads."""
        return {
            "name": self.name,
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
        }

    def __str__(self) -> str:
        if self.name:
            return self.name
        since = f"{self.since:%Y-%m-%d %H:%M} UTC" if self.since else "the beginning"
        until = f"{self.until:%Y-%m-%d %H:%M} UTC" if self.until else "now"
        return f"{since} to {until}"


def instant(said: str, now: datetime, *, option: str) -> datetime:
    """``7d``, ``36h``, ``2026-11-01`` or an ISO time, as an instant; a time without a zone is UTC.

    Raises:
        OperatorError: it is none of these.
    """
    span = _SPAN.fullmatch(said)
    try:
        if span:
            return now - int(span[1]) * _UNITS[span[2]]
        at = datetime.fromisoformat(said)
    except (ValueError, OverflowError) as error:
        raise OperatorError(
            f"{option} {said!r} is not a time: use 7d, 36h, 2026-11-01 or an ISO time."
        ) from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def between(since: str | None, until: str | None, now: datetime) -> Period:
    """What ``--since`` and ``--until`` name.

    Raises:
        OperatorError: one is no time, or the end is not after the beginning.
    """
    start = instant(since, now, option="--since") if since else None
    end = instant(until, now, option="--until") if until else None
    if start and end and end <= start:
        raise OperatorError(f"--until {until} is not after --since {since}: exchange them.")
    return Period(start, end)


def named(name: str) -> Period:
    """A year, a quarter or a month, in UTC.

    Raises:
        OperatorError: it is none.

    >>> str(named("2026-Q4").until.date())
    '2027-01-01'
    """
    found = _NAMED.fullmatch(name)
    if found is None:
        raise OperatorError(f"--period {name!r} is none: use 2026, 2026-Q4 or 2026-10.")
    year = int(found["year"])
    first, months = (
        (int(found["month"]), 1)
        if found["month"]
        else (3 * int(found["quarter"]) - 2, 3)
        if found["quarter"]
        else (1, 12)
    )
    after = first + months
    return Period(
        datetime(year, first, 1, tzinfo=UTC),
        datetime(year + (after > 12), after - 12 if after > 12 else after, 1, tzinfo=UTC),
        name,
    )


def over(now: datetime, *, months: int = 6, quarters: int = 4) -> tuple[str, ...]:
    """The last periods that have ended, the months first, then quarters, then the year, each newest first.

    >>> over(datetime(2026, 2, 1, tzinfo=UTC), months=2, quarters=1)
    ('2026-01', '2025-12', '2025-Q4', '2025')
    """
    at = now.astimezone(UTC)
    month, quarter = at.year * 12 + at.month - 1, at.year * 4 + (at.month - 1) // 3
    return (
        *(f"{one // 12}-{one % 12 + 1:02d}" for one in range(month - 1, month - 1 - months, -1)),
        *(f"{one // 4}-Q{one % 4 + 1}" for one in range(quarter - 1, quarter - 1 - quarters, -1)),
        str(at.year - 1),
    )
