"""Deadlines: one row per duty, fired once by compare-and-set, also after a restart."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
import uuid_utils

from schemas.notice import SlaPromise
from streams.notices.casebook import sealing
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Transaction

DUTIES = ("acknowledge", "decide", "remove")
"""What a platform can owe. Rows of other kinds are steps of the ladder."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """One duty of a platform towards one item."""

    deadline_id: str
    notice_id: str
    case_id: str
    platform: str
    kind: str
    """``acknowledge``, ``decide`` or ``remove``; ``escalation.NAME``: a step of the ladder."""
    started_at: datetime
    due_at: datetime
    state: str
    """``pending``, ``met``, ``missed``, ``cancelled``; ``done``: a step was taken;
    ``watching``: due, gone from sight, not yet proven;
    ``paused``: the clock stands, and ``due_at`` is when it was due before."""
    met_at: datetime | None


_COLUMNS = (
    t.deadline.c.deadline_id,
    t.deadline.c.notice_id,
    t.deadline.c.case_id,
    t.deadline.c.platform,
    t.deadline.c.kind,
    t.deadline.c.started_at,
    t.deadline.c.due_at,
    t.deadline.c.state,
    t.deadline.c.met_at,
)


@dataclass(frozen=True, slots=True)
class Duty:
    """A deadline that begins to run."""

    notice_id: str
    case_id: str
    platform: str
    kind: str
    started_at: datetime
    due_at: datetime

    @property
    def key(self) -> tuple[str, str, str]:
        """An item has one deadline of each kind."""
        return self.notice_id, self.case_id, self.kind


def set_due(tx: Transaction, duties: Sequence[tuple[Duty, SlaPromise]]) -> tuple[Duty, ...]:
    """Write deadlines that are not there yet; returns the new ones. The caller holds the cases."""
    if not duties:
        return ()
    there = {
        tuple(row)
        for row in tx.execute(
            sa.select(t.deadline.c.notice_id, t.deadline.c.case_id, t.deadline.c.kind).where(
                t.deadline.c.notice_id.in_({duty.notice_id for duty, _ in duties})
            )
        )
    }
    fresh = [(duty, sla, f"dl_{uuid_utils.uuid7().hex}") for duty, sla in duties if duty.key not in there]
    if fresh:
        tx.execute(
            sa.insert(t.deadline),
            [
                {
                    "deadline_id": deadline_id,
                    "notice_id": duty.notice_id,
                    "case_id": duty.case_id,
                    "platform": duty.platform,
                    "kind": duty.kind,
                    "seq": 1,
                    "policy": sla.policy,
                    "source": sla.source,
                    "started_at": duty.started_at,
                    "due_at": duty.due_at,
                    "state": "pending",
                }
                for duty, sla, deadline_id in fresh
            ],
        )
    for _, _, deadline_id in fresh:
        sealing.keep(tx, sealing.DEADLINE, deadline_id)
        sealing.keep(tx, sealing.DEADLINE_STATE, deadline_id)
    return tuple(duty for duty, _, _ in fresh)


def of_items(tx: Transaction, notice_ids: Collection[str]) -> dict[tuple[str, str], list[Deadline]]:
    """Deadlines of several notices, by notice and case. The caller holds the cases."""
    found: dict[tuple[str, str], list[Deadline]] = {}
    for row in tx.execute(_OF_NOTICES, {"notice_ids": list(notice_ids)}):
        deadline = Deadline(*row)
        found.setdefault((deadline.notice_id, deadline.case_id), []).append(deadline)
    return found


def of_item(tx: Transaction, notice_id: str, case_id: str) -> tuple[Deadline, ...]:
    """An item's deadlines. The caller holds the case."""
    rows = tx.execute(_OF_ITEM, {"of_notice": notice_id, "of_case": case_id})
    return tuple(Deadline(*row) for row in rows)


# Made once: making a statement takes longer than running it.
_OF_NOTICES = sa.select(*_COLUMNS).where(
    t.deadline.c.notice_id.in_(sa.bindparam("notice_ids", expanding=True))
)
_OF_ITEM = sa.select(*_COLUMNS).where(
    t.deadline.c.notice_id == sa.bindparam("of_notice"), t.deadline.c.case_id == sa.bindparam("of_case")
)


def due(tx: Transaction, *, now: datetime, limit: int) -> tuple[Deadline, ...]:
    """Pending deadlines whose time has come, the longest overdue first."""
    rows = tx.execute(due_query(now=now, limit=limit))
    return tuple(Deadline(*row) for row in rows)


def due_query(*, now: datetime, limit: int) -> sa.Select[Any]:
    """What :func:`due` asks the database; it must be answered from the index of what is pending."""
    return _DUE.where(t.deadline.c.due_at <= now).limit(limit)


def still_due(tx: Transaction, found: Collection[Deadline], *, now: datetime) -> tuple[Deadline, ...]:
    """Those of :func:`due` that nobody has moved meanwhile. The caller holds their cases."""
    ids = [deadline.deadline_id for deadline in found]
    rows = tx.execute(_DUE.where(t.deadline.c.due_at <= now, t.deadline.c.deadline_id.in_(ids)))
    return tuple(Deadline(*row) for row in rows)


_DUE = sa.select(*_COLUMNS).where(t.deadline.c.state == t.fixed("pending")).order_by(t.deadline.c.due_at)


def miss(tx: Transaction, found: Collection[Deadline], *, fired_at: datetime) -> frozenset[str]:
    """Pending ones become missed; returns the ids of those that did. The caller holds their cases."""
    if not found:
        return frozenset()
    rows = tx.execute(
        sa.update(t.deadline)
        .where(
            t.deadline.c.deadline_id.in_([deadline.deadline_id for deadline in found]),
            t.deadline.c.state == "pending",
        )
        .values(state="missed", fired_at=fired_at)
        .returning(t.deadline.c.deadline_id)
    )
    missed = frozenset(rows.scalars())
    for deadline_id in sorted(missed):
        sealing.keep(tx, sealing.DEADLINE_STATE, deadline_id)
    return missed


def move(
    tx: Transaction,
    deadline: Deadline,
    state: str,
    *,
    met_at: datetime | None = None,
    fired_at: datetime | None = None,
    rescinded_at: datetime | None = None,
) -> bool:
    """Compare-and-set from the state and due time the caller saw; ``False``: somebody else moved it."""
    values = {
        name: value
        for name, value in (("met_at", met_at), ("fired_at", fired_at), ("rescinded_at", rescinded_at))
        if value is not None
    }
    changed = tx.execute(
        sa.update(t.deadline)
        .where(
            t.deadline.c.deadline_id == deadline.deadline_id,
            t.deadline.c.state == deadline.state,
            t.deadline.c.due_at == deadline.due_at,
        )
        .values(state=state, **values)
    )
    if changed.rowcount:
        sealing.keep(tx, sealing.DEADLINE_STATE, deadline.deadline_id)
    return bool(changed.rowcount)


def begin_again(tx: Transaction, deadline: Deadline, *, started_at: datetime, due_at: datetime) -> bool:
    """Let a cancelled deadline run again from another start; ``False``: it is not cancelled."""
    changed = tx.execute(
        sa.update(t.deadline)
        .where(t.deadline.c.deadline_id == deadline.deadline_id, t.deadline.c.state == "cancelled")
        .values(state="pending", started_at=started_at, due_at=due_at)
    )
    if changed.rowcount:
        sealing.keep(tx, sealing.DEADLINE, deadline.deadline_id)
        sealing.keep(tx, sealing.DEADLINE_STATE, deadline.deadline_id)
    return bool(changed.rowcount)


def reckoned(
    tx: Transaction, deadline: Deadline, *, state: str, due_at: datetime, rescinded_at: datetime | None
) -> bool:
    """Compare-and-set to what recorded clock events make of it; ``False``: somebody else moved it.

    A deadline that is no longer missed has not fired: ``fired_at`` is cleared, the events keep it.
    """
    values: dict[str, object] = {"state": state, "due_at": due_at}
    if rescinded_at is not None:
        values.update(rescinded_at=rescinded_at, fired_at=None)
    changed = tx.execute(
        sa.update(t.deadline)
        .where(
            t.deadline.c.deadline_id == deadline.deadline_id,
            t.deadline.c.state == deadline.state,
            t.deadline.c.due_at == deadline.due_at,
        )
        .values(**values)
    )
    if changed.rowcount:
        sealing.keep(tx, sealing.DEADLINE, deadline.deadline_id)
        sealing.keep(tx, sealing.DEADLINE_STATE, deadline.deadline_id)
    return bool(changed.rowcount)


def next_due(tx: Transaction) -> datetime | None:
    """When the next pending deadline falls due."""
    at: datetime | None = tx.execute(NEXT_DUE).scalar_one()
    return at


NEXT_DUE = sa.select(sa.func.min(t.deadline.c.due_at, type_=t.UtcInstant())).where(
    t.deadline.c.state == t.fixed("pending")
)


def any_due(tx: Transaction, *, now: datetime) -> bool:
    """Whether anything is due that has not fired."""
    at = next_due(tx)
    return at is not None and at <= now


def unresolved(tx: Transaction) -> int:
    """Deadlines whose clock runs and whose verdict is open; where one stands, it is our turn."""
    found: int = tx.execute(
        sa.select(sa.func.count())
        .select_from(t.deadline)
        .where(t.deadline.c.state.in_(["pending", "watching"]), t.deadline.c.kind.in_(DUTIES))
    ).scalar_one()
    return found


@dataclass(frozen=True, slots=True)
class Standing:
    """How the deadlines of one platform and kind stand."""

    platform: str
    kind: str
    pending: int
    """The clock runs, or it is due and watched."""
    late: int
    """Missed, and the item is still open."""


def standing(tx: Transaction, still_open: sa.ColumnElement[bool]) -> tuple[Standing, ...]:
    """Running and missed duties of items for which ``still_open`` holds, by platform and kind."""
    d, i = t.deadline.c, t.notice_item.c
    running = d.state.in_(["pending", "watching"])
    late = sa.and_(d.state == "missed", still_open)
    rows = tx.execute(
        sa.select(
            d.platform,
            d.kind,
            sa.func.sum(sa.case((running, 1), else_=0)),
            sa.func.sum(sa.case((late, 1), else_=0)),
        )
        .join(t.notice_item, sa.and_(i.notice_id == d.notice_id, i.case_id == d.case_id))
        .where(sa.or_(running, late), d.kind.in_(DUTIES))
        .group_by(d.platform, d.kind)
    )
    return tuple(Standing(*row) for row in rows)
