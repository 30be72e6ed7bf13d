"""What is older than it may get, by kind; see ``streams/privacy/retention.yaml``."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from streams.notices.casebook import desk_tables as d
from streams.notices.casebook import erasure_tables as e
from streams.notices.casebook import report_tables as r
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.figures import is_owed
from streams.notices.erasing import GONE

MOST = 10_000
"""Things that are counted; more is told as this many."""


def due(tx: Transaction, what: str, before: datetime, *, after: str, limit: int) -> tuple[str, ...]:
    """Keys of what is due, in order, from after a key."""
    return tuple(str(one) for one in tx.execute(_due(what, before, after).limit(limit)).scalars())


def count(tx: Transaction, what: str, before: datetime) -> int:
    """How much is due, at most :data:`MOST`."""
    found: int = tx.execute(
        sa.select(sa.func.count()).select_from(_due(what, before, "").limit(MOST).subquery())
    ).scalar_one()
    return found


def count_held(tx: Transaction, what: str, before: datetime) -> int:
    """Cases that would be due and are under a legal hold."""
    if what not in _STATUS:
        return 0
    found: int = tx.execute(
        sa.select(sa.func.count()).select_from(t.case).where(*_old_cases(what, before), _is_held())
    ).scalar_one()
    return found


_STATUS = {"cases": ("approved", "closed", "merged"), "dismissed_cases": ("dismissed",)}


def _due(what: str, before: datetime, after: str) -> sa.Select[Any]:
    if what in _STATUS:
        c = t.case.c
        query = sa.select(c.case_id).where(*_old_cases(what, before), sa.not_(_is_held()), c.case_id > after)
        return query.order_by(c.case_id)
    if what == "reports":
        f = r.filed_report.c
        query = sa.select(f.report_id).where(f.state == "dismissed", f.decided_at < before)
        return query.where(f.report_id > after, f.url != f"{GONE}:").order_by(f.report_id)
    if what == "unmatched_answers":
        i = t.inbox.c
        query = sa.select(i.inbox_id).where(i.state == "quarantined", i.received_at < before)
        return query.where(i.inbox_id > int(after or 0), sa.func.length(i.body) > 0).order_by(i.inbox_id)
    if what == "access":
        a = d.access.c
        query = sa.select(a.access_id).where(a.at < before, a.access_id > int(after or 0))
        return query.order_by(a.access_id)
    raise KeyError(what)


def _old_cases(what: str, before: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    c, i = t.case.c, t.notice_item.c
    going_on = sa.exists().where(i.case_id == c.case_id, sa.or_(is_owed(), i.next_look_at.is_not(None)))
    return (
        c.status.in_(_STATUS[what]),
        c.updated_at < before,
        c.listing_id.not_like(f"{GONE}-%"),
        sa.not_(going_on),
    )


def _is_held() -> sa.ColumnElement[bool]:
    h = e.legal_hold.c
    return sa.exists().where(h.case_id == t.case.c.case_id, h.lifted_at.is_(None))
