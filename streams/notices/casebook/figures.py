"""What the casebook knows in numbers: for gauges, reports and progress lines."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, cast

import sqlalchemy as sa

from streams.notices.casebook import deadlines, sealing
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Transaction
from streams.notices.chain import ERASED
from streams.notices.item import FINAL_CLAIMS, GONE

_OPEN = sa.and_(
    t.notice_item.c.content.not_in([*GONE, "pre_gone"]),
    t.notice_item.c.reappeared_at.is_(None),
    t.notice_item.c.claim.not_in(sorted(FINAL_CLAIMS)),
)
"""The same as :func:`streams.notices.item.is_open`; a test holds the two together."""


def is_owed() -> sa.ColumnElement[bool]:
    """Whether an item is open, as a condition of a query."""
    return _OPEN


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


_i, _n, _d = t.notice_item.c, t.notice.c, t.deadline.c
_LATE = (
    sa.select(_d.notice_id, _d.case_id, sa.func.count().label("late"))
    .where(_d.state == "missed")
    .group_by(_d.notice_id, _d.case_id)
    .subquery()
)
_SOURCE: Mapping[str, sa.ColumnElement[Any]] = {
    **{
        one.key: one
        for one in (_n.platform, _n.notice_id, _n.severity, _n.queued_at, _n.first_attempt_at, _n.sent_at)
    },
    **{one.key: one for one in (_n.delivery, _i.case_id, _i.listing_id, _i.url, _i.round, _i.claim)},
    **{
        one.key: one
        for one in (_i.outcome, _i.acknowledged_at, _i.decided_at, _i.removal_claimed_at, _i.content)
    },
    **{one.key: one for one in (_i.claimed_effective_at, _i.last_online_at, _i.first_offline_at)},
    **{one.key: one for one in (_i.removal_verified_at, _i.reappeared_at, _i.mismatch_at)},
    "reference": _n.human_reference,
    "late": sa.func.coalesce(_LATE.c.late, 0),
}


def _items(
    columns: Iterable[sa.ColumnElement[Any]], since: datetime | None, until: datetime | None
) -> sa.Select[Any]:
    query = (
        sa.select(*columns)
        .select_from(t.notice_item)
        .join(t.notice, _n.notice_id == _i.notice_id)
        .outerjoin(_LATE, sa.and_(_LATE.c.notice_id == _i.notice_id, _LATE.c.case_id == _i.case_id))
    )
    if since is not None:
        query = query.where(_n.queued_at >= since)
    if until is not None:
        query = query.where(_n.queued_at < until)
    return query


def item_times(
    tx: Transaction, *, since: datetime | None = None, until: datetime | None = None
) -> tuple[ItemTimes, ...]:
    """Every item of every notice queued in the period, by platform and time."""
    query = _items((_SOURCE[name] for name in ItemTimes.__slots__), since, until)
    rows = tx.execute(query.order_by(_n.platform, _n.queued_at, _n.notice_id))
    return tuple(ItemTimes(*tuple(row)) for row in rows)


WORDS = ("platform", "delivery", "claim", "outcome", "content")
TIMES = (
    *("queued_at", "first_attempt_at", "sent_at", "acknowledged_at", "decided_at", "claimed_effective_at"),
    *("last_online_at", "first_offline_at", "removal_verified_at", "reappeared_at", "mismatch_at"),
)


class Fact(NamedTuple):
    """The same as bare as it is stored, and no more than figures need: times are microseconds."""

    notice_id: str
    listing_id: str
    platform: str
    delivery: str
    claim: str
    outcome: str | None
    content: str
    queued_at: int
    first_attempt_at: int | None
    sent_at: int | None
    acknowledged_at: int | None
    decided_at: int | None
    claimed_effective_at: int | None
    last_online_at: int | None
    first_offline_at: int | None
    removal_verified_at: int | None
    reappeared_at: int | None
    mismatch_at: int | None
    late: int


_BARE = tuple(
    sa.type_coerce(_SOURCE[name], sa.BigInteger()) if name in TIMES else _SOURCE[name]
    for name in Fact._fields
)


def item_facts(
    tx: Transaction, *, since: datetime | None = None, until: datetime | None = None
) -> Sequence[Fact]:
    """Every item of every notice queued in the period, in no order; quicker than :func:`item_times`."""
    return cast(Sequence[Fact], tx.execute(_items(_BARE, since, until)).all())


AT_ONCE = 500
"""Notices read by one statement."""


def facts_of_notices(tx: Transaction, notices: Sequence[str]) -> list[Fact]:
    """The items of these notices."""
    found: list[Fact] = []
    for start in range(0, len(notices), AT_ONCE):
        wanted = _n.notice_id.in_(notices[start : start + AT_ONCE])
        late = (
            sa.select(sa.func.count())
            .where(_d.notice_id == _i.notice_id, _d.case_id == _i.case_id, _d.state == "missed")
            .scalar_subquery()
        )
        query = (
            sa.select(*_BARE[:-1], late)
            .select_from(t.notice_item)
            .join(t.notice, _n.notice_id == _i.notice_id)
            .where(wanted)
        )
        found += cast(Sequence[Fact], tx.execute(query).all())
    return found


def changed_since(tx: Transaction, position: int, *, most: int) -> frozenset[str] | None:
    """The notices of whose items something may have changed after a row of the audit chain.

    ``None``: so much has changed that everything is better read anew. Whatever counts in a figure is
    sealed when it changes, so the chain names it.
    """
    rows = tx.execute(
        sa.select(t.audit.c.subject, t.audit.c.act).where(t.audit.c.position > position).limit(most + 1)
    ).all()
    # What is erased loses the platform's id of its listing, by which it would be found again.
    if len(rows) > most or any(act == ERASED for _, act in rows):
        return None
    subjects = [subject.partition(":") for subject, _ in rows]
    by_kind: dict[str, set[str]] = {}
    for kind, _, key in subjects:
        by_kind.setdefault(kind, set()).add(key.partition("/")[0])
    found: set[str] = set().union(*(by_kind.get(kind, ()) for kind in _NAMED_BY_NOTICE))
    for kind, key, notice in _NAMED_OTHERWISE:
        named = sorted(by_kind.get(kind, ()))
        for start in range(0, len(named), AT_ONCE):
            query = sa.select(notice).where(key.in_(named[start : start + AT_ONCE]))
            found.update(tx.execute(query).scalars())
    return frozenset(found)


_NAMED_BY_NOTICE = tuple(
    one.name for one in (sealing.NOTICE, sealing.NOTICE_STATE, sealing.ITEM, sealing.ITEM_STATE)
)
_NAMED_OTHERWISE = (
    (sealing.DEADLINE.name, _d.deadline_id, _d.notice_id),
    (sealing.DEADLINE_STATE.name, _d.deadline_id, _d.notice_id),
    (sealing.EVENT.name, _i.case_id, _i.notice_id),
)


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
