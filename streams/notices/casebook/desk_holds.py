"""Open holds as the desk lists them."""

from dataclasses import dataclass

import sqlalchemy as sa

from streams.notices.casebook import guard_tables as g
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.holds import Hold
from streams.notices.casebook.viewer import Viewer, visible_to


@dataclass(frozen=True, slots=True)
class HeldCase:
    """A hold that has not ended, and the case it is about."""

    hold: Hold
    platform: str
    case_status: str


def open_holds(tx: Transaction, viewer: Viewer, *, limit: int) -> tuple[HeldCase, ...]:
    """Holds of cases that the viewer may see: first those that wait for a second person, then by expiry."""
    columns = [g.hold.c[name] for name in Hold.__slots__]
    query = (
        sa.select(*columns, t.case.c.platform, t.case.c.status)
        .join(t.case, t.case.c.case_id == g.hold.c.case_id)
        .where(g.hold.c.ended_at.is_(None), visible_to(viewer, t.case.c.platform))
        .order_by(g.hold.c.confirmed_at.is_not(None), g.hold.c.expires_at, g.hold.c.hold_id)
        .limit(limit)
    )
    return tuple(HeldCase(Hold(*row[:-2]), row[-2], row[-1]) for row in tx.execute(query))


def has_open_hold(case_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Whether a hold of the case is asked for or in force, as a condition of a query."""
    return sa.exists().where(g.hold.c.case_id == case_id, g.hold.c.ended_at.is_(None))
