"""A notice that was written takes its place in the line."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

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
    changed: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Store a notice as it is to be sent, and what that means for each of its cases, which the caller holds.

    ``reviewer``: the person who approved it; absent where a zero-tolerance rule decided. ``changed``: what
    that person changed in it (:func:`streams.notices.editing.changes`).
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
    edited = [Happening("notice_edited", now, {"by": reviewer, **changed})] if changed else []
    happened = (*edited, Happening("approved", now, approved), Happening("notice_queued", now, queued))
    events.append_to_many(
        tx,
        [events.Entry(case_id, notice.notice_id, happened) for case_id in notice.case_ids],
        now=now,
        actor=f"person:{reviewer}" if reviewer else desk.actor,
    )
