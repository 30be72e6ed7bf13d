"""What stopped is taken up once more: a notice that was not delivered, an answer that was not understood."""

from datetime import datetime

from streams.notices.acts.people import ActRefused, actor, person_named, reason_given
from streams.notices.casebook import cases, events, inbox, outbox
from streams.notices.casebook.database import Transaction
from streams.notices.item import Happening


def resend(tx: Transaction, notice_id: str, *, by: str, reason: str, now: datetime) -> None:
    """Put an undeliverable notice back in the line, with the same key and the same bytes.

    Raises:
        ActRefused: ``no_name``; ``no_reason``; ``withdrawn``; ``no_way``: it went by the fallback channel;
            ``under_way``: it waits, is being sent, or was sent.
    """
    person, why = person_named(by), reason_given(reason)
    cases.hold_of_notices(tx, [notice_id])
    notice, items = cases.notice_by_id(tx, notice_id), cases.items_of_notice(tx, notice_id)
    if all(item.withdrawn for item in items):
        raise ActRefused("withdrawn", f"{notice.human_reference} is withdrawn.")
    if any(one.purpose == "fallback" for one in outbox.of_notice(tx, notice_id)):
        raise ActRefused(
            "no_way",
            f"{notice.human_reference} went by the platform's fallback channel, and is not sent a second "
            f"time: its delivery is {notice.delivery}.",
        )
    if not outbox.requeue(tx, notice.idempotency_key, now=now):
        raise ActRefused(
            "under_way", f"{notice.human_reference} is not undeliverable: its delivery is {notice.delivery}."
        )
    cases.save_notice(tx, notice_id, delivery="queued")
    facts = {"purpose": "notice", "key": notice.idempotency_key, "by": person, "reason": why}
    happened = (Happening("follow_up_queued", now, facts),)
    entries = [events.Entry(item.case_id, notice_id, happened) for item in items]
    events.append_to_many(tx, entries, now=now, actor=actor(by))


def read_again(tx: Transaction, inbox_id: int, *, by: str, reason: str, now: datetime) -> None:
    """Have an answer that was set aside read once more; the case says so when it is applied.

    Raises:
        ActRefused: ``no_name``; ``no_reason``; ``unknown``: no such answer is set aside.
    """
    person, why = person_named(by), reason_given(reason)
    if not inbox.read_again(tx, inbox_id, by=person, reason=why, now=now):
        raise ActRefused(
            "unknown", f"No answer {inbox_id} is set aside.", command="See `takin notices answers`."
        )
