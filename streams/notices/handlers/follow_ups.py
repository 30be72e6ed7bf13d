"""What follows a notice: written here, sent by the dispatcher like the notice itself."""

import base64
import hashlib
from datetime import datetime

from schemas.follow_up import FollowUp, FollowUpKind
from schemas.message import digest
from schemas.notice import Notice
from streams.notices.casebook import outbox
from streams.notices.casebook.cases import NoticeRow
from streams.notices.casebook.database import Transaction
from streams.notices.handlers.desk import Desk


def errand_key(letter: str, notice_key: str, what: str) -> str:
    """Key of an entry of the outbox that is not the notice by its own channel."""
    raw = hashlib.sha256(digest([letter, notice_key, what]).encode()).digest()
    return f"{letter}1_{base64.b32encode(raw).decode().rstrip('=').lower()}"


def follow_up_key(kind: FollowUpKind, notice_key: str, step: str) -> str:
    """Idempotency key of one step's follow-up: no clock and no chance in it."""
    return errand_key("w" if kind == "withdrawal" else "e", notice_key, f"{kind}/{step}")


def write_follow_up(
    notice: Notice,
    row: NoticeRow,
    *,
    kind: FollowUpKind,
    step: str,
    at: datetime,
    due_at: datetime | None = None,
    reason: str | None = None,
) -> FollowUp:
    """The follow-up of a notice. Pure."""
    return FollowUp(
        kind=kind,
        key=follow_up_key(kind, notice.idempotency_key, step),
        notice_key=notice.idempotency_key,
        human_reference=notice.human_reference,
        platform=notice.addressee.platform,
        platform_reference=row.platform_reference,
        at=at,
        issued_at=notice.issued_at,
        received_at=row.sent_at,
        urls=tuple(item.url for item in notice.items),
        sender=notice.sender,
        step=step,
        due_at=due_at,
        promise=f"{notice.sla.policy}: {notice.sla.source}"[:640] if notice.sla and due_at else None,
        reason=reason,
        tags=notice.tags,
    )


def queue(
    tx: Transaction,
    notice_id: str,
    desk: Desk,
    follow_up: FollowUp,
    *,
    purpose: str,
    recipient: str | None,
    now: datetime,
) -> bool:
    """Put a follow-up in the line; ``False``: no channel of the platform carries it.

    One that stands in the line already, or was sent, stays as it is.
    """
    rendered = desk.follow_up(follow_up, recipient)
    if rendered is None:
        return False
    body, content_type = rendered
    outbox.add(
        tx,
        idempotency_key=follow_up.key,
        notice_id=notice_id,
        platform=follow_up.platform,
        purpose=purpose,
        recipient=recipient,
        body=body,
        content_type=content_type,
        now=now,
    )
    return True
