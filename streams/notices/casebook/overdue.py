"""What platforms owe and have not done in time, with the steps of the ladder about it.

One line a listing of a notice: at least one deadline passed unmet, and it is still open. Every query takes
a :class:`~streams.notices.casebook.viewer.Viewer` and keeps to what they may see.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from streams.notices.casebook import guard_tables as g
from streams.notices.casebook import tables as t
from streams.notices.casebook.conditions import OPEN
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.viewer import Viewer, visible_to

_i, _n, _c, _d = t.notice_item.c, t.notice.c, t.case.c, t.deadline.c
_BEFORE = t.deadline.alias("before")
"""A duty about the same listing that was missed earlier: it stands in the list once, by its first."""


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
    places = _places(tx, viewer, platform=platform, since=since, until=until, after=after, limit=limit)
    firsts = {(notice_id, case_id): at for at, notice_id, case_id in places}
    found: dict[Key, sa.Row[Any]] = {}
    for ids in _parts(list(firsts)):
        rows = tx.execute(
            sa.select(
                *(_i.notice_id, _i.case_id, _n.human_reference, _n.platform, _i.round, _i.listing_id),
                *(_c.taxon, _c.product, _i.claim, _i.content, _i.decided_at),
            )
            .join_from(t.notice_item, t.notice, _n.notice_id == _i.notice_id)
            .join(t.case, _c.case_id == _i.case_id)
            .where(_i.notice_id.in_(ids))
        )
        found |= {(row.notice_id, row.case_id): row for row in rows}
    clocks, waiting = _clocks(tx, list(firsts)), _waiting(tx, list(firsts))
    return tuple(
        replace(
            Overdue(*key, at, *tuple(found[key])[2:]),
            clocks=clocks.get(key, ()),
            waiting=waiting.get(key, ()),
        )
        for key, at in firsts.items()
    )


Key = tuple[str, str]
"""Notice and case."""
AT_ONCE = 500
"""Notices asked about in one statement."""
WALKED, MOST_WALKED = 4, 20_000
"""Missed deadlines looked at in one statement: so many times the limit at first, and at most."""


def _places(
    tx: Transaction,
    viewer: Viewer,
    *,
    platform: str | None,
    since: datetime | None,
    until: datetime | None,
    after: Place | None,
    limit: int,
) -> list[Place]:
    """Where the page's lines stand, in order.

    The missed deadlines are walked by their index, piece by piece, until the page is full: asked for all at
    once, PostgreSQL takes them for very few and sorts them every time.
    """
    found: list[Place] = []
    size = WALKED * limit
    while len(found) < limit:
        walked = [visible_to(viewer, _d.platform), _d.state == t.fixed("missed")]
        if platform is not None:
            walked.append(_d.platform == platform)
        if since is not None:  # no duty is due before its notice is written
            walked.append(_d.due_at >= since)
        if after is not None:
            at, *ids = after
            behind = sa.tuple_(sa.literal(at, t.UtcInstant()), *map(sa.literal, ids))
            walked.append(sa.tuple_(_d.due_at, _d.notice_id, _d.case_id) > behind)
        piece = (
            sa.select(_d.due_at, _d.notice_id, _d.case_id, _d.kind)
            .where(*walked)
            .order_by(_d.due_at, _d.notice_id, _d.case_id)
            .limit(size)
            .subquery("piece")
        )
        rows = tx.execute(_judged(piece, since, until)).all()
        # Two duties may have been missed in the same moment: one line all the same.
        lines = dict.fromkeys((row.due_at, row.notice_id, row.case_id) for row in rows if row.listed)
        found += lines
        if len(rows) < size:
            break
        after = (rows[-1].due_at, rows[-1].notice_id, rows[-1].case_id)
        size = min(2 * size, MOST_WALKED)
    return found[:limit]


def _judged(
    piece: sa.Subquery, since: datetime | None, until: datetime | None
) -> sa.Select[tuple[datetime, str, str, bool]]:
    """A piece of missed deadlines, in order, and of each whether it stands in the list."""
    at = piece.c
    missed_before = sa.exists().where(
        _BEFORE.c.notice_id == at.notice_id,
        _BEFORE.c.case_id == at.case_id,
        _BEFORE.c.state == "missed",
        _BEFORE.c.due_at < at.due_at,
    )
    wanted = [OPEN, ~missed_before]
    if since is not None:
        wanted.append(_n.queued_at >= since)
    if until is not None:
        wanted.append(_n.queued_at < until)
    return (
        sa.select(at.due_at, at.notice_id, at.case_id, sa.and_(*wanted).label("listed"))
        .select_from(piece)
        # Outer joins keep SQLite from walking over all items: every deadline has its item and its notice.
        .outerjoin(t.notice_item, sa.and_(_i.notice_id == at.notice_id, _i.case_id == at.case_id))
        .outerjoin(t.notice, _n.notice_id == at.notice_id)
        .order_by(at.due_at, at.notice_id, at.case_id)
    )


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
