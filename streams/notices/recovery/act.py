"""Write into a restored casebook that a platform has a notice already."""

import json
from dataclasses import replace
from datetime import datetime

from streams.notices import timing
from streams.notices.acts.people import ActRefused, person_named
from streams.notices.casebook import cases, outbox, stops
from streams.notices.casebook.database import Transaction
from streams.notices.handlers.deadlines import start_deadlines
from streams.notices.handlers.delivery import Accepted, delivered
from streams.notices.handlers.desk import Desk
from streams.notices.recovery.tail import Sent


def refuse_while_sending(tx: Transaction) -> None:
    """Between the look and the act nothing may leave.

    Raises:
        ActRefused: ``sending``
    """
    if not stops.everything(tx):
        raise ActRefused(
            "sending", "Sending goes on: stop it first with `takin notices stop --all`, then recover."
        )


def take_as_sent(tx: Transaction, sent: Sent, desk: Desk, *, by: str, now: datetime) -> str:
    """Settle the notice that the restored casebook would send once more, as taken at the time it was.

    The try on record is ``recovery``'s and names the event and the hash of the bytes that did go; the
    clocks run from the time at which the platform had it.

    Returns:
        ``recovered``; ``known``: it counts as delivered already; ``missing``: no such notice is there (yet).

    Raises:
        ActRefused: ``sending``
    """
    person = person_named(by)
    refuse_while_sending(tx)
    row = cases.notice_by_key(tx, sent.idempotency_key)
    if row is None:
        return "missing"
    cases.hold_of_notices(tx, [row.notice_id])
    leased = outbox.lease_one(tx, sent.idempotency_key, at=sent.at, worker="recovery")
    if leased is None:
        return "known"
    marked = replace(desk, actor=f"recovery:{person}")
    begun = [
        timing.Begun(item, desk.platforms[item.platform], (("acknowledge", sent.at),))
        for item in cases.items_of_notice(tx, row.notice_id)
    ]
    if leased.attempt == 1:
        start_deadlines(tx, begun, marked, now=now)
    source = {"recovered_from_event": sent.event_id, "sent_body_sha256": sent.body_sha256}
    result = outbox.AttemptResult("accepted", "recovered", reply=json.dumps(source).encode())
    delivered(tx, leased, result, Accepted(None, sent.at, sent.platform_reference), marked, now=now)
    return "recovered"
