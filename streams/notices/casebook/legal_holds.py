"""Legal holds: while one is in force, nothing of its case is erased, on request or by its age."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
import uuid_utils

from streams.notices.casebook import sealing
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.erasure_tables import legal_hold

_h = legal_hold.c


@dataclass(frozen=True, slots=True)
class LegalHold:
    """One hold."""

    legal_hold_id: str
    case_id: str
    reason: str
    set_by: str
    set_at: datetime
    lifted_by: str | None
    lifted_at: datetime | None
    lift_reason: str | None


_COLUMNS = tuple(_h[name] for name in LegalHold.__slots__)


def in_force(tx: Transaction, case_id: str | None = None) -> tuple[LegalHold, ...]:
    """Holds that are not lifted, the oldest first; of one case or of all."""
    query = sa.select(*_COLUMNS).where(_h.lifted_at.is_(None)).order_by(_h.set_at, _h.legal_hold_id)
    if case_id is not None:
        query = query.where(_h.case_id == case_id)
    return tuple(LegalHold(*row) for row in tx.execute(query))


def held(tx: Transaction, case_ids: Collection[str]) -> frozenset[str]:
    """Those of the cases that are under a hold."""
    query = sa.select(_h.case_id).where(_h.lifted_at.is_(None), _h.case_id.in_(case_ids))
    return frozenset(tx.execute(query).scalars())


def place(tx: Transaction, case_id: str, *, by: str, reason: str, now: datetime) -> bool:
    """Put a case under a hold; ``False``: it is under one, which stays as it is. The caller holds the
    case."""
    if in_force(tx, case_id):
        return False
    legal_hold_id = f"lh_{uuid_utils.uuid7().hex}"
    tx.execute(
        sa.insert(legal_hold).values(
            legal_hold_id=legal_hold_id, case_id=case_id, reason=reason, set_by=by, set_at=now
        )
    )
    sealing.keep(tx, sealing.LEGAL_HOLD, legal_hold_id, at=now, actor=f"person:{by}")
    return True


def lift(tx: Transaction, case_id: str, *, by: str, reason: str, now: datetime) -> bool:
    """End a case's hold; ``False``: it is under none."""
    found = in_force(tx, case_id)
    for one in found:
        tx.execute(
            sa.update(legal_hold)
            .where(_h.legal_hold_id == one.legal_hold_id)
            .values(lifted_by=by, lifted_at=now, lift_reason=reason)
        )
        sealing.keep(tx, sealing.LEGAL_HOLD_LIFTED, one.legal_hold_id, at=now, actor=f"person:{by}")
    return bool(found)
