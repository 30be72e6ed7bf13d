"""Cases that wait for a person, and how a person names a case."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from streams.notices.casebook import events
from streams.notices.casebook import tables as t
from streams.notices.casebook.cases import find_notice
from streams.notices.casebook.database import Transaction


@dataclass(frozen=True, slots=True)
class InReview:
    """A case that waits for a person."""

    case_id: str
    platform: str
    listing_id: str
    url: str
    round: int
    severity: str
    since: datetime


def in_review(tx: Transaction, *, platform: str | None = None) -> tuple[InReview, ...]:
    """Cases that wait for a person, the oldest first."""
    c = t.case.c
    query = (
        sa.select(c.case_id, c.platform, c.listing_id, c.url, c.round, c.severity, c.updated_at)
        .where(c.status == "review")
        .order_by(c.updated_at, c.case_id)
    )
    if platform is not None:
        query = query.where(c.platform == platform)
    return tuple(InReview(*row) for row in tx.execute(query))


def merged_into(tx: Transaction, case_id: str) -> str | None:
    """The case that a merged one points at."""
    into = [event.data.get("into") for event in events.of_case(tx, case_id) if event.type == "merged"]
    return next((str(one) for one in reversed(into) if one), None)


def find_case(tx: Transaction, text: str) -> str | None:
    """The case id behind a case id, or a notice's reference, id or key where it has one case."""
    direct = tx.execute(sa.select(t.case.c.case_id).where(t.case.c.case_id == text)).scalar_one_or_none()
    if direct is not None:
        return str(direct)
    notice_id = find_notice(tx, text)
    if notice_id is None:
        return None
    found = tx.execute(sa.select(t.notice_item.c.case_id).where(t.notice_item.c.notice_id == notice_id))
    every = found.scalars().all()
    return every[0] if len(every) == 1 else None
