"""A notice is tried: the try begins, the platform takes it, or it does not."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from schemas.response import PlatformResponse
from streams.notices.casebook import cases, events, looks, outbox
from streams.notices.casebook.database import Transaction
from streams.notices.handlers.answers import apply_response
from streams.notices.handlers.deadlines import cancel, start_deadlines
from streams.notices.handlers.desk import Desk
from streams.notices.handlers.following import FOLLOWING, follow_up_not_sent, follow_up_sent
from streams.notices.item import Happening


def start_attempts(
    tx: Transaction,
    *,
    slots: Mapping[str, int],
    now: datetime,
    hold_for: timedelta,
    worker: str,
    desk: Desk,
) -> tuple[outbox.Leased, ...]:
    """Lease what is due and start the clock for the acknowledgement at the first try.

    The receipt of an API is part of the delivery itself, so the time to acknowledge runs from the
    first try: a desk that is down does not answer either.
    """
    leased = outbox.lease(tx, slots=slots, now=now, hold_for=hold_for, worker=worker)
    first = [
        item
        for one in leased
        if one.attempt == 1 and one.purpose is None
        for item in cases.items_of_notice(tx, one.notice_id)
    ]
    for item in sorted(first, key=lambda item: item.case_id):
        start_deadlines(tx, item, desk, now=now, started=[("acknowledge", now)])
    return leased


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the platform said when it took the notice."""

    response: PlatformResponse | None
    """Its receipt as an answer; ``None`` when the channel gives none."""
    received_at: datetime | None = None
    """When it says it received it, by its clock."""
    reference: str | None = None
    """Its own reference."""


def received_by(stated: datetime | None, *, first_attempt_at: datetime, accepted_at: datetime) -> datetime:
    """When the platform had the notice: the moment from which its time is counted.

    That is its 2xx, by our clock. But a reply can be lost after the notice was taken, and the desk
    may have acted before we hear 2xx for the next try: so its own word counts where our own clock
    does not contradict it, between the first try and the 2xx.
    """
    if stated is None:
        return accepted_at
    return min(max(stated, first_attempt_at), accepted_at)


def delivered(
    tx: Transaction,
    leased: outbox.Leased,
    result: outbox.AttemptResult,
    accepted: Accepted,
    desk: Desk,
    *,
    now: datetime,
) -> bool:
    """The platform took the notice: the clocks for decision and removal start.

    Returns:
        ``False`` when this try's lease was lost, so that nothing was recorded.
    """
    if not outbox.settle(tx, leased, result, now=now, state="delivered", next_at=None):
        return False
    if leased.purpose in FOLLOWING:
        follow_up_sent(tx, leased, result, accepted.reference, desk, now=now)
        return True
    policy = desk.platforms[leased.platform]
    first = cases.notice_by_id(tx, leased.notice_id).first_attempt_at or leased.started_at
    sent_at = received_by(accepted.received_at, first_attempt_at=first, accepted_at=now)
    cases.save_notice(
        tx,
        leased.notice_id,
        sent_at=sent_at,
        delivery="accepted",
        platform_received_at=accepted.received_at,
        platform_reference=accepted.reference,
        next_poll_at=policy.poll.next_at(0, now),
    )
    for item in cases.items_of_notice(tx, leased.notice_id):
        cases.hold(tx, item.case_id)
        cases.set_status(tx, item.case_id, "notified", now=now)
        facts = {"attempt": leased.attempt, "http_status": result.http_status, "result": result.result}
        if accepted.reference:
            facts["platform_reference"] = accepted.reference
        events.append(
            tx,
            case_id=item.case_id,
            happenings=[Happening("notice_sent", now, facts)],
            now=now,
            actor=desk.actor,
            notice_id=leased.notice_id,
        )
        soon = policy.look.next_look(sent_at, now)
        if soon is not None:
            looks.advance(tx, leased.notice_id, item.case_id, soon)
        start_deadlines(tx, item, desk, now=now, started=[("decide", sent_at), ("remove", sent_at)])
    if accepted.response is not None:
        apply_response(tx, accepted.response, now=now)
    return True


def not_delivered(
    tx: Transaction,
    leased: outbox.Leased,
    result: outbox.AttemptResult,
    desk: Desk,
    *,
    now: datetime,
    chance: Random,
) -> str:
    """The try failed. Returns ``queued`` (again later), ``dead`` or ``late`` (lease lost)."""
    policy = desk.platforms[leased.platform]
    next_at = None
    if result.result == "retry":
        asked = None if result.retry_after_s is None else timedelta(seconds=result.retry_after_s)
        next_at = policy.retry.next_at(leased.attempt, now, asked, chance)
    state = "dead" if next_at is None else "queued"
    if not outbox.settle(tx, leased, result, now=now, state=state, next_at=next_at):
        return "late"
    if leased.purpose in FOLLOWING:
        follow_up_not_sent(tx, leased, result, desk, now=now, next_at=next_at)
        return state
    if state == "dead":
        cases.save_notice(tx, leased.notice_id, delivery="failed_permanent")
    facts = {
        "attempt": leased.attempt,
        "reason": result.reason,
        "http_status": result.http_status,
        "next_at": next_at.isoformat() if next_at else None,
    }
    for item in cases.items_of_notice(tx, leased.notice_id):
        cases.hold(tx, item.case_id)
        happened = [Happening("attempt_failed", now, facts)]
        if state == "dead":
            happened.append(Happening("delivery_failed", now, facts))
            looks.plan(tx, item.notice_id, item.case_id, None)
            if result.result != "retry":
                # It did answer, though not as we hoped: what failed is ours to mend.
                happened.extend(cancel(tx, item, ("acknowledge",), "delivery_refused", now=now))
        events.append(
            tx,
            case_id=item.case_id,
            happenings=happened,
            now=now,
            actor=desk.actor,
            notice_id=leased.notice_id,
        )
    return state
