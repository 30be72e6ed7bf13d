"""A notice that was written takes its place in the line."""

import hashlib
from datetime import datetime

from schemas.notice import Notice
from streams.notices.casebook import cases, events
from streams.notices.casebook.database import Transaction
from streams.notices.handlers.desk import Desk
from streams.notices.item import Happening


def queue_notice(
    tx: Transaction,
    notice: Notice,
    body: bytes,
    content_type: str,
    desk: Desk,
    *,
    reviewer: str | None,
    now: datetime,
) -> None:
    """Store a notice as it is to be sent, and what that means for each of its cases, which the caller holds.

    ``reviewer``: the person who approved it; absent where a zero-tolerance rule decided.
    """
    body_sha256 = hashlib.sha256(body).hexdigest()
    cases.add_notice(
        tx,
        notice,
        case_ids=notice.case_ids,
        body=body,
        content_type=content_type,
        body_sha256=body_sha256,
        next_poll_at=None,
    )
    cases.set_status_of_many(tx, notice.case_ids, "approved", now=now)
    approved = {"by": reviewer or "zero_tolerance_rule", "rules": list(notice.detection.rule_ids)}
    queued = {
        "reference": notice.human_reference,
        "idempotency_key": notice.idempotency_key,
        "body_sha256": body_sha256,
    }
    happened = (Happening("approved", now, approved), Happening("notice_queued", now, queued))
    events.append_to_many(
        tx,
        [events.Entry(case_id, notice.notice_id, happened) for case_id in notice.case_ids],
        now=now,
        actor=f"person:{reviewer}" if reviewer else desk.actor,
    )
