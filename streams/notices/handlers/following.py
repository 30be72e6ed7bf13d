"""What follows a notice was delivered, or was not; the notice's own state stays as it is."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from schemas.case_event import CaseEventType
from streams.notices.casebook import cases, events, outbox, tasks
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.deliveries import REDELIVERY
from streams.notices.handlers.desk import Desk
from streams.notices.item import Happening

FOLLOWING = frozenset({"reminder", "escalation", "withdrawal", "information", REDELIVERY})
"""Purposes of the outbox's entries that follow a notice and leave its state as it is: also when the notice
itself is brought once more. The others carry the notice."""


def follow_up_sent(
    tx: Transaction,
    leased: outbox.Leased,
    result: outbox.AttemptResult,
    reference: str | None,
    desk: Desk,
    *,
    now: datetime,
) -> None:
    """The channel took it."""
    facts = {"purpose": leased.purpose, "key": leased.idempotency_key, "attempt": leased.attempt}
    if result.http_status is not None:
        facts["http_status"] = result.http_status
    if reference:
        facts["platform_reference"] = reference
    _record(tx, leased, "follow_up_sent", facts, desk, now=now)


def follow_up_not_sent(
    tx: Transaction,
    leased: outbox.Leased,
    result: outbox.AttemptResult,
    desk: Desk,
    *,
    now: datetime,
    next_at: datetime | None,
) -> None:
    """The try failed. When there is no other, a person has to see to it: that becomes a task. A redelivery
    is the platform's own errand, and its log shows how it ended.
    """
    facts = {
        "purpose": leased.purpose,
        "key": leased.idempotency_key,
        "attempt": leased.attempt,
        "reason": result.reason,
        "next_at": next_at.isoformat() if next_at else None,
    }
    _record(tx, leased, "follow_up_failed", facts, desk, now=now)
    if next_at is None and leased.purpose != REDELIVERY:
        for item in cases.items_of_notice(tx, leased.notice_id):
            tasks.add(
                tx,
                notice_id=leased.notice_id,
                case_id=item.case_id,
                platform=leased.platform,
                step=f"{leased.purpose}:{leased.idempotency_key[:12]}",
                why=f"the {leased.purpose} could not be delivered ({result.reason})",
                now=now,
            )


def _record(
    tx: Transaction,
    leased: outbox.Leased,
    kind: CaseEventType,
    facts: Mapping[str, Any],
    desk: Desk,
    *,
    now: datetime,
) -> None:
    for item in cases.items_of_notice(tx, leased.notice_id):
        cases.hold(tx, item.case_id)
        events.append(
            tx,
            case_id=item.case_id,
            happenings=[Happening(kind, now, facts)],
            now=now,
            actor=desk.actor,
            notice_id=leased.notice_id,
        )
