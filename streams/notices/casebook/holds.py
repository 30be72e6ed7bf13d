"""Holds: the police asked that a listing be left online for a while. Two people, a reason, an expiry."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
import uuid_utils

from streams.notices.casebook import guard_tables as g
from streams.notices.casebook import sealing
from streams.notices.casebook.cases import insert_new
from streams.notices.casebook.database import Transaction


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold, from its request to its end."""

    hold_id: str
    case_id: str
    reason: str
    asked_by: str
    asked_at: datetime
    expires_at: datetime
    confirmed_by: str | None
    confirmed_at: datetime | None
    ended_by: str | None
    ended_at: datetime | None
    ended_how: str | None
    """``released``, ``lapsed``, or ``dropped`` before it was confirmed."""

    def in_force(self, now: datetime) -> bool:
        """Confirmed by a second person, not ended, not past its expiry."""
        return self.confirmed_at is not None and self.ended_at is None and now < self.expires_at


_HOLD = tuple(g.hold.c[name] for name in Hold.__slots__)
_IN_FORCE = sa.and_(g.hold.c.confirmed_at.is_not(None), g.hold.c.ended_at.is_(None))


def ask(
    tx: Transaction, case_id: str, *, reason: str, by: str, expires_at: datetime, now: datetime
) -> str | None:
    """Ask for a hold; ``None``: one is open already. The caller holds the case."""
    hold_id = f"h_{uuid_utils.uuid7().hex}"
    fresh = insert_new(
        tx,
        g.hold,
        {
            "hold_id": hold_id,
            "case_id": case_id,
            "reason": reason,
            "asked_by": by,
            "asked_at": now,
            "expires_at": expires_at,
        },
    )
    if fresh:
        sealing.keep(tx, sealing.HOLD, hold_id, at=now, actor=f"person:{by}")
    return hold_id if fresh else None


def open_hold(tx: Transaction, case_id: str) -> Hold | None:
    """The hold of a case that has not ended, confirmed or not."""
    row = tx.execute(
        sa.select(*_HOLD).where(g.hold.c.case_id == case_id, g.hold.c.ended_at.is_(None))
    ).one_or_none()
    return Hold(*row) if row else None


def in_force(tx: Transaction, case_id: str, *, now: datetime) -> Hold | None:
    """The hold by which a case is held at ``now``."""
    found = open_hold(tx, case_id)
    return found if found is not None and found.in_force(now) else None


def of_case(tx: Transaction, case_id: str) -> tuple[Hold, ...]:
    """Every hold that a second person confirmed, in order."""
    rows = tx.execute(
        sa.select(*_HOLD)
        .where(g.hold.c.case_id == case_id, g.hold.c.confirmed_at.is_not(None))
        .order_by(g.hold.c.confirmed_at)
    )
    return tuple(Hold(*row) for row in rows)


def every_open(tx: Transaction) -> tuple[Hold, ...]:
    """Holds that have not ended, the one that expires first first."""
    rows = tx.execute(sa.select(*_HOLD).where(g.hold.c.ended_at.is_(None)).order_by(g.hold.c.expires_at))
    return tuple(Hold(*row) for row in rows)


def held_cases(now: datetime) -> sa.Select[tuple[str]]:
    """The cases that are held at ``now``, as a query."""
    return sa.select(g.hold.c.case_id).where(_IN_FORCE, g.hold.c.expires_at > now)


def in_force_of_many(tx: Transaction, case_ids: Collection[str], *, now: datetime) -> frozenset[str]:
    """Those of several cases that are held at ``now``."""
    if not case_ids:
        return frozenset()
    rows = tx.execute(held_cases(now).where(g.hold.c.case_id.in_(case_ids)))
    return frozenset(row.case_id for row in rows)


def any_in_force(tx: Transaction, *, now: datetime) -> bool:
    """Whether anything is held."""
    return tx.execute(held_cases(now).limit(1)).first() is not None


def confirm(tx: Transaction, hold: Hold, *, by: str, now: datetime) -> bool:
    """A second person agrees; ``False``: somebody did before, or it ended."""
    changed = tx.execute(
        sa.update(g.hold)
        .where(g.hold.c.hold_id == hold.hold_id, g.hold.c.confirmed_at.is_(None), g.hold.c.ended_at.is_(None))
        .values(confirmed_by=by, confirmed_at=now)
    )
    if changed.rowcount:
        sealing.keep(tx, sealing.HOLD_CONFIRMED, hold.hold_id, at=now, actor=f"person:{by}")
    return bool(changed.rowcount)


def end(tx: Transaction, hold: Hold, *, by: str, how: str, now: datetime, actor: str) -> bool:
    """It ends; ``False``: it has ended before."""
    changed = tx.execute(
        sa.update(g.hold)
        .where(g.hold.c.hold_id == hold.hold_id, g.hold.c.ended_at.is_(None))
        .values(ended_by=by, ended_at=now, ended_how=how)
    )
    if changed.rowcount:
        sealing.keep(tx, sealing.HOLD_ENDED, hold.hold_id, at=now, actor=actor)
    return bool(changed.rowcount)


def any_expired(tx: Transaction, *, now: datetime) -> bool:
    """Whether a hold's time is over that has not ended."""
    found = sa.select(g.hold.c.hold_id).where(g.hold.c.ended_at.is_(None), g.hold.c.expires_at <= now)
    return tx.execute(found.limit(1)).first() is not None


def expired(tx: Transaction, *, now: datetime) -> tuple[Hold, ...]:
    """Open holds whose time is over."""
    rows = tx.execute(
        sa.select(*_HOLD)
        .where(g.hold.c.ended_at.is_(None), g.hold.c.expires_at <= now)
        .order_by(g.hold.c.case_id)
        .limit(100)
    )
    return tuple(Hold(*row) for row in rows)
