"""The machine's clock was ahead, and is right again."""

from datetime import datetime

from streams.notices.casebook import set_back
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.set_back import BroughtBack
from streams.notices.handlers.desk import Desk


def bring_back(tx: Transaction, desk: Desk, *, now: datetime) -> BroughtBack:
    """Plan for now what a clock that was ahead had planned for later; again changes nothing more."""
    return set_back.bring_back(tx, desk.platforms, now=now)
