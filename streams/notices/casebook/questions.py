"""What platforms asked us about notices, and whether somebody has answered."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.viewer import Viewer, visible_to


@dataclass(frozen=True, slots=True)
class Question:
    """A notice about which a platform waits for our information."""

    notice_id: str
    reference: str
    platform: str
    asked_at: datetime
    """When it last asked."""
    given_at: datetime | None
    """When somebody last wrote what it was to be told."""

    @property
    def answered(self) -> bool:
        """Something was written since it last asked; whether it has that, the notice's page says."""
        return self.given_at is not None and self.given_at >= self.asked_at


def open_questions(tx: Transaction, viewer: Viewer, *, limit: int) -> tuple[Question, ...]:
    """Those that nobody has answered, the longest waiting first; then those that were."""
    n, r, o = t.notice.c, t.response.c, t.outbox.c
    asked = (
        sa.select(sa.func.max(r.received_at))
        .where(r.notice_id == n.notice_id, sa.or_(r.kind == "need_info", r.outcome == "need_info"))
        .scalar_subquery()
    )
    given = (
        sa.select(sa.func.max(o.queued_at))
        .where(o.notice_id == n.notice_id, o.purpose == "information")
        .scalar_subquery()
    )
    waits = sa.select(t.notice_item.c.notice_id).where(t.notice_item.c.claim == "need_info")
    found = (
        sa.select(n.notice_id, n.human_reference, n.platform, asked.label("asked"), given.label("given"))
        .where(n.notice_id.in_(waits), visible_to(viewer, n.platform))
        .subquery()
    )
    f = found.c
    answered = sa.case((sa.and_(f.given.is_not(None), f.given >= f.asked), 1), else_=0)
    rows = tx.execute(
        sa.select(f.notice_id, f.human_reference, f.platform, f.asked, f.given)
        .where(f.asked.is_not(None))
        .order_by(answered, f.asked, f.notice_id)
        .limit(limit)
    )
    return tuple(Question(*tuple(row)) for row in rows)
