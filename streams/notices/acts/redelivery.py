"""A platform asks for a notice once more: the same bytes under the same key, so the notice stays one."""

from datetime import datetime, timedelta

from streams.notices.acts.people import ActRefused
from streams.notices.casebook import cases, deliveries, events, outbox
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.viewer import Viewer
from streams.notices.handlers.desk import Desk
from streams.notices.handlers.follow_ups import errand_key
from streams.notices.item import Happening

APART = timedelta(minutes=5)
"""Least time between two redeliveries of one notice."""
AN_HOUR = 60
"""Redeliveries to one platform within an hour at most."""


def redeliver(tx: Transaction, notice_id: str, desk: Desk, *, by: Viewer, now: datetime) -> str:
    """Queue a notice for one more try. What was measured of it, and its deadlines, stay as they are.

    One that was never taken goes back in the line as the notice itself.

    Returns:
        ``redelivery`` or ``notice``: what was put in the line.

    Raises:
        ActRefused: ``no_way`` (the channel would make a second notice of it, or it went by another),
            ``under_way``, ``withdrawn``, ``too_much`` (asked for too often).
    """
    row = cases.notice_by_id(tx, notice_id)
    cases.hold_of_notices(tx, [notice_id])
    policy = desk.platforms.get(row.platform)
    if policy is None or not policy.redelivers:
        raise ActRefused(
            "no_way",
            f"The channel of {row.platform} knows no keys: sent once more, it would be a second notice.",
        )
    items = cases.items_of_notice(tx, notice_id)
    if all(item.withdrawn for item in items):
        raise ActRefused("withdrawn", f"{row.human_reference} is withdrawn.")
    every = outbox.of_notice(tx, notice_id)
    if any(one.purpose == "fallback" for one in every):
        raise ActRefused("no_way", f"{row.human_reference} went by your other channel, not by this one.")
    state, body, content_type = deliveries.own_entry(tx, notice_id)
    if state not in ("delivered", "dead"):
        raise ActRefused("under_way", f"{row.human_reference} is on its way already.")
    earlier = [one.queued_at for one in every if one.purpose == deliveries.REDELIVERY]
    if earlier and now - max(earlier) < APART:
        raise ActRefused("too_much", f"{row.human_reference} was sent again within the last 5 minutes.")
    if deliveries.redelivered(tx, platform=row.platform, since=now - timedelta(hours=1)) >= AN_HOUR:
        raise ActRefused("too_much", f"At most {AN_HOUR} notices an hour are sent again: try later.")
    if state == "dead":
        outbox.requeue(tx, row.idempotency_key, now=now)
        cases.save_notice(tx, notice_id, delivery="queued")
        key, what = row.idempotency_key, "notice"
    else:
        key, what = errand_key("d", row.idempotency_key, f"redelivery/{len(earlier)}"), deliveries.REDELIVERY
        outbox.add(
            tx,
            idempotency_key=key,
            notice_id=notice_id,
            platform=row.platform,
            purpose=deliveries.REDELIVERY,
            recipient=None,
            body=body,
            content_type=content_type,
            now=now,
        )
    facts = {"purpose": what, "key": key, "by": by.login}
    events.append_to_many(
        tx,
        [
            events.Entry(item.case_id, notice_id, (Happening("follow_up_queued", now, facts),))
            for item in items
        ],
        now=now,
        actor=by.actor,
    )
    return what
