"""Deadlines begin, are met, fall away, or pass in silence."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from streams.notices import timing
from streams.notices.casebook import cases, deadlines, events, holds, inbox, looks
from streams.notices.casebook.database import Transaction
from streams.notices.handlers import ladder
from streams.notices.handlers.desk import Desk
from streams.notices.item import FINAL_CLAIMS, Happening, Item, claim_by, has_decided, removal_met

BOUNCED = "bounced"
"""Why a deadline was ended whose platform never had the notice."""

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
        if deadline.kind.startswith(timing.ESCALATION):
            _climb(tx, deadline, desk, now=now)
            continue
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


def _climb(tx: Transaction, deadline: deadlines.Deadline, desk: Desk, *, now: datetime) -> None:
    item = cases.item_of(tx, deadline.notice_id, deadline.case_id)
    happened = ladder.climb(tx, deadline, item, desk, now=now)
    events.append(
        tx, case_id=item.case_id, happenings=happened, now=now, actor=desk.actor, notice_id=item.notice_id
    )


def start_deadlines(tx: Transaction, begun: Sequence[timing.Begun], desk: Desk, *, now: datetime) -> None:
    """Start the clocks that each platform's agreement has, and record it. The caller holds the cases."""
    happened = timing.start(tx, begun, now=now)
    entries = [
        events.Entry(one.item.case_id, one.item.notice_id, (*one.first, *set_now))
        for one, set_now in zip(begun, happened, strict=True)
    ]
    events.append_to_many(tx, entries, now=now, actor=desk.actor)
    fresh = [one for one, set_now in zip(begun, happened, strict=True) if set_now]
    on_hold = holds.in_force_of_many(tx, {one.item.case_id for one in fresh}, now=now)
    # A ladder is counted by what the platform owes once it has the notice, not by its acknowledgement.
    has_it = [one for one in fresh if any(kind != "acknowledge" for kind, _ in one.started)]
    ladder.begin(tx, [(one.item, one.policy) for one in has_it])
    for item in (one.item for one in fresh):
        if item.claim_rank is None and item.case_id not in on_hold:
            continue
        # It asked us before its clock began (an answer can overtake the reply to our notice), or the
        # police asked for a hold while the notice was on its way.
        stopped = timing.reckon(tx, item, now=now)
        events.append(
            tx, case_id=item.case_id, happenings=stopped, now=now, actor=desk.actor, notice_id=item.notice_id
        )


def restart_deadlines(
    tx: Transaction,
    begun: Sequence[timing.Begun],
    desk: Desk,
    sent: Mapping[str, datetime],
    *,
    now: datetime,
) -> None:
    """Start the clocks again that ended because the notice had come back; ``sent``: when each notice was
    now delivered. The caller holds the cases.
    """
    for one in begun:
        item, at = one.item, sent[one.item.notice_id]
        ended = events.of_notice(tx, item.case_id, item.notice_id, ("deadline_cancelled",))
        kinds = {event.data["kind"] for event in ended if event.data.get("why") == BOUNCED}
        if not kinds:
            continue
        happened = timing.restart(tx, item, one.policy, kinds, at, now=now)
        ladder.restart(tx, item, one.policy, kinds)
        events.append(
            tx, case_id=item.case_id, happenings=happened, now=now, actor=desk.actor, notice_id=item.notice_id
        )


def meet(
    tx: Transaction, item: Item, *, now: datetime, running: Iterable[deadlines.Deadline] | None = None
) -> list[Happening]:
    """Settle the deadlines that the item's state now answers; the verdict is by time of receipt.

    ``running`` are the item's deadlines where the caller has just read them.
    """
    happened: list[Happening] = []
    if running is None:
        running = deadlines.of_item(tx, item.notice_id, item.case_id)
    for deadline in running:
        if deadline.kind not in timing.DUTIES:
            if ladder.is_over(item) and deadline.state in ("pending", "paused"):
                deadlines.move(tx, deadline, "cancelled")
                happened.append(
                    Happening("deadline_cancelled", now, {"kind": deadline.kind, "why": "nothing is owed"})
                )
            continue
        if deadline.kind == "remove":
            if deadline.state != "met":
                happened.extend(_meet_removal(tx, deadline, item, now=now))
            continue
        if deadline.state == "cancelled":
            continue
        met_at = item.acknowledged_at if deadline.kind == "acknowledge" else item.decided_at
        if met_at is None or met_at > deadline.due_at:
            # Too late or not at all: it fires, or has fired. The time it took stands on the item.
            continue
        happened.extend(_met(tx, deadline, met_at, now=now))
    return happened


def cancel(
    tx: Transaction, item: Item, kinds: tuple[str, ...] | None, why: str, *, now: datetime
) -> list[Happening]:
    """End what still runs of these kinds (``None``: everything); the caller holds the case."""
    return [
        Happening("deadline_cancelled", now, {"kind": deadline.kind, "why": why})
        for deadline in deadlines.of_item(tx, item.notice_id, item.case_id)
        if (kinds is None or deadline.kind in kinds)
        and deadline.state in ("pending", "watching", "paused")
        and deadlines.move(tx, deadline, "cancelled")
    ]


def _met(
    tx: Transaction, deadline: deadlines.Deadline, met_at: datetime, *, now: datetime
) -> list[Happening]:
    facts = {"kind": deadline.kind, "due_at": deadline.due_at.isoformat(), "met_at": met_at.isoformat()}
    if deadline.state == "met":
        if deadline.met_at is not None and met_at < deadline.met_at:
            # An earlier answer was applied later: the verdict stays, its time is the earlier one.
            deadlines.move(tx, deadline, "met", met_at=met_at)
        return []
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
    if has_decided(item):
        happened, stays = _by_claims(tx, deadline, item, now=now)
        if not stays:
            return happened
    elif item.claim in FINAL_CLAIMS:
        return cancel(tx, item, ("remove",), item.claim, now=now)
    if deadline.state == "cancelled":
        return []
    stands = deadline.state == "paused"
    if item.removal_verified_at is not None and (stands or removal_met(item, deadline.due_at)):
        return _met(tx, deadline, item.first_offline_at or item.removal_verified_at, now=now)
    undecided = item.content == "offline_unconfirmed"
    if deadline.state == "watching" and not undecided:
        return _miss(tx, deadline, now=now)
    return []


def _by_claims(
    tx: Transaction, deadline: deadlines.Deadline, item: Item, *, now: datetime
) -> tuple[list[Happening], bool]:
    """End a removal that the platform had refused by the time it was due, or let it run again.

    Computed anew from all answers, so that it does not matter in which order they were applied.
    The second value says whether the deadline is as it was, so that what was seen decides.
    """
    due_at = timing.due_now(tx, item, deadline)
    claim = item.claim
    if due_at is not None:
        claim = claim_by(inbox.answers(tx, item.notice_id, item.case_id), due_at)
    if claim in FINAL_CLAIMS:
        if deadline.state != "missed":
            return cancel(tx, item, ("remove",), claim, now=now), False
        if not deadlines.move(tx, deadline, "cancelled", rescinded_at=now):
            return [], False
        facts = {"kind": deadline.kind, "due_at": deadline.due_at.isoformat(), "why": claim}
        return [Happening("deadline_rescinded", now, facts)], False
    if deadline.state != "cancelled" or not _ended_by_claim(tx, item):
        return [], True
    moved = due_at or deadline.due_at
    state = "paused" if due_at is None else "pending"
    if not deadlines.reckoned(tx, deadline, state=state, due_at=moved, rescinded_at=None):
        return [], False
    if due_at is not None:
        looks.advance(tx, item.notice_id, item.case_id, due_at)
    again: dict[str, Any] = {"kind": deadline.kind, "due_at": due_at and due_at.isoformat(), "why": claim}
    return [Happening("deadline_set", now, again)], False


def _ended_by_claim(tx: Transaction, item: Item) -> bool:
    """Whether its removal fell away by the platform's word, not by ours or by what we saw."""
    ended = events.of_notice(tx, item.case_id, item.notice_id, ("deadline_cancelled", "deadline_rescinded"))
    why = [event.data.get("why") for event in ended if event.data["kind"] == "remove"]
    return bool(why) and why[-1] in FINAL_CLAIMS


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
