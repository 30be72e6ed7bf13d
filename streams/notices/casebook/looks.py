"""When each listing is looked at next, and what each look saw."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from streams.notices.casebook import sealing, stops
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Transaction


@dataclass(frozen=True, slots=True)
class LookDue:
    """A listing to look at now."""

    notice_id: str
    case_id: str
    platform: str
    listing_id: str
    url: str
    content_hash: str
    content: str = "unseen"
    """What was seen last, see :data:`streams.notices.item.Content`."""
    captured: bool = False
    """Whether the page is kept as evidence already."""


def lease(tx: Transaction, *, now: datetime, hold_for: timedelta, limit: int) -> tuple[LookDue, ...]:
    """Take looks that are due; a look whose lease ran out is due again.

    While all sending is stopped, listings of notices that were never sent are left: seen gone, such a
    notice would be void, and after a restore (``takin notices recover``) the platform may have it already.
    """
    sent = sa.select(t.notice.c.notice_id).where(t.notice.c.sent_at.is_not(None))
    only = [t.notice_item.c.notice_id.in_(sent)] if stops.everything(tx) else []
    rows = tx.execute(
        sa.select(
            t.notice_item.c.notice_id,
            t.notice_item.c.case_id,
            t.notice_item.c.platform,
            t.notice_item.c.listing_id,
            t.notice_item.c.url,
            t.notice_item.c.content_hash,
            t.notice_item.c.content,
            sa.exists().where(
                t.evidence.c.notice_id == t.notice_item.c.notice_id,
                t.evidence.c.case_id == t.notice_item.c.case_id,
            ),
        )
        .where(
            t.notice_item.c.next_look_at.is_not(None),
            t.notice_item.c.next_look_at <= now,
            sa.or_(t.notice_item.c.look_lease_until.is_(None), t.notice_item.c.look_lease_until < now),
            *only,
        )
        .order_by(t.notice_item.c.next_look_at)
        .limit(limit)
        .with_for_update(skip_locked=True, of=t.notice_item)
    ).all()
    if rows:
        until = now + hold_for
        tx.execute(
            _LEASE, [{"of_notice": row.notice_id, "of_case": row.case_id, "until": until} for row in rows]
        )
    return tuple(LookDue(*row) for row in rows)


_LEASE = (
    sa.update(t.notice_item)
    .where(
        t.notice_item.c.notice_id == sa.bindparam("of_notice"),
        t.notice_item.c.case_id == sa.bindparam("of_case"),
    )
    .values(look_lease_until=sa.bindparam("until", type_=t.UtcInstant()))
)


def plan(tx: Transaction, notice_id: str, case_id: str, next_at: datetime | None) -> None:
    """Say when to look next (``None``: never) and give the lease back."""
    tx.execute(_PLAN, {"of_notice": notice_id, "of_case": case_id, "at": next_at})


_PLAN = (
    sa.update(t.notice_item)
    .where(
        t.notice_item.c.notice_id == sa.bindparam("of_notice"),
        t.notice_item.c.case_id == sa.bindparam("of_case"),
    )
    .values(next_look_at=sa.bindparam("at", type_=t.UtcInstant()), look_lease_until=None)
)


def advance(tx: Transaction, notice_id: str, case_id: str, at: datetime) -> None:
    """Look at ``at`` at the latest, if it is looked at any more."""
    advance_many(tx, [(notice_id, case_id, at)])


def advance_many(tx: Transaction, wanted: Sequence[tuple[str, str, datetime]]) -> None:
    """:func:`advance` for several items (notice id, case id, time); one may be named more than once."""
    if wanted:
        tx.execute(_ADVANCE, [dict(zip(("of_notice", "of_case", "at"), one, strict=True)) for one in wanted])


_ADVANCE = (
    sa.update(t.notice_item)
    .where(
        t.notice_item.c.notice_id == sa.bindparam("of_notice"),
        t.notice_item.c.case_id == sa.bindparam("of_case"),
        t.notice_item.c.next_look_at > sa.bindparam("at", type_=t.UtcInstant()),
    )
    .values(next_look_at=sa.bindparam("at", type_=t.UtcInstant()))
)


def record(
    tx: Transaction,
    *,
    notice_id: str,
    case_id: str,
    at: datetime,
    state: str,
    reason: str,
    http_status: int | None,
    body_sha256: str | None,
    observer: str,
) -> None:
    """Keep what was seen."""
    done = tx.execute(
        sa.insert(t.observation).values(
            notice_id=notice_id,
            case_id=case_id,
            at=at,
            state=state,
            reason=reason,
            http_status=http_status,
            body_sha256=body_sha256,
            observer=observer,
        )
    )
    [observation_id] = done.inserted_primary_key or (None,)
    sealing.keep(tx, sealing.OBSERVATION, observation_id, at=at, actor=observer)


@dataclass(frozen=True, slots=True)
class PollDue:
    """A notice whose status to ask for."""

    notice_id: str
    idempotency_key: str
    platform: str
    polls: int


def polls_due(tx: Transaction, *, now: datetime, limit: int) -> tuple[PollDue, ...]:
    """Notices to ask about now, the longest overdue first."""
    rows = tx.execute(
        sa.select(t.notice.c.notice_id, t.notice.c.idempotency_key, t.notice.c.platform, t.notice.c.polls)
        .where(t.notice.c.next_poll_at.is_not(None), t.notice.c.next_poll_at <= now)
        .order_by(t.notice.c.next_poll_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return tuple(PollDue(*row) for row in rows)


def next_look(tx: Transaction) -> datetime | None:
    """When the next look is due."""
    at: datetime | None = tx.execute(_NEXT_LOOK).scalar_one()
    return at


_NEXT_LOOK = sa.select(sa.func.min(t.notice_item.c.next_look_at, type_=t.UtcInstant()))
