"""The delivery log of a platform: every try to bring it something, and what it answered."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.viewer import Viewer, visible_to

REDELIVERY = "redelivery"
"""Purpose of an entry of the outbox that brings a notice once more because its platform asked."""

MOST_OF_A_REPLY = 2_000
"""Bytes of an answer that the log shows."""


@dataclass(frozen=True, slots=True)
class Try:
    """One try, begun and perhaps ended."""

    reference: str
    platform: str
    purpose: str | None
    """Absent: the notice itself; else what it was that followed it."""
    number: int
    """Of the tries of the same entry of the outbox, from 1."""
    started_at: datetime
    finished_at: datetime | None
    result: str | None
    """``accepted``, ``duplicate``, ``retry``, ``refused``, ``gone`` or ``late``; absent: under way, or its
    sender died."""
    reason: str | None
    http_status: int | None
    reply: bytes
    """The start of what was answered, as it came."""
    reply_bytes: int
    """How long it was, as far as it was kept."""

    @property
    def took_ms(self) -> int | None:
        """Whole milliseconds between beginning and end."""
        if self.finished_at is None:
            return None
        return round((self.finished_at - self.started_at).total_seconds() * 1_000)

    @property
    def said(self) -> str:
        """What was answered, as text."""
        return self.reply.decode("utf-8", "replace")


def tries(
    tx: Transaction, viewer: Viewer, *, since: datetime, limit: int, offset: int = 0
) -> tuple[Try, ...]:
    """The tries since then, the newest first. Letters to named persons are not the platform's to read."""
    reply = sa.func.coalesce(t.attempt.c.reply, b"", type_=sa.LargeBinary)
    rows = tx.execute(
        sa.select(
            t.notice.c.human_reference,
            t.outbox.c.platform,
            t.outbox.c.purpose,
            t.attempt.c.number,
            t.attempt.c.started_at,
            t.attempt.c.finished_at,
            t.attempt.c.result,
            t.attempt.c.reason,
            t.attempt.c.http_status,
            sa.func.substr(reply, 1, MOST_OF_A_REPLY, type_=sa.LargeBinary),
            sa.func.length(reply),
        )
        .join(t.outbox, t.outbox.c.idempotency_key == t.attempt.c.idempotency_key)
        .join(t.notice, t.notice.c.notice_id == t.outbox.c.notice_id)
        .where(
            t.attempt.c.started_at >= since,
            visible_to(viewer, t.attempt.c.platform),
            visible_to(viewer, t.outbox.c.platform),
            t.outbox.c.recipient.is_(None),
        )
        .order_by(t.attempt.c.started_at.desc(), t.attempt.c.idempotency_key, t.attempt.c.number.desc())
        .limit(limit)
        .offset(offset)
    )
    return tuple(_try(row) for row in rows)


def _try(row: Any) -> Try:
    *whole, reply, reply_bytes = row
    # SQLite has no empty piece of an empty value.
    return Try(*(*whole, reply or b"", reply_bytes))


def redelivered(tx: Transaction, *, platform: str, since: datetime) -> int:
    """How many redeliveries a platform asked for that were tried since then, or wait."""
    theirs = sa.and_(t.outbox.c.platform == platform, t.outbox.c.purpose == REDELIVERY)
    tried = (
        sa.select(t.attempt.c.idempotency_key)
        .join(t.outbox, t.outbox.c.idempotency_key == t.attempt.c.idempotency_key)
        .where(t.attempt.c.platform == platform, t.attempt.c.started_at >= since, theirs)
    )
    waiting = sa.select(t.outbox.c.idempotency_key).where(
        theirs, t.outbox.c.state.in_([t.fixed("queued"), t.fixed("leased")])
    )
    both = sa.union(tried, waiting).subquery()
    return int(tx.execute(sa.select(sa.func.count()).select_from(both)).scalar_one())


def own_entry(tx: Transaction, notice_id: str) -> tuple[str, bytes, str]:
    """State, body and content type of a notice's own entry of the outbox."""
    row = tx.execute(
        sa.select(t.outbox.c.state, t.outbox.c.body, t.outbox.c.content_type).where(
            t.outbox.c.notice_id == notice_id, t.outbox.c.purpose.is_(None)
        )
    ).one()
    return row.state, row.body, row.content_type
