"""What platforms owe and have not done in time, with the steps of the ladder about it.

One line a listing of a notice: at least one deadline passed unmet, and it is still open. Every query takes
a :class:`~streams.notices.casebook.viewer.Viewer` and keeps to what they may see.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from streams.notices.casebook import guard_tables as g
from streams.notices.casebook import tables as t
from streams.notices.casebook.conditions import OPEN
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.viewer import Viewer, visible_to

_i, _n, _c, _d = t.notice_item.c, t.notice.c, t.case.c, t.deadline.c
_BEFORE = t.deadline.alias("before")
_MISSED_BEFORE = sa.exists().where(
    _BEFORE.c.notice_id == _d.notice_id,
    _BEFORE.c.case_id == _d.case_id,
    _BEFORE.c.state == "missed",
    sa.tuple_(_BEFORE.c.due_at, _BEFORE.c.kind) < sa.tuple_(_d.due_at, _d.kind),
)
"""The same listing missed another duty before: it stands in the list once, by its first."""


@dataclass(frozen=True, slots=True)
class Clock:
    """One deadline of a listing: a duty, or a step of the ladder."""

    kind: str
    state: str
    started_at: datetime
    due_at: datetime
    fired_at: datetime | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A step that only a person can take."""

    step: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Overdue:
    """One listing of one notice that is late and still open."""

    notice_id: str
    case_id: str
    since: datetime
    """When the first of its duties passed unmet."""
    reference: str
    platform: str
    round: int
    listing_id: str
    taxon: str | None
    product: str | None
    claim: str
    content: str
    decided_at: datetime | None
    clocks: tuple[Clock, ...] = ()
    """By their time."""
    waiting: tuple[Waiting, ...] = ()
    """For a person, the oldest first."""


Place = tuple[datetime, str, str]
"""Where a page ended: since when, notice, case."""


def listed(
    tx: Transaction,
    viewer: Viewer,
    *,
    platform: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: Place | None = None,
    limit: int,
) -> tuple[Overdue, ...]:
    """The longest overdue first; ``since`` and ``until`` are about when the notice was written."""
    wanted = [visible_to(viewer, _d.platform), _d.state == t.fixed("missed"), ~_MISSED_BEFORE, OPEN]
    if platform is not None:
        wanted.append(_d.platform == platform)
    if since is not None:
        wanted.append(_n.queued_at >= since)
    if until is not None:
        wanted.append(_n.queued_at < until)
    if after is not None:
        at, *ids = after
        behind = sa.tuple_(sa.literal(at, t.UtcInstant()), *map(sa.literal, ids))
        wanted.append(sa.tuple_(_d.due_at, _d.notice_id, _d.case_id) > behind)
    first = (
        sa.select(_d.notice_id, _d.case_id, _d.due_at.label("since"))
        # Outer joins keep SQLite from walking over all items: every deadline has its item and its notice.
        .outerjoin(t.notice_item, sa.and_(_i.notice_id == _d.notice_id, _i.case_id == _d.case_id))
        .outerjoin(t.notice, _n.notice_id == _d.notice_id)
        .where(*wanted)
        .order_by(_d.due_at, _d.notice_id, _d.case_id)
        .limit(limit)
    )
    page = first.subquery()
    rows = tx.execute(
        sa.select(
            *(page.c.notice_id, page.c.case_id, page.c.since),
            *(_n.human_reference, _n.platform, _i.round, _i.listing_id, _c.taxon, _c.product),
            *(_i.claim, _i.content, _i.decided_at),
        )
        .select_from(page)
        .join(t.notice_item, sa.and_(_i.notice_id == page.c.notice_id, _i.case_id == page.c.case_id))
        .join(t.notice, _n.notice_id == page.c.notice_id)
        .join(t.case, _c.case_id == page.c.case_id)
        .order_by(page.c.since, page.c.notice_id, page.c.case_id)
    ).all()
    keys = [(row.notice_id, row.case_id) for row in rows]
    clocks, waiting = _clocks(tx, keys), _waiting(tx, keys)
    return tuple(
        replace(Overdue(*tuple(row)), clocks=clocks.get(key, ()), waiting=waiting.get(key, ()))
        for row, key in zip(rows, keys, strict=True)
    )


Key = tuple[str, str]
"""Notice and case."""
AT_ONCE = 500
"""Notices asked about in one statement."""


def _clocks(tx: Transaction, keys: Sequence[Key]) -> dict[Key, tuple[Clock, ...]]:
    found: dict[Key, tuple[Clock, ...]] = {}
    for ids in _parts(keys):
        rows = tx.execute(
            sa.select(_d.notice_id, _d.case_id, _d.kind, _d.state, _d.started_at, _d.due_at, _d.fired_at)
            .where(_d.notice_id.in_(ids))
            .order_by(_d.due_at, _d.kind)
        )
        for notice_id, case_id, *clock in rows:
            found[notice_id, case_id] = (*found.get((notice_id, case_id), ()), Clock(*clock))
    return found


def _waiting(tx: Transaction, keys: Sequence[Key]) -> dict[Key, tuple[Waiting, ...]]:
    found: dict[Key, tuple[Waiting, ...]] = {}
    for ids in _parts(keys):
        task = g.task.c
        rows = tx.execute(
            sa.select(task.notice_id, task.case_id, task.step, task.due_at)
            .where(task.notice_id.in_(ids), task.done_at.is_(None))
            .order_by(task.due_at, task.task_id)
        )
        for notice_id, case_id, *one in rows:
            found[notice_id, case_id] = (*found.get((notice_id, case_id), ()), Waiting(*one))
    return found


def _parts(keys: Sequence[Key]) -> list[list[str]]:
    ids = sorted({notice_id for notice_id, _ in keys})
    return [ids[at : at + AT_ONCE] for at in range(0, len(ids), AT_ONCE)]
