"""The kill switch: sending is stopped for everything, one platform or one rule, until somebody lifts it."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
import uuid_utils

from streams.notices.casebook import guard_tables as g
from streams.notices.casebook import sealing
from streams.notices.casebook.cases import insert_new
from streams.notices.casebook.database import Transaction


@dataclass(frozen=True, slots=True)
class Stop:
    """One stop in force."""

    stop_id: str
    scope: str
    """``all``, ``platform`` or ``rule``."""
    name: str
    """Of the platform or rule; empty for ``all``."""
    reason: str
    set_by: str
    set_at: datetime


_STOP = (
    g.stop.c.stop_id,
    g.stop.c.scope,
    g.stop.c.name,
    g.stop.c.reason,
    g.stop.c.set_by,
    g.stop.c.set_at,
)


def in_force(tx: Transaction) -> tuple[Stop, ...]:
    """Every stop in force, the oldest first."""
    return tuple(Stop(*row) for row in tx.execute(_IN_FORCE))


_IN_FORCE = sa.select(*_STOP).where(g.stop.c.lifted_at.is_(None)).order_by(g.stop.c.set_at)


def everything(tx: Transaction) -> bool:
    """Whether all sending is stopped."""
    return any(stop.scope == "all" for stop in in_force(tx))


def add(tx: Transaction, *, scope: str, name: str, reason: str, by: str, now: datetime) -> bool:
    """Stop; ``False``: it is stopped already."""
    stop_id = f"st_{uuid_utils.uuid7().hex}"
    values = {"scope": scope, "name": name, "reason": reason, "set_by": by, "set_at": now}
    fresh = insert_new(tx, g.stop, {"stop_id": stop_id, **values})
    if fresh:
        sealing.keep(tx, sealing.STOP, stop_id, at=now, actor=f"person:{by}")
    return fresh


def lift(tx: Transaction, *, scope: str, name: str, by: str, now: datetime) -> bool:
    """Let it go on; ``False``: it was not stopped."""
    changed = tx.execute(
        sa.update(g.stop)
        .where(g.stop.c.scope == scope, g.stop.c.name == name, g.stop.c.lifted_at.is_(None))
        .values(lifted_by=by, lifted_at=now)
        .returning(g.stop.c.stop_id)
    )
    lifted = changed.scalars().all()
    for stop_id in lifted:
        sealing.keep(tx, sealing.STOP_LIFTED, stop_id, at=now, actor=f"person:{by}")
    return bool(lifted)
