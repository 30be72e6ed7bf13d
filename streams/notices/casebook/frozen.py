"""Reports of a period as they were frozen: written once, sealed in the audit chain, never changed."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from streams.notices.casebook import sealing
from streams.notices.casebook import tables as t
from streams.notices.casebook.cases import insert_new
from streams.notices.casebook.database import Transaction


@dataclass(frozen=True, slots=True)
class Frozen:
    """One report of one period."""

    report: str
    period: str
    frozen_at: datetime
    frozen_by: str
    checksum: str
    """Of the figures, as every form of the report carries it."""
    document: bytes
    items: bytes
    """The facts of every listing that the figures rest on, as JSON."""
    audit_position: int
    """Last row of the audit chain in the view from which the figures were made."""
    audit_hash: str


_COLUMNS = tuple(t.frozen_report.c[name] for name in Frozen.__slots__)


def find(tx: Transaction, report: str, period: str) -> Frozen | None:
    """The frozen report; ``None``: that period is not frozen."""
    row = tx.execute(
        sa.select(*_COLUMNS).where(t.frozen_report.c.report == report, t.frozen_report.c.period == period)
    ).one_or_none()
    return None if row is None else Frozen(*row)


@dataclass(frozen=True, slots=True)
class FrozenName:
    """Which period is frozen, without all that it holds."""

    report: str
    period: str
    frozen_at: datetime
    frozen_by: str
    checksum: str
    audit_position: int
    audit_hash: str


_NAMES = tuple(t.frozen_report.c[name] for name in FrozenName.__slots__)


def every(tx: Transaction) -> tuple[FrozenName, ...]:
    """All of them, by report and period."""
    rows = tx.execute(sa.select(*_NAMES).order_by(t.frozen_report.c.report, t.frozen_report.c.period))
    return tuple(FrozenName(*row) for row in rows)


def freeze(tx: Transaction, one: Frozen) -> bool:
    """Keep it; ``False``: the period is frozen already, and stays as it is."""
    fresh = insert_new(tx, t.frozen_report, {name: getattr(one, name) for name in Frozen.__slots__})
    if fresh:
        sealing.keep(
            tx,
            sealing.FROZEN_REPORT,
            one.report,
            one.period,
            at=one.frozen_at,
            actor=f"person:{one.frozen_by}",
        )
    return fresh
