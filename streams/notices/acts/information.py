"""A platform asked for information about a notice, and a person gives it."""

import hashlib
from datetime import datetime

from schemas.follow_up import Information
from streams.notices.acts.people import ActRefused, actor
from streams.notices.casebook import cases, events, outbox
from streams.notices.casebook.database import Transaction
from streams.notices.handlers.desk import Desk
from streams.notices.handlers.follow_ups import errand_key
from streams.notices.item import Happening
from streams.notices.wording import CannotWrite

LONGEST = 20_000


def give_information(
    tx: Transaction, notice_id: str, desk: Desk, *, text: str, by: str | None, now: datetime
) -> bool:
    """Queue what a platform asked for; its clock runs on, or anew, when its channel took it.

    Returns:
        ``False``: these very words are in the line, or were sent, already.

    Raises:
        ActRefused: ``empty``, ``too_long``, ``not_sent`` (it never had the notice), ``withdrawn``,
            ``no_way`` (no channel of the platform carries it), ``cannot_write``.
    """
    for item in cases.items_of_notice(tx, notice_id):
        cases.hold(tx, item.case_id)
    information, (body, content_type) = write_information(tx, notice_id, desk, text=text, now=now)
    row, items = cases.notice_by_id(tx, notice_id), cases.items_of_notice(tx, notice_id)
    text_sha256 = hashlib.sha256(text.encode()).hexdigest()
    fresh = outbox.add(
        tx,
        idempotency_key=information.key,
        notice_id=notice_id,
        platform=row.platform,
        purpose="information",
        recipient=None,
        body=body,
        content_type=content_type,
        now=now,
    )
    if fresh:
        facts = {"purpose": "information", "key": information.key, "text_sha256": text_sha256}
        entries = [
            events.Entry(item.case_id, notice_id, (Happening("follow_up_queued", now, facts),))
            for item in items
        ]
        events.append_to_many(tx, entries, now=now, actor=actor(by) if by else "person")
    return fresh


def write_information(
    tx: Transaction, notice_id: str, desk: Desk, *, text: str, now: datetime
) -> tuple[Information, tuple[bytes, str]]:
    """What a platform would be sent, with its bytes and their media type; nothing is changed.

    Raises:
        ActRefused: as :func:`give_information`.
    """
    if not text.strip():
        raise ActRefused("empty", "Say what the platform is to be told.")
    if len(text) > LONGEST:
        raise ActRefused("too_long", f"That is longer than {LONGEST:,} characters: say it shorter.")
    row = cases.notice_by_id(tx, notice_id)
    items = cases.items_of_notice(tx, notice_id)
    if row.sent_at is None:
        raise ActRefused("not_sent", f"{row.platform} does not have {row.human_reference} yet.")
    if all(item.withdrawn for item in items):
        raise ActRefused("withdrawn", f"{row.human_reference} is withdrawn.")
    text_sha256 = hashlib.sha256(text.encode()).hexdigest()
    information = Information(
        key=errand_key("i", row.idempotency_key, text_sha256),
        notice=cases.notice_body(tx, notice_id),
        platform_reference=row.platform_reference,
        text=text,
        at=now,
    )
    try:
        rendered = desk.information(information)
    except CannotWrite as error:
        raise ActRefused("cannot_write", f"It cannot be sent like this: {error}.") from error
    if rendered is None:
        raise ActRefused(
            "no_way",
            f"No channel of {row.platform} carries it: tell them by telephone, or give the platform "
            "`mail:` in the platforms file.",
        )
    return information, rendered
