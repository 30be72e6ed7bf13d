"""What the desk lists: a platform's inbox, cases by condition, and what was sent about a seller.

Every query takes a :class:`~streams.notices.casebook.viewer.Viewer` and keeps to what they may see.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from streams.notices.casebook import desk_holds
from streams.notices.casebook import tables as t
from streams.notices.casebook.conditions import Condition, condition
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.viewer import Viewer, visible_to
from streams.notices.item import FINAL_CLAIMS, GONE

_i, _n, _c, _d = t.notice_item.c, t.notice.c, t.case.c, t.deadline.c

_UNMET = ("pending", "missed", "watching", "paused")

NEXT_DUE = (
    sa.select(sa.func.min(_d.due_at, type_=t.UtcInstant()))
    .where(_d.notice_id == _i.notice_id, _d.case_id == _i.case_id, _d.state.in_(_UNMET))
    .scalar_subquery()
)
"""The first unmet deadline of an item, whether it has passed or not."""

_TO_ANSWER = sa.and_(
    _i.decided_at.is_(None),
    _i.claim.not_in(sorted(FINAL_CLAIMS)),
    _i.content.not_in([*GONE, "pre_gone"]),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One listing in one notice, as a list shows it."""

    notice_id: str
    case_id: str
    reference: str
    platform: str
    listing_id: str
    url: str
    round: int
    severity: str
    taxon: str | None
    appendix: str | None
    product: str | None
    queued_at: datetime
    sent_at: datetime | None
    delivery: str
    claim: str
    outcome: str | None
    content: str
    decided_at: datetime | None
    removal_verified_at: datetime | None
    reappeared_at: datetime | None
    mismatch_at: datetime | None
    due_at: datetime | None
    item_id: str
    listings: int = 1
    """How many listings the notice is about, where that was asked."""


_LINE = (
    _n.notice_id,
    _i.case_id,
    _n.human_reference,
    _n.platform,
    _i.listing_id,
    _i.url,
    _i.round,
    _n.severity,
    _c.taxon,
    _c.appendix,
    _c.product,
    _n.queued_at,
    _n.sent_at,
    _n.delivery,
    _i.claim,
    _i.outcome,
    _i.content,
    _i.decided_at,
    _i.removal_verified_at,
    _i.reappeared_at,
    _i.mismatch_at,
    NEXT_DUE,
    _i.item_id,
)
_OTHERS = t.notice_item.alias("others")
_LISTINGS = (
    sa.select(sa.func.count())
    .select_from(_OTHERS)
    .where(_OTHERS.c.notice_id == _n.notice_id)
    .scalar_subquery()
)
_LINES = (
    sa.select(*_LINE)
    .select_from(t.notice_item)
    .join(t.notice, _n.notice_id == _i.notice_id)
    .join(t.case, _c.case_id == _i.case_id)
)

_NEWEST = (
    sa.select(*_LINE)
    .select_from(t.notice)
    .outerjoin(t.notice_item, _n.notice_id == _i.notice_id)
    .outerjoin(t.case, _c.case_id == _i.case_id)
)
"""The same lines: every notice has its items, and every item its case. Outer joins keep SQLite from
walking over all items and sorting them, when the newest few notices are asked for."""


def inbox(tx: Transaction, viewer: Viewer, *, waiting: bool, limit: int, offset: int = 0) -> tuple[Line, ...]:
    """What a platform has to answer, by deadline, the longest overdue first; then what has none.

    With ``waiting`` it is what the platform asked us, which waits for our information.
    """
    claim = _i.claim == "need_info" if waiting else _i.claim != "need_info"
    first = (
        sa.select(_i.notice_id, _i.case_id, NEXT_DUE.label("due_at"))
        .join(t.notice, _n.notice_id == _i.notice_id)
        .where(visible_to(viewer, _i.platform), _TO_ANSWER, claim, _n.sent_at.is_not(None))
        .order_by(sa.literal_column("due_at").asc().nulls_last(), _i.notice_id, _i.case_id)
        .limit(limit)
        .offset(offset)
        .subquery()
    )
    rows = tx.execute(
        _LINES.add_columns(_LISTINGS)
        .join(first, sa.and_(first.c.notice_id == _i.notice_id, first.c.case_id == _i.case_id))
        .order_by(first.c.due_at.asc().nulls_last(), first.c.notice_id, first.c.case_id)
    )
    return tuple(Line(*tuple(row)) for row in rows)


@dataclass(frozen=True, slots=True)
class InboxCounts:
    """How much lies in an inbox."""

    to_answer: int
    overdue: int
    soon: int
    """Due within the time that was asked about."""
    waiting: int
    """For our information."""


def inbox_counts(tx: Transaction, viewer: Viewer, *, now: datetime, soon: datetime) -> InboxCounts:
    """Counts over the whole inbox, in one statement."""
    due = (
        sa.select(_i.claim.label("claim"), NEXT_DUE.label("due_at"))
        .join(t.notice, _n.notice_id == _i.notice_id)
        .where(visible_to(viewer, _i.platform), _TO_ANSWER, _n.sent_at.is_not(None))
        .subquery()
    )
    asked = due.c.claim == "need_info"

    def count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)

    row = tx.execute(
        sa.select(
            count(sa.not_(asked)),
            count(sa.and_(sa.not_(asked), due.c.due_at <= now)),
            count(sa.and_(sa.not_(asked), due.c.due_at > now, due.c.due_at <= soon)),
            count(asked),
        )
    ).one()
    return InboxCounts(*(int(value) for value in row))


@dataclass(frozen=True, slots=True)
class Filter:
    """Which lines; everything absent does not filter."""

    platform: str | None = None
    condition: Condition | None = None
    since: datetime | None = None
    until: datetime | None = None
    taxon: str | None = None


def _wanted(viewer: Viewer, wanted: Filter) -> list[sa.ColumnElement[bool]]:
    found = [visible_to(viewer, _n.platform)]
    if wanted.platform is not None:
        found.append(_n.platform == wanted.platform)
    if wanted.condition is not None:
        found.append(condition(wanted.condition))
    if wanted.since is not None:
        found.append(_n.queued_at >= wanted.since)
    if wanted.until is not None:
        found.append(_n.queued_at < wanted.until)
    if wanted.taxon is not None:
        found.append(_c.taxon == wanted.taxon)
    return found


def lines(
    tx: Transaction,
    viewer: Viewer,
    wanted: Filter,
    *,
    limit: int,
    before: tuple[datetime, str] | None = None,
) -> tuple[Line, ...]:
    """Notices that meet a filter, newest first; ``before`` goes on after a line's time and notice."""
    query = _NEWEST.where(*_wanted(viewer, wanted))
    if before is not None:
        at, notice_id = before
        query = query.where(sa.or_(_n.queued_at < at, sa.and_(_n.queued_at == at, _n.notice_id < notice_id)))
    rows = tx.execute(query.order_by(_n.queued_at.desc(), _n.notice_id.desc()).limit(limit))
    return tuple(Line(*tuple(row)) for row in rows)


def sellers_of_lines(
    tx: Transaction, viewer: Viewer, wanted: Filter, *, limit: int
) -> tuple[tuple[Line, str | None], ...]:
    """:func:`lines`, each with its seller's handle."""
    query = _NEWEST.add_columns(_c.seller).where(*_wanted(viewer, wanted))
    rows = tx.execute(query.order_by(_n.queued_at.desc(), _n.notice_id.desc()).limit(limit))
    return tuple((Line(*row[:-1]), row[-1]) for row in map(tuple, rows))


COUNTED = 1_000
"""A list is counted up to here; more is more."""


def count_lines(tx: Transaction, viewer: Viewer, wanted: Filter) -> int:
    """How many lines meet a filter; one more than :data:`COUNTED` stands for more than that."""
    found: int = tx.execute(
        sa.select(sa.func.count()).select_from(
            sa.select(_i.case_id)
            .join(t.notice, _n.notice_id == _i.notice_id)
            .join(t.case, _c.case_id == _i.case_id)
            .where(*_wanted(viewer, wanted))
            .limit(COUNTED + 1)
            .subquery()
        )
    ).scalar_one()
    return found


def about_seller(
    tx: Transaction, viewer: Viewer, *, platform: str, seller: str, besides: Collection[str], limit: int
) -> tuple[Line, ...]:
    """What was sent to this platform about the same seller in other cases, newest first."""
    rows = tx.execute(
        _LINES.where(
            visible_to(viewer, _c.platform),
            _c.platform == platform,
            _c.seller == seller,
            _c.case_id.not_in(besides),
        )
        .order_by(_n.queued_at.desc(), _n.notice_id.desc())
        .limit(limit)
    )
    return tuple(Line(*tuple(row)) for row in rows)


@dataclass(frozen=True, slots=True)
class ForReview:
    """A case that waits for a person."""

    case_id: str
    platform: str
    listing_id: str
    severity: str
    taxon: str | None
    appendix: str | None
    product: str | None
    opened_at: datetime
    holder: str | None
    """Who has it in hand."""


def review_lease(case_id: str) -> str:
    """The name under which a case is held by the person who decides it."""
    return f"review:{case_id}"


_SEVERITY_RANK = sa.case((_c.severity == "critical", 0), (_c.severity == "high", 1), else_=2)


def review_queue(
    tx: Transaction,
    viewer: Viewer,
    *,
    now: datetime,
    free_for: str | None = None,
    by_risk: bool = True,
    limit: int,
) -> tuple[ForReview, ...]:
    """Cases that wait for a decision: riskiest first, or oldest first.

    With ``free_for`` only those that nobody but that person has in hand and that no hold keeps back.
    """
    name = sa.literal("review:").concat(_c.case_id)
    held = sa.and_(t.lease.c.name == name, t.lease.c.until > now)
    query = (
        sa.select(
            _c.case_id,
            _c.platform,
            _c.listing_id,
            _c.severity,
            _c.taxon,
            _c.appendix,
            _c.product,
            _c.opened_at,
            t.lease.c.holder,
        )
        .outerjoin(t.lease, held)
        .where(visible_to(viewer, _c.platform), _c.status == "review")
    )
    if free_for is not None:
        query = query.where(
            sa.or_(t.lease.c.holder.is_(None), t.lease.c.holder == free_for),
            sa.not_(desk_holds.has_open_hold(_c.case_id)),
        )
    order: tuple[Any, ...] = (_c.opened_at, _c.case_id)
    query = query.order_by(*((_SEVERITY_RANK, *order) if by_risk else order)).limit(limit)
    return tuple(ForReview(*tuple(row)) for row in tx.execute(query))


def review_count(tx: Transaction, viewer: Viewer) -> int:
    """How many cases wait for a decision."""
    found: int = tx.execute(
        sa.select(sa.func.count())
        .select_from(t.case)
        .where(visible_to(viewer, _c.platform), _c.status == "review")
    ).scalar_one()
    return found


def holder(tx: Transaction, case_id: str) -> str | None:
    """Who had a case in hand last."""
    found: str | None = tx.execute(
        sa.select(t.lease.c.holder).where(t.lease.c.name == review_lease(case_id))
    ).scalar_one_or_none()
    return found


def release(tx: Transaction, case_id: str, holder: str) -> None:
    """Let a case go that somebody had in hand."""
    tx.execute(sa.delete(t.lease).where(t.lease.c.name == review_lease(case_id), t.lease.c.holder == holder))


def platforms(tx: Transaction, viewer: Viewer) -> tuple[str, ...]:
    """The platforms with cases that the viewer may see: a look into the index for each, not a walk over
    all cases."""
    found: list[str] = []
    while True:
        query = sa.select(sa.func.min(_c.platform)).where(visible_to(viewer, _c.platform))
        if found:
            query = query.where(_c.platform > found[-1])
        following: str | None = tx.execute(query).scalar_one()
        if following is None:
            return tuple(found)
        found.append(following)
