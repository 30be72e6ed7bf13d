"""What the casebook knows in numbers: for gauges, reports and progress lines."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from streams.notices.casebook import deadlines
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Transaction
from streams.notices.item import FINAL_CLAIMS, GONE

_OPEN = sa.and_(
    t.notice_item.c.content.not_in([*GONE, "pre_gone"]),
    t.notice_item.c.reappeared_at.is_(None),
    t.notice_item.c.claim.not_in(sorted(FINAL_CLAIMS)),
)
"""The same as :func:`streams.notices.item.is_open`; a test holds the two together."""


@dataclass(frozen=True, slots=True)
class ItemTimes:
    """The times of one item of one notice; everything a report needs of it."""

    platform: str
    notice_id: str
    reference: str
    listing_id: str
    url: str
    round: int
    severity: str
    queued_at: datetime
    first_attempt_at: datetime | None
    sent_at: datetime | None
    delivery: str
    claim: str
    outcome: str | None
    acknowledged_at: datetime | None
    decided_at: datetime | None
    removal_claimed_at: datetime | None
    claimed_effective_at: datetime | None
    content: str
    last_online_at: datetime | None
    first_offline_at: datetime | None
    removal_verified_at: datetime | None
    reappeared_at: datetime | None
    mismatch_at: datetime | None
    late: int
    """Deadlines missed and not rescinded."""


def item_times(
    tx: Transaction, *, since: datetime | None = None, until: datetime | None = None
) -> tuple[ItemTimes, ...]:
    """Every item of every notice queued in the period, by platform and time."""
    late = (
        sa.select(t.deadline.c.notice_id, t.deadline.c.case_id, sa.func.count().label("late"))
        .where(t.deadline.c.state == "missed")
        .group_by(t.deadline.c.notice_id, t.deadline.c.case_id)
        .subquery()
    )
    i, n = t.notice_item.c, t.notice.c
    query = (
        sa.select(
            n.platform,
            n.notice_id,
            n.human_reference,
            i.listing_id,
            i.url,
            i.round,
            n.severity,
            n.queued_at,
            n.first_attempt_at,
            n.sent_at,
            n.delivery,
            i.claim,
            i.outcome,
            i.acknowledged_at,
            i.decided_at,
            i.removal_claimed_at,
            i.claimed_effective_at,
            i.content,
            i.last_online_at,
            i.first_offline_at,
            i.removal_verified_at,
            i.reappeared_at,
            i.mismatch_at,
            sa.func.coalesce(late.c.late, 0),
        )
        .select_from(t.notice_item)
        .join(t.notice, n.notice_id == i.notice_id)
        .outerjoin(late, sa.and_(late.c.notice_id == i.notice_id, late.c.case_id == i.case_id))
        .order_by(n.platform, n.queued_at, n.notice_id)
    )
    if since is not None:
        query = query.where(n.queued_at >= since)
    if until is not None:
        query = query.where(n.queued_at < until)
    return tuple(ItemTimes(*tuple(row)) for row in tx.execute(query))


@dataclass(frozen=True, slots=True)
class OpenNotices:
    """What a platform still owes."""

    platform: str
    count: int
    oldest_sent_at: datetime | None


def open_notices(tx: Transaction) -> tuple[OpenNotices, ...]:
    """Sent items that are neither seen removed nor ended, per platform."""
    rows = tx.execute(
        sa.select(
            t.notice.c.platform,
            sa.func.count(),
            sa.func.min(t.notice.c.sent_at, type_=t.UtcInstant()),
        )
        .select_from(t.notice_item)
        .join(t.notice, t.notice.c.notice_id == t.notice_item.c.notice_id)
        .where(t.notice.c.sent_at.is_not(None), _OPEN)
        .group_by(t.notice.c.platform)
    )
    return tuple(OpenNotices(*tuple(row)) for row in rows)


def deadlines_standing(tx: Transaction) -> tuple[deadlines.Standing, ...]:
    """Running deadlines, and missed ones of what is still open, per platform and kind."""
    return deadlines.standing(tx, _OPEN)


@dataclass(frozen=True, slots=True)
class Totals:
    """How far everything is, in one look."""

    cases: int
    review: int
    notices: int
    sent: int
    undeliverable: int
    waiting: int
    answered: int
    decided: int
    seen_removed: int
    mismatches: int
    reappeared: int
    deadlines_missed: int
    answers_set_aside: int


def totals(tx: Transaction) -> Totals:
    """Counts over the whole casebook."""

    def count(table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
        found: int = tx.execute(sa.select(sa.func.count()).select_from(table).where(*conditions)).scalar_one()
        return found

    i = t.notice_item.c
    return Totals(
        cases=count(t.case),
        review=count(t.case, t.case.c.status == "review"),
        notices=count(t.notice),
        sent=count(t.notice, t.notice.c.sent_at.is_not(None)),
        undeliverable=count(t.notice, t.notice.c.delivery == "failed_permanent"),
        waiting=count(t.outbox, t.outbox.c.state.in_(["queued", "leased"])),
        answered=count(t.notice_item, i.acknowledged_at.is_not(None)),
        decided=count(t.notice_item, i.decided_at.is_not(None)),
        seen_removed=count(t.notice_item, i.removal_verified_at.is_not(None)),
        mismatches=count(t.notice_item, i.mismatch_at.is_not(None)),
        reappeared=count(t.notice_item, i.reappeared_at.is_not(None)),
        deadlines_missed=count(t.deadline, t.deadline.c.state == "missed"),
        answers_set_aside=count(t.inbox, t.inbox.c.state == "quarantined"),
    )
