"""A notice is tried: the try begins, the platform takes it, or it does not."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from schemas.response import PlatformResponse
from streams.notices import timing
from streams.notices.casebook import cases, channels, events, looks, outbox
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.deliveries import REDELIVERY
from streams.notices.guards.breaker import after, is_alive
from streams.notices.guards.gates import channel_of, open_gate, taken
from streams.notices.handlers.answers import apply_responses, information_given
from streams.notices.handlers.deadlines import cancel, restart_deadlines, start_deadlines
from streams.notices.handlers.desk import Desk
from streams.notices.handlers.fallback import go_other_way, is_closed_way
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
    """Lease what is due and may be sent now, and start the clock for the acknowledgement at the first try.

    The receipt of an API is part of the delivery itself, so the time to acknowledge runs from the
    first try: a desk that is down does not answer either.
    """
    gate = open_gate(tx, desk.platforms, slots, now=now)
    leased = outbox.lease(
        tx,
        slots=gate.own,
        other=gate.other,
        fresh=gate.fresh,
        now=now,
        hold_for=hold_for,
        worker=worker,
    )
    taken(tx, desk.platforms, gate, leased, now=now)
    first = [one.notice_id for one in leased if one.attempt == 1 and one.purpose is None]
    if first:
        cases.hold_of_notices(tx, first)
        begun = [
            timing.Begun(item, desk.platforms[item.platform], (("acknowledge", now),))
            for item in cases.items_of_notices(tx, first).values()
        ]
        start_deadlines(tx, begun, desk, now=now)
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


@dataclass(frozen=True, slots=True)
class Ended:
    """One try and how it ended."""

    leased: outbox.Leased
    result: outbox.AttemptResult
    accepted: Accepted | None
    """Absent: the platform did not take the notice."""


def settle(
    tx: Transaction, ended: Sequence[Ended], desk: Desk, *, now: datetime, chance: Random
) -> tuple[str, ...]:
    """Write down how several tries ended, in one transaction.

    Returns:
        For each what became of its notice: ``delivered``, ``queued`` (again later), ``dead``, or
        ``late`` (the lease was lost, so the try counts for nothing).
    """
    # A notice can have other entries beside its own: only its own are sure to be of different notices.
    taken = [one for one in ended if one.accepted is not None and one.leased.purpose is None]
    # In one order, before anything else is locked: two that settle never wait for each other in a ring.
    cases.hold_of_notices(tx, {one.leased.notice_id for one in ended})
    became = dict.fromkeys((one.leased.idempotency_key for one in taken), "late")
    for key in _delivered(tx, taken, desk, now=now):
        became[key] = "delivered"
    for one in ended:
        key = one.leased.idempotency_key
        if one.accepted is None:
            became[key] = not_delivered(tx, one.leased, one.result, desk, now=now, chance=chance)
        elif one.leased.purpose is not None:
            done = delivered(tx, one.leased, one.result, one.accepted, desk, now=now)
            became[key] = "delivered" if done else "late"
    return tuple(became[one.leased.idempotency_key] for one in ended)


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
    if leased.purpose in FOLLOWING:
        if not outbox.settle(tx, leased, result, now=now, state="delivered", next_at=None):
            return False
        _note_channels(tx, [(leased, result)], desk, now=now)
        follow_up_sent(tx, leased, result, accepted.reference, desk, now=now)
        if leased.purpose == "information":
            sha256 = hashlib.sha256(leased.body).hexdigest()
            information_given(tx, leased.notice_id, given_at=now, sha256=sha256, actor=desk.actor)
        return True
    cases.hold_of_notices(tx, [leased.notice_id])
    return bool(_delivered(tx, [Ended(leased, result, accepted)], desk, now=now))


def _delivered(tx: Transaction, taken: Sequence[Ended], desk: Desk, *, now: datetime) -> frozenset[str]:
    """The keys of those whose lease held; each is of another notice. The caller holds their cases."""
    if not taken:
        return frozenset()
    mine = outbox.settle_delivered(tx, [(one.leased, one.result) for one in taken], now=now)
    held = {one.leased.notice_id: one for one in taken if one.leased.idempotency_key in mine}
    if not held:
        return mine
    _note_channels(tx, [(one.leased, one.result) for one in held.values()], desk, now=now)
    items = cases.items_of_notices(tx, held).values()
    sent: dict[str, datetime] = {}
    for item in items:
        one = held[item.notice_id]
        stated = one.accepted.received_at if one.accepted else None
        first = item.first_attempt_at or one.leased.started_at
        sent[item.notice_id] = received_by(stated, first_attempt_at=first, accepted_at=now)
    cases.save_arrivals(
        tx,
        [
            cases.Arrival(
                notice_id=notice_id,
                sent_at=sent[notice_id],
                platform_received_at=one.accepted.received_at if one.accepted else None,
                platform_reference=one.accepted.reference if one.accepted else None,
                next_poll_at=desk.platforms[one.leased.platform].poll.next_at(0, now),
            )
            for notice_id, one in held.items()
        ],
    )
    cases.set_status_of_many(tx, {item.case_id for item in items}, "notified", now=now)
    looks.advance_many(
        tx,
        [
            (item.notice_id, item.case_id, soon)
            for item in items
            if (soon := desk.platforms[item.platform].look.next_look(sent[item.notice_id], now)) is not None
        ],
    )
    begun = [
        timing.Begun(
            item,
            desk.platforms[item.platform],
            tuple((kind, sent[item.notice_id]) for kind in ("decide", "remove")),
            (_sent(held[item.notice_id], now),),
        )
        for item in items
    ]
    start_deadlines(tx, begun, desk, now=now)
    repeated = {one.leased.notice_id for one in held.values() if one.leased.attempt > 1 or one.leased.purpose}
    restart_deadlines(tx, [one for one in begun if one.item.notice_id in repeated], desk, sent, now=now)
    receipts = [one.accepted.response for one in held.values() if one.accepted and one.accepted.response]
    apply_responses(tx, receipts, now=now)
    return mine


def _sent(one: Ended, now: datetime) -> Happening:
    facts = {
        "attempt": one.leased.attempt,
        "http_status": one.result.http_status,
        "result": one.result.result,
    }
    if one.accepted is not None and one.accepted.reference:
        facts["platform_reference"] = one.accepted.reference
    return Happening("notice_sent", now, facts)


def _note_channels(
    tx: Transaction,
    tries: Sequence[tuple[outbox.Leased, outbox.AttemptResult]],
    desk: Desk,
    *,
    now: datetime,
) -> None:
    """Open or close the breakers of their channels by what became of several tries."""
    by_channel: dict[tuple[str, str], list[outbox.AttemptResult]] = {}
    for leased, result in tries:
        by_channel.setdefault((leased.platform, channel_of(leased.purpose)), []).append(result)
    for (platform, channel), results in sorted(by_channel.items()):
        before = found = channels.breaker(tx, platform, channel)
        for result in results:
            alive = is_alive(result.result, result.reason)
            found = after(found, alive=alive, now=now, policy=desk.platforms[platform].breaker)
        if found != before:
            channels.save(tx, platform, channel, found)


def not_delivered(
    tx: Transaction,
    leased: outbox.Leased,
    result: outbox.AttemptResult,
    desk: Desk,
    *,
    now: datetime,
    chance: Random,
) -> str:
    """The try failed. Returns ``queued`` (again later), ``dead``, ``fallback`` (goes the platform's other
    way now) or ``late`` (lease lost).
    """
    policy = desk.platforms[leased.platform]
    next_at = None
    if result.result == "retry" and leased.purpose != REDELIVERY:
        asked = None if result.retry_after_s is None else timedelta(seconds=result.retry_after_s)
        next_at = policy.retry.next_at(leased.attempt, now, asked, chance)
    state = "dead" if next_at is None else "queued"
    if not outbox.settle(tx, leased, result, now=now, state=state, next_at=next_at):
        return "late"
    _note_channels(tx, [(leased, result)], desk, now=now)
    if leased.purpose in FOLLOWING:
        follow_up_not_sent(tx, leased, result, desk, now=now, next_at=next_at)
        return state
    if state == "dead" and leased.purpose is None and is_closed_way(result):
        why = result.reason or result.result
        if go_other_way(
            tx, leased.notice_id, leased.platform, desk.fallback, why=why, now=now, actor=desk.actor
        ):
            state = "fallback"
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
