"""Periods as they stand in an address."""

from datetime import datetime

from schemas.errors import OperatorError
from streams.desk.gate import Refused
from streams.reports import period
from streams.reports.period import Period


def instant(text: str | None, now: datetime) -> datetime | None:
    """``7d``, ``36h``, a date or an ISO time; nothing is no bound.

    Raises:
        Refused: it is none of these.
    """
    try:
        return period.instant(text, now, option="period") if text else None
    except (OperatorError, OverflowError, ValueError) as error:
        raise Refused(422, "bad_period", "A period is 7d, 36h, 2026-11-01 or an ISO time.") from error


def named(name: str) -> Period:
    """A year, a quarter or a month.

    Raises:
        Refused: it is none.
    """
    try:
        return period.named(name)
    except OperatorError as error:
        raise Refused(422, "bad_period", "A named period is 2026, 2026-Q4 or 2026-10.") from error


def between(since: str, until: str, now: datetime) -> Period:
    """From one to the other.

    Raises:
        Refused: one is no time, or the end is not after the beginning.
    """
    start, end = instant(since, now), instant(until, now)
    if start is not None and end is not None and end <= start:
        raise Refused(422, "bad_period", "A period ends after it begins: exchange the two.")
    return Period(start, end)
