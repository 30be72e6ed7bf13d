"""A mail came back: the platform never had the notice, whatever its mail server said before."""

from datetime import datetime

from schemas.response import PlatformResponse
from streams.notices.casebook import cases, looks, outbox
from streams.notices.casebook.database import Transaction
from streams.notices.handlers.deadlines import cancel
from streams.notices.item import Happening, Item

BOUNCE = "dsn/"
"""How the name of the mapping begins that reads delivery status notifications (RFC 3464)."""


def is_bounce(response: PlatformResponse) -> bool:
    """Whether it says that the notice did not arrive, for good."""
    return response.kind == "error" and response.parser_version.startswith(BOUNCE)


def bounced(
    tx: Transaction, notice: cases.NoticeRow, item: Item, response: PlatformResponse, *, now: datetime
) -> list[Happening]:
    """What a bounce changes for one item; nothing where the platform has answered: then it has the notice."""
    facts = {"reason": "bounced", "response_id": response.response_id, "detail": response.explanation}
    if item.acknowledged_at is not None or notice.delivery == "failed_permanent":
        return [Happening("answer_noted", response.received_at, facts)]
    cases.save_notice(tx, notice.notice_id, delivery="failed_permanent", next_poll_at=None)
    outbox.came_back(tx, notice.idempotency_key, reason="bounced")
    looks.plan(tx, item.notice_id, item.case_id, None)
    happened = [Happening("delivery_failed", response.received_at, facts)]
    return happened + cancel(tx, item, None, "bounced", now=now)
