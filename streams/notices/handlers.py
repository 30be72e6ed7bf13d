"""What the notice service does when something happened: one function, one transaction.

Each takes an open transaction, holds the case, asks the pure decisions (:mod:`.item`,
:mod:`.wording`, :mod:`.policy`) and writes the result. Every one of them may see the same thing
twice and then changes nothing.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

import uuid_utils

from schemas.detection import Detection
from schemas.notice import LegalBasis, Notice
from schemas.response import PlatformResponse
from streams.notices import timing
from streams.notices.casebook import cases, deadlines, events, inbox, looks, outbox
from streams.notices.casebook.database import Transaction
from streams.notices.item import (
    FINAL_CLAIMS,
    GONE,
    Happening,
    Item,
    Look,
    apply_answer,
    apply_look,
    claim_of,
    next_look,
    removal_met,
)
from streams.notices.policy import PlatformPolicy, SenderPolicy
from streams.notices.requirements import Unmet, sentences, unmet_requirements
from streams.notices.wording import CannotWrite, write_notice


@dataclass(frozen=True, slots=True)
class Desk:
    """What a handler must know besides the casebook: agreements, wording and how to render."""

    platforms: Mapping[str, PlatformPolicy]
    sender: SenderPolicy
    law: Mapping[str, LegalBasis]
    render: Callable[[Notice], tuple[bytes, str]]
    """Body bytes and content type for the notice's platform; pure. Raises ``CannotWrite``."""
    actor: str = "notices"


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a detection."""

    case_id: str | None
    result: str
    """``repeated``, ``joined``, ``review``, ``noticed``, ``set_aside``."""
    notice_id: str | None = None


def take_detection(tx: Transaction, detection: Detection, desk: Desk, *, now: datetime) -> Taken:
    """Open or join the one case of the listing; write a notice where a rule says so.

    A verdict is taken once. A listing that is shown again after its removal was verified starts
    the case's next round.
    """
    if detection.outcome not in ("notify", "review"):
        return Taken(None, "set_aside")
    if cases.known_detection(tx, detection.detection_id):
        return Taken(None, "repeated")
    case = cases.hold_by_listing(tx, detection.platform, detection.listing_id)
    happened: list[Happening] = []
    if case is None:
        case = cases.open_case(tx, detection, status="detected", now=now)
        happened.append(Happening("case_opened", now, {"url": detection.listing.url}))
    if not cases.add_detection(tx, case.case_id, detection, now=now):
        return Taken(case.case_id, "repeated")
    happened.append(
        Happening(
            "detected",
            detection.screened_at,
            {
                "detection_id": detection.detection_id,
                "outcome": detection.outcome,
                "rules": list(dict.fromkeys(rule.rule_id for rule in detection.rules)),
                "ruleset_version": detection.ruleset_version,
            },
        )
    )
    item = cases.latest_item(tx, case.case_id)
    again = item is not None and item.content in GONE and _seen_after(detection, item)
    if again and item is not None:
        happened.append(Happening("reappeared", detection.listing.observed_at, {"by": "detection"}))
        cases.save_item(tx, replace(item, content="reappeared", reappeared_at=detection.listing.observed_at))
        looks.plan(tx, item.notice_id, item.case_id, None)
    events.append(tx, case_id=case.case_id, happenings=happened, now=now, actor=desk.actor)
    if case.status == "dismissed" or (item is not None and not again):
        return Taken(case.case_id, "joined")
    number = case.round + 1 if again else case.round
    if detection.outcome == "notify":
        return _write(tx, case, detection, desk, now=now, number=number, previous=item)
    return _to_review(tx, case, desk, now=now, why="a rule asks for a person", number=number)


def _seen_after(detection: Detection, item: Item) -> bool:
    """A replayed old snapshot is no re-appearance: it must be newer than our proof of removal."""
    return item.removal_verified_at is not None and detection.listing.observed_at > item.removal_verified_at


def _to_review(
    tx: Transaction,
    case: cases.Case,
    desk: Desk,
    *,
    now: datetime,
    why: str,
    number: int,
    unmet: tuple[Unmet, ...] = (),
) -> Taken:
    if number != case.round:
        cases.start_round(tx, case.case_id, number)
    if case.status != "review":
        cases.set_status(tx, case.case_id, "review", now=now)
        events.append(
            tx,
            case_id=case.case_id,
            happenings=[Happening("sent_to_review", now, {"why": why, **_reasons(unmet)})],
            now=now,
            actor=desk.actor,
        )
    return Taken(case.case_id, "review")


def _reasons(unmet: tuple[Unmet, ...]) -> dict[str, list[str]]:
    return {"unmet": [f"{one.code} {one.path}" for one in unmet]} if unmet else {}


def _write(
    tx: Transaction,
    case: cases.Case,
    detection: Detection,
    desk: Desk,
    *,
    now: datetime,
    number: int,
    previous: Item | None,
) -> Taken:
    platform = desk.platforms.get(case.platform)
    if platform is None:
        return _to_review(tx, case, desk, now=now, why="no way to reach this platform", number=number)
    try:
        notice = write_notice(
            detection,
            notice_id=str(uuid_utils.uuid7()),
            case_id=case.case_id,
            round=number,
            revision=1,
            law=desk.law,
            platform=platform,
            sender=desk.sender,
            now=now,
            relisting_of=previous.notice_id if previous else None,
        )
    except CannotWrite as error:
        return _to_review(tx, case, desk, now=now, why=str(error), number=number)
    unmet = unmet_requirements(notice, platform.demands, platform=case.platform, now=now)
    if unmet:
        why = f"the notice would be refused: {sentences(unmet)}"[:2_000]
        return _to_review(tx, case, desk, now=now, why=why, number=number, unmet=unmet)
    try:
        body, content_type = desk.render(notice)
    except CannotWrite as error:
        return _to_review(tx, case, desk, now=now, why=str(error), number=number)
    if number != case.round:
        cases.start_round(tx, case.case_id, number)
    cases.add_notice(
        tx,
        notice,
        case_ids=[case.case_id],
        body=body,
        content_type=content_type,
        body_sha256=hashlib.sha256(body).hexdigest(),
        next_poll_at=None,
    )
    cases.set_status(tx, case.case_id, "approved", now=now)
    events.append(
        tx,
        case_id=case.case_id,
        happenings=[
            Happening(
                "approved", now, {"by": "zero_tolerance_rule", "rules": list(notice.detection.rule_ids)}
            ),
            Happening(
                "notice_queued",
                now,
                {
                    "reference": notice.human_reference,
                    "idempotency_key": notice.idempotency_key,
                    "body_sha256": hashlib.sha256(body).hexdigest(),
                },
            ),
        ],
        now=now,
        actor=desk.actor,
        notice_id=notice.notice_id,
    )
    return Taken(case.case_id, "noticed", notice.notice_id)


# ---------------------------------------------------------------------------- delivery


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
    first = [item for one in leased if one.attempt == 1 for item in cases.items_of_notice(tx, one.notice_id)]
    for item in sorted(first, key=lambda item: item.case_id):
        _set_deadlines(tx, item, desk, now=now, started=[("acknowledge", now)])
    return leased


def _set_deadlines(
    tx: Transaction, item: Item, desk: Desk, *, now: datetime, started: list[tuple[str, datetime]]
) -> None:
    policy = desk.platforms.get(item.platform)
    if policy is None or policy.sla is None:
        return
    cases.hold(tx, item.case_id)
    happened = timing.start(tx, item, policy, started, now=now)
    events.append(
        tx, case_id=item.case_id, happenings=happened, now=now, actor=desk.actor, notice_id=item.notice_id
    )
    if happened and item.claim_rank is not None:
        # It asked us before its clock began: an answer can overtake the reply to our notice.
        stopped = timing.reckon(tx, item, now=now)
        events.append(
            tx, case_id=item.case_id, happenings=stopped, now=now, actor=desk.actor, notice_id=item.notice_id
        )


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
        _set_deadlines(tx, item, desk, now=now, started=[("decide", sent_at), ("remove", sent_at)])
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
                happened.extend(_cancel(tx, item, ("acknowledge",), "delivery_refused", now=now))
        events.append(
            tx,
            case_id=item.case_id,
            happenings=happened,
            now=now,
            actor=desk.actor,
            notice_id=leased.notice_id,
        )
    return state


# ---------------------------------------------------------------------------- answers


class UnknownNotice(LookupError):
    """An answer names a notice that this casebook never sent to that platform."""


def apply_response(tx: Transaction, response: PlatformResponse, *, now: datetime) -> int:
    """Apply one answer to the items it is about; returns how many of them it changed or added to.

    Raises:
        UnknownNotice: no notice of this platform has that key, or it has no such item.
    """
    notice = cases.notice_by_key(tx, response.idempotency_key)
    if notice is None or notice.platform != response.platform:
        raise UnknownNotice(response.idempotency_key)
    targets = [
        item
        for item in cases.items_of_notice(tx, notice.notice_id)
        if response.item_id in (None, item.item_id)
    ]
    if not targets:
        raise UnknownNotice(f"{response.idempotency_key} item {response.item_id}")
    new = 0
    for target in targets:
        cases.hold(tx, target.case_id)
        if not inbox.add_response(tx, response, notice_id=notice.notice_id, case_id=target.case_id):
            continue
        new += 1
        # Read again: the case is held only now.
        before = cases.item_of(tx, notice.notice_id, target.case_id)
        after, happened = apply_answer(before, response)
        cases.save_item(tx, after)
        all_happened = list(happened)
        if claim_of(response) == "need_info" or after.decided_at != before.decided_at:
            all_happened += timing.reckon(tx, after, now=now)
        all_happened += _meet(tx, after, now=now)
        events.append(
            tx,
            case_id=target.case_id,
            happenings=all_happened,
            now=now,
            actor=f"platform:{response.platform}",
            notice_id=notice.notice_id,
        )
    if new:
        items = cases.items_of_notice(tx, notice.notice_id)
        if all(item.decided_at is not None for item in items):
            cases.save_notice(tx, notice.notice_id, next_poll_at=None)
    return new


def information_given(tx: Transaction, notice_id: str, *, given_at: datetime, sha256: str, actor: str) -> int:
    """The platform took the information it had asked for: its clock runs on, or anew.

    ``sha256`` is of the text that it was given, which is not kept here. Returns the number of items
    whose deadlines this changed.
    """
    changed = 0
    for target in cases.items_of_notice(tx, notice_id):
        cases.hold(tx, target.case_id)
        item = cases.item_of(tx, notice_id, target.case_id)
        given = Happening("information_given", given_at, {"sha256": sha256})
        events.append(
            tx, case_id=item.case_id, happenings=[given], now=given_at, actor=actor, notice_id=notice_id
        )
        # It reads what was just recorded, so the two are written one after the other.
        happened = [*timing.reckon(tx, item, now=given_at)]
        happened += _meet(tx, item, now=given_at)
        events.append(
            tx, case_id=item.case_id, happenings=happened, now=given_at, actor=actor, notice_id=notice_id
        )
        changed += bool(happened)
    return changed


def _meet(tx: Transaction, item: Item, *, now: datetime) -> list[Happening]:
    """Settle the deadlines that the item's state now answers; the verdict is by time of receipt."""
    happened: list[Happening] = []
    for deadline in deadlines.of_item(tx, item.notice_id, item.case_id):
        if deadline.state in ("met", "cancelled"):
            continue
        if deadline.kind == "remove":
            happened.extend(_meet_removal(tx, deadline, item, now=now))
            continue
        met_at = item.acknowledged_at if deadline.kind == "acknowledge" else item.decided_at
        if met_at is None or met_at > deadline.due_at:
            # Too late or not at all: it fires, or has fired. The time it took stands on the item.
            continue
        happened.extend(_met(tx, deadline, met_at, now=now))
    return happened


def _cancel(
    tx: Transaction, item: Item, kinds: tuple[str, ...], why: str, *, now: datetime
) -> list[Happening]:
    return [
        Happening("deadline_cancelled", now, {"kind": deadline.kind, "why": why})
        for deadline in deadlines.of_item(tx, item.notice_id, item.case_id)
        if deadline.kind in kinds
        and deadline.state in ("pending", "watching", "paused")
        and deadlines.move(tx, deadline, "cancelled")
    ]


def _met(
    tx: Transaction, deadline: deadlines.Deadline, met_at: datetime, *, now: datetime
) -> list[Happening]:
    facts = {"kind": deadline.kind, "due_at": deadline.due_at.isoformat(), "met_at": met_at.isoformat()}
    if deadline.state == "missed":
        if deadlines.move(tx, deadline, "met", met_at=met_at, rescinded_at=now):
            return [Happening("deadline_rescinded", now, facts)]
        return []
    return (
        [Happening("deadline_met", met_at, facts)]
        if deadlines.move(tx, deadline, "met", met_at=met_at)
        else []
    )


def _meet_removal(
    tx: Transaction, deadline: deadlines.Deadline, item: Item, *, now: datetime
) -> list[Happening]:
    if item.claim in FINAL_CLAIMS:
        return _cancel(tx, item, ("remove",), item.claim, now=now)
    stands = deadline.state == "paused"
    if item.removal_verified_at is not None and (stands or removal_met(item, deadline.due_at)):
        return _met(tx, deadline, item.first_offline_at or item.removal_verified_at, now=now)
    undecided = item.content == "offline_unconfirmed"
    if deadline.state == "watching" and not undecided:
        return _miss(tx, deadline, now=now)
    return []


def take_inbox(
    tx: Transaction,
    received: inbox.Received,
    responses: Iterable[PlatformResponse],
    *,
    now: datetime,
) -> str:
    """Apply what a stored answer says; returns ``applied``, ``quarantined`` or ``taken`` (by another)."""
    wanted = tuple(responses)
    unknown = [r for r in wanted if cases.notice_by_key(tx, r.idempotency_key) is None]
    if unknown:
        moved = inbox.finish(
            tx,
            received.inbox_id,
            state="quarantined",
            now=now,
            reason="unknown_case",
            detail=f"no notice has the key {unknown[0].idempotency_key}",
        )
        return "quarantined" if moved else "taken"
    if not inbox.finish(tx, received.inbox_id, state="applied", now=now):
        return "taken"
    for response in wanted:
        apply_response(tx, response, now=now)
    return "applied"


# ---------------------------------------------------------------------------- looks


def take_look(
    tx: Transaction,
    due: looks.LookDue,
    look: Look,
    desk: Desk,
    *,
    now: datetime,
    http_status: int | None,
    body_sha256: str | None,
    observer: str,
) -> tuple[Happening, ...]:
    """Record one look at a listing and what follows from it; plans the next one."""
    case = cases.hold(tx, due.case_id)
    policy = desk.platforms[due.platform]
    looks.record(
        tx,
        notice_id=due.notice_id,
        case_id=due.case_id,
        at=look.at,
        state=look.state,
        reason=look.reason,
        http_status=http_status,
        body_sha256=body_sha256,
        observer=observer,
    )
    before = cases.item_of(tx, due.notice_id, due.case_id)
    after, happened = apply_look(before, look, policy.look)
    cases.save_item(tx, after)
    gone_before = after.content == "pre_gone" and before.content != "pre_gone"
    all_happened = list(happened)
    if gone_before:
        all_happened += _cancel(tx, after, ("acknowledge", "decide", "remove"), "pre_gone", now=now)
        if outbox.void(tx, due.notice_id):
            cases.save_notice(tx, due.notice_id, delivery="void")
        cases.save_notice(tx, due.notice_id, next_poll_at=None)
    all_happened += _meet(tx, after, now=now)
    events.append(
        tx,
        case_id=due.case_id,
        happenings=all_happened,
        now=now,
        actor=observer,
        notice_id=due.notice_id,
    )
    if gone_before:
        cases.set_status(tx, due.case_id, "closed", now=now, reason="pre_gone")
    if after.closed_at is not None and before.closed_at is None:
        cases.set_status(tx, due.case_id, "closed", now=now, reason="verified_removed")
    planned = next_look(after, now, policy.look, last=look)
    still = [d.due_at for d in deadlines.of_item(tx, due.notice_id, due.case_id) if d.kind == "remove"]
    upcoming = [at for at in still if at > now]
    if planned is not None and upcoming:
        planned = min([planned, *upcoming])
    looks.plan(tx, due.notice_id, due.case_id, planned)
    if after.content == "reappeared" and before.content in GONE:
        detection = cases.latest_detection(tx, due.case_id)
        seen = detection.model_copy(
            update={"listing": detection.listing.model_copy(update={"observed_at": look.at})}
        )
        _write(tx, case, seen, desk, now=now, number=case.round + 1, previous=after)
    return tuple(all_happened)


# ---------------------------------------------------------------------------- deadlines


FIRE_AT_ONCE = 500
"""Deadlines fired in one transaction."""


def fire_deadlines(tx: Transaction, desk: Desk, *, now: datetime, limit: int = FIRE_AT_ONCE) -> int:
    """Fire what is due, each once; returns how many rows were due.

    The caller has drained the inbox of answers received by ``now``.
    """
    due = deadlines.due(tx, now=now, limit=limit)
    if not due:
        return 0
    # All cases first, in the one order; then what is still due under the hold.
    cases.hold_many(tx, {deadline.case_id for deadline in due})
    held = deadlines.still_due(tx, due, now=now)
    items = cases.items_of_notices(tx, {deadline.notice_id for deadline in held})
    silent = []
    for deadline in held:
        item = items[deadline.notice_id, deadline.case_id]
        if deadline.kind == "remove" and _gone_in_time(item, deadline.due_at):
            # Gone from sight before it was due, but one look is no proof: the next looks decide.
            deadlines.move(tx, deadline, "watching")
        else:
            silent.append(deadline)
    missed = deadlines.miss(tx, silent, fired_at=now)
    entries = [
        events.Entry(one.case_id, one.notice_id, (_missed(one, now),))
        for one in silent
        if one.deadline_id in missed
    ]
    events.append_to_many(tx, entries, now=now, actor=desk.actor)
    return len(due)


def _gone_in_time(item: Item, due_at: datetime) -> bool:
    return (
        item.content == "offline_unconfirmed"
        and item.first_offline_at is not None
        and item.first_offline_at <= due_at
    )


def _missed(deadline: deadlines.Deadline, now: datetime) -> Happening:
    facts = {"kind": deadline.kind, "due_at": deadline.due_at.isoformat(), "fired_at": now.isoformat()}
    return Happening("deadline_missed", now, facts)


def _miss(tx: Transaction, deadline: deadlines.Deadline, *, now: datetime) -> list[Happening]:
    return [_missed(deadline, now)] if deadlines.move(tx, deadline, "missed", fired_at=now) else []
