"""A mail came back: the platform never had the notice, whatever its mail server said before."""

from collections.abc import Sequence
from datetime import datetime

from schemas.response import PlatformResponse
from streams.notices.casebook import cases, events, looks, outbox
from streams.notices.casebook.database import Transaction
from streams.notices.handlers.deadlines import BOUNCED, cancel
from streams.notices.handlers.desk import OtherWay
from streams.notices.handlers.fallback import fallback_key, go_other_way
from streams.notices.item import Happening, Item

BOUNCE = "dsn/"
"""How the name of the mapping begins that reads delivery status notifications (RFC 3464)."""


def is_bounce(response: PlatformResponse) -> bool:
    """Whether it says that the notice did not arrive, for good."""
    return response.kind == "error" and response.parser_version.startswith(BOUNCE)


def take_bounce(
    tx: Transaction,
    notice: cases.NoticeRow,
    items: Sequence[Item],
    response: PlatformResponse,
    other_way: OtherWay,
    *,
    now: datetime,
    actor: str,
) -> None:
    """A notice's letter came back: it goes the platform's other way, or is undeliverable.

    Nothing changes where the platform has answered, for then it has the notice; nor by a second bounce
    of the same letter. What its deadlines were is over: they start again when it is delivered.
    The caller holds the cases of ``items``, which are all that the notice has.
    """
    facts = {"reason": "bounced", "response_id": response.response_id, "detail": response.explanation}
    answered = any(item.acknowledged_at is not None for item in items)
    if answered or not _came_back(tx, notice):
        noted = (Happening("answer_noted", response.received_at, facts),)
        entries = [events.Entry(item.case_id, item.notice_id, noted) for item in items]
        events.append_to_many(tx, entries, now=now, actor=actor)
        return
    cases.save_notice(tx, notice.notice_id, delivery="failed_permanent", next_poll_at=None)
    for item in items:
        looks.plan(tx, item.notice_id, item.case_id, None)
        happened = [Happening("delivery_failed", response.received_at, facts)]
        happened += cancel(tx, item, None, BOUNCED, now=now)
        events.append(
            tx,
            case_id=item.case_id,
            happenings=happened,
            now=now,
            actor=actor,
            notice_id=item.notice_id,
        )
    if any(item.closed_at is None for item in items):
        go_other_way(tx, notice.notice_id, notice.platform, other_way, why=BOUNCED, now=now, actor=actor)


def _came_back(tx: Transaction, notice: cases.NoticeRow) -> bool:
    """Whether it had been given away; by which way the letter went, the one that was used last."""
    return outbox.came_back(tx, fallback_key(notice.idempotency_key), reason=BOUNCED) or outbox.came_back(
        tx, notice.idempotency_key, reason=BOUNCED
    )
