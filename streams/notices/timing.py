"""Deadlines as recorded facts make them: set when a clock starts, changed when one stops it.

What a deadline was promised stands in its first ``deadline_set`` event, so that it is computed
again from the casebook alone: a configuration that changed meanwhile moves no running deadline.
Why it stands still is read from the same casebook: the platform's questions by our clock at
receipt, our information, and its decision. The order in which they were applied changes nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from streams.notices.casebook import deadlines, events, holds, inbox, looks
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.deadlines import Duty
from streams.notices.item import Happening, Item
from streams.notices.policy import PlatformPolicy, due_dates, limit_of
from streams.sla.calendar import Calendar
from streams.sla.clock import ClockEvent, Due, Limit, due

STOPPABLE = ("decide", "remove")
"""Duties that a question to us can stop; the question itself is the acknowledgement."""
DUTIES = deadlines.DUTIES
ESCALATION = "escalation."
"""What the kind of a step's row begins with; its name follows."""
RUNNING = ("pending", "watching", "paused", "missed")


@dataclass(frozen=True, slots=True)
class Begun:
    """Clocks of one item that begin to run."""

    item: Item
    policy: PlatformPolicy
    started: tuple[tuple[str, datetime], ...]
    """Kinds of duty, and since when."""
    first: tuple[Happening, ...] = ()
    """What else is recorded of the item, before its deadlines."""


def start(tx: Transaction, begun: Sequence[Begun], *, now: datetime) -> tuple[tuple[Happening, ...], ...]:
    """Write the deadlines that are not there yet; returns each item's events. The caller holds the cases."""
    wanted = [
        (
            Duty(one.item.notice_id, one.item.case_id, one.item.platform, kind, started_at, due_at),
            one.policy.sla,
        )
        for one in begun
        if one.policy.sla is not None
        for kind, started_at, due_at in due_dates(one.policy.sla, one.started, one.policy.terms)
    ]
    fresh: dict[tuple[str, str], list[Duty]] = {}
    for duty in deadlines.set_due(tx, wanted):
        fresh.setdefault((duty.notice_id, duty.case_id), []).append(duty)
    # A look at the very moment a removal is due, so that the answer is not a guess.
    removals = [duty for duties in fresh.values() for duty in duties if duty.kind == "remove"]
    looks.advance_many(tx, [(duty.notice_id, duty.case_id, duty.due_at) for duty in removals])
    return tuple(
        tuple(_set(duty, one.policy, now) for duty in fresh.get((one.item.notice_id, one.item.case_id), ()))
        for one in begun
    )


def restart(
    tx: Transaction,
    item: Item,
    policy: PlatformPolicy,
    kinds: Collection[str],
    at: datetime,
    *,
    now: datetime,
) -> list[Happening]:
    """Let cancelled duties of these kinds run again from ``at``, by the agreement as it is now; returns what
    was set. The caller holds the case."""
    happened = []
    every = {deadline.kind: deadline for deadline in deadlines.of_item(tx, item.notice_id, item.case_id)}
    wanted = [(kind, at) for kind in DUTIES if kind in kinds]
    for kind, started_at, due_at in due_dates(policy.sla, wanted, policy.terms) if policy.sla else ():
        if not deadlines.begin_again(tx, every[kind], started_at=started_at, due_at=due_at):
            continue
        _look_when_due(tx, item, kind, due_at)
        duty = Duty(item.notice_id, item.case_id, item.platform, kind, started_at, due_at)
        happened.append(_set(duty, policy, now))
    return happened


def _set(duty: Duty, policy: PlatformPolicy, now: datetime) -> Happening:
    limit = None if policy.sla is None else limit_of(policy.sla, duty.kind, policy.terms)
    assert limit is not None, "a deadline is set only where the promise has a number"
    facts = {
        "kind": duty.kind,
        "due_at": duty.due_at.isoformat(),
        "started_at": duty.started_at.isoformat(),
        **_as_facts(limit, policy.terms.calendar),
    }
    return Happening("deadline_set", now, facts)


def _look_when_due(tx: Transaction, item: Item, kind: str, due_at: datetime) -> None:
    if kind == "remove":
        looks.advance(tx, item.notice_id, item.case_id, due_at)


def _as_facts(limit: Limit, calendar: Calendar) -> dict[str, Any]:
    facts: dict[str, Any] = {"limit": limit.amount, "unit": limit.unit, "need_info": limit.need_info}
    if limit.unit != "hours":
        facts.update(zone=calendar.zone, region=calendar.region, edition=calendar.edition)
    return facts


def _from_facts(facts: Mapping[str, Any]) -> tuple[Limit, Calendar] | None:
    """``None``: the deadline was set by a version that wrote no terms down; it runs as it was set."""
    if "need_info" not in facts:
        return None
    limit = Limit(facts["limit"], facts["unit"], facts["need_info"])
    return limit, Calendar(facts["zone"], facts["region"]) if "zone" in facts else Calendar()


def reckon(tx: Transaction, item: Item, *, now: datetime) -> tuple[Happening, ...]:
    """Compute an item's open deadlines anew; returns what changed. The caller holds the case.

    A stopped deadline keeps the instant at which it was due last and fires nothing. One that fired
    although a question received in time had stopped it is rescinded by an event of its own.
    """
    held = _holds(tx, item)
    clock_events = (*_clock_events(tx, item), *held)
    if not clock_events:
        return ()
    terms = _terms(tx, item)
    happened: list[Happening] = []
    every = deadlines.of_item(tx, item.notice_id, item.case_id)
    base = ladder_base(every)
    for deadline in every:
        known = terms.get(deadline.kind)
        if deadline.kind not in DUTIES or deadline.state not in RUNNING or known is None:
            continue
        limit, calendar = known
        if deadline.kind not in STOPPABLE:
            # A question to us is itself the acknowledgement; only a hold stops the wait for it.
            limit = replace(limit, need_info="run")
        if limit.need_info == "run" and not held:
            continue
        found = due(limit, deadline.started_at, clock_events, calendar)
        changed = _change(tx, item, deadline, found, now=now)
        happened.extend(changed)
        if changed and base is not None and deadline.deadline_id == base.deadline_id:
            _move_steps(tx, every, deadline, found)
    return tuple(happened)


def due_now(tx: Transaction, item: Item, deadline: deadlines.Deadline) -> datetime | None:
    """When it is due by all that is recorded, whatever its state; ``None``: its clock stands."""
    held = _holds(tx, item)
    clock_events = (*_clock_events(tx, item), *held)
    known = _terms(tx, item).get(deadline.kind) if clock_events else None
    if known is None or (known[0].need_info == "run" and not held):
        return deadline.due_at
    limit, calendar = known
    return due(limit, deadline.started_at, clock_events, calendar).due_at


def ladder_base(every: Sequence[deadlines.Deadline]) -> deadlines.Deadline | None:
    """The duty by which an item's ladder is counted: to decide, else to remove, else to acknowledge."""
    by_kind = {deadline.kind: deadline for deadline in every}
    return next((by_kind[kind] for kind in ("decide", "remove", "acknowledge") if kind in by_kind), None)


def _move_steps(
    tx: Transaction, every: Sequence[deadlines.Deadline], base: deadlines.Deadline, found: Due
) -> None:
    """The next step of the ladder stands while its duty stands, and moves by as much as that moves."""
    for step in every:
        if not step.kind.startswith(ESCALATION) or step.state not in ("pending", "paused"):
            continue
        if found.due_at is None:
            deadlines.reckoned(tx, step, state="paused", due_at=step.due_at, rescinded_at=None)
        else:
            moved = step.due_at + (found.due_at - base.due_at)
            deadlines.reckoned(tx, step, state="pending", due_at=moved, rescinded_at=None)


def _holds(tx: Transaction, item: Item) -> tuple[ClockEvent, ...]:
    """When nothing was to be taken down; not what happened after the platform had decided."""
    found: list[ClockEvent] = []
    for hold in holds.of_case(tx, item.case_id):
        assert hold.confirmed_at is not None, "holds.of_case gives confirmed ones"
        if item.decided_at is not None and hold.confirmed_at >= item.decided_at:
            continue
        found.append(ClockEvent("hold_set", hold.confirmed_at))
        if hold.ended_at is not None:
            found.append(ClockEvent("hold_lifted", hold.ended_at))
    return tuple(found)


def _change(
    tx: Transaction, item: Item, deadline: deadlines.Deadline, found: Due, *, now: datetime
) -> list[Happening]:
    due_at = found.due_at or deadline.due_at
    stands = found.due_at is None
    if stands == (deadline.state == "paused") and due_at == deadline.due_at:
        return []
    if stands:
        state = "paused"
    elif deadline.state == "missed" and due_at <= now:
        state = "missed"
    else:
        state = "pending"
    rescinded = deadline.state == "missed" and state != "missed"
    if not deadlines.reckoned(
        tx, deadline, state=state, due_at=due_at, rescinded_at=now if rescinded else None
    ):
        return []
    if not stands:
        _look_when_due(tx, item, deadline.kind, due_at)
    happened = []
    if rescinded:
        facts = {"kind": deadline.kind, "due_at": deadline.due_at.isoformat(), "why": found.why}
        happened.append(Happening("deadline_rescinded", now, facts))
    moved = {
        "kind": deadline.kind,
        "due_at": None if stands else due_at.isoformat(),
        "why": found.why,
        "was_due_at": deadline.due_at.isoformat(),
        "counted_from": found.started_at.isoformat(),
    }
    happened.append(Happening("deadline_set", now, moved))
    return happened


def _terms(tx: Transaction, item: Item) -> dict[str, tuple[Limit, Calendar]]:
    found: dict[str, tuple[Limit, Calendar]] = {}
    for event in events.of_notice(tx, item.case_id, item.notice_id, ("deadline_set",)):
        terms = _from_facts(event.data)
        if terms is not None:
            found.setdefault(event.data["kind"], terms)
    return found


def _clock_events(tx: Transaction, item: Item) -> tuple[ClockEvent, ...]:
    """What stops and restarts this item's clock; empty when the platform never asked."""
    questions = inbox.questions(tx, item.notice_id, item.case_id)
    if not questions:
        return ()
    given = [event.at for event in events.of_notice(tx, item.case_id, item.notice_id, ("information_given",))]
    asked = []
    for said_at, received_at in questions:
        if item.decided_at is not None and received_at >= item.decided_at:
            continue  # It has decided: what it asks after that stops nothing.
        if any(said_at is not None and said_at < told <= received_at for told in given):
            continue  # Said before we answered and heard after: an echo of the question that is settled.
        asked.append(received_at)
    decided = [] if item.decided_at is None else [ClockEvent("request_dropped", item.decided_at)]
    return (
        *(ClockEvent("information_requested", at) for at in asked),
        *(ClockEvent("information_given", at) for at in given),
        *decided,
    )
