"""Deadlines as recorded facts make them: set when a clock starts, changed when one stops it.

What a deadline was promised stands in its first ``deadline_set`` event, so that it is computed
again from the casebook alone: a configuration that changed meanwhile moves no running deadline.
Why it stands still is read from the same casebook: the platform's questions by our clock at
receipt, our information, and its decision. The order in which they were applied changes nothing.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from streams.notices.casebook import deadlines, events, inbox, looks
from streams.notices.casebook.database import Transaction
from streams.notices.item import Happening, Item
from streams.notices.policy import PlatformPolicy, due_dates, limit_of
from streams.sla.calendar import Calendar
from streams.sla.clock import ClockEvent, Due, Limit, due

STOPPABLE = ("decide", "remove")
"""Duties that a question to us can stop; the question itself is the acknowledgement."""
DUTIES = ("acknowledge", *STOPPABLE)
"""What a platform can owe. Rows of other kinds are steps of the ladder, see :mod:`.ladder`."""
ESCALATION = "escalation."
"""What the kind of a step's row begins with; its name follows."""
RUNNING = ("pending", "watching", "paused", "missed")


def start(
    tx: Transaction, item: Item, policy: PlatformPolicy, started: list[tuple[str, datetime]], *, now: datetime
) -> tuple[Happening, ...]:
    """Write the deadlines that are not there yet; returns their events. The caller holds the case."""
    if policy.sla is None:
        return ()
    fresh = deadlines.set_due(
        tx,
        notice_id=item.notice_id,
        case_id=item.case_id,
        platform=item.platform,
        sla=policy.sla,
        dates=due_dates(policy.sla, started, policy.terms),
    )
    began = dict(started)
    happened = []
    for kind, due_at in fresh:
        limit = limit_of(policy.sla, kind, policy.terms)
        assert limit is not None, "a deadline is set only where the promise has a number"
        facts = {"kind": kind, "due_at": due_at.isoformat(), "started_at": began[kind].isoformat()}
        happened.append(Happening("deadline_set", now, {**facts, **_as_facts(limit, policy.terms.calendar)}))
        _look_when_due(tx, item, kind, due_at)
    return tuple(happened)


def _look_when_due(tx: Transaction, item: Item, kind: str, due_at: datetime) -> None:
    if kind == "remove":
        # A look at the very moment it is due, so that the answer is not a guess.
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
    clock_events = _clock_events(tx, item)
    if not clock_events:
        return ()
    terms = _terms(tx, item)
    happened: list[Happening] = []
    for deadline in deadlines.of_item(tx, item.notice_id, item.case_id):
        known = terms.get(deadline.kind)
        if deadline.kind not in STOPPABLE or deadline.state not in RUNNING or known is None:
            continue
        limit, calendar = known
        if limit.need_info == "run":
            continue
        found = due(limit, deadline.started_at, clock_events, calendar)
        happened.extend(_change(tx, item, deadline, found, now=now))
    return tuple(happened)


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
