"""Periods as they stand in an address."""

from datetime import datetime

from schemas.errors import OperatorError
from streams.desk.gate import Refused
from streams.reports.commands import period_start


def instant(text: str | None, now: datetime) -> datetime | None:
    """``7d``, ``36h``, a date or an ISO time; nothing is no bound.

    Raises:
        Refused: it is none of these.
    """
    try:
        return period_start(text or None, now)
    except (OperatorError, OverflowError, ValueError) as error:
        raise Refused(422, "bad_period", "A period is 7d, 36h, 2026-11-01 or an ISO time.") from error
