"""The escalation ladder: what is done when a platform stays silent, step by step.

Each step is a deadline row of its own, written when the step before has been taken, so that it
fires once, also after a restart. Its time is a share of the time that the platform had to decide.
It stands while that duty stands, and falls away when the platform decides or nothing is owed any more.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from schemas.notice import SlaPromise
from streams.notices.casebook import cases, deadlines, events, tasks
from streams.notices.casebook.database import Transaction
from streams.notices.handlers.desk import Desk
from streams.notices.handlers.follow_ups import queue, write_follow_up
from streams.notices.item import Happening, Item, is_open
from streams.notices.policy import PlatformPolicy, Step
from streams.notices.timing import ESCALATION, ladder_base

WAIT_FOR_PROOF = timedelta(minutes=1)


def is_over(item: Item) -> bool:
    """Nothing is left to press for: decided, gone, ended by a word of the platform or ours."""
    return item.decided_at is not None or item.closed_at is not None or not is_open(item)


def step_after(ladder: tuple[Step, ...], name: str | None) -> Step | None:
    """The step that follows the named one; the first where none is named. By time, whatever the order."""
    rising = sorted(ladder, key=lambda step: step.at)
    if name is None:
        return rising[0] if rising else None
    names = [step.name for step in rising]
    place = names.index(name) + 1 if name in names else len(names)
    return rising[place] if place < len(rising) else None


def due_of(step: Step, *, due_at: datetime, length: timedelta) -> datetime:
    """When a step is taken: ``due_at`` is the duty's as it stands now, ``length`` what it had at first."""
    return due_at - length + step.at * length


def begin(tx: Transaction, begun: Sequence[tuple[Item, PlatformPolicy]]) -> None:
    """Write each item's first step, where there is a ladder and a duty to count by. Again changes nothing.

    The caller holds the cases.
    """
    wanted = [(item, policy) for item, policy in begun if policy.ladder and not is_over(item)]
    if not wanted:
        return
    running = deadlines.of_items(tx, {item.notice_id for item, _ in wanted})
    rungs = []
    for item, policy in wanted:
        base = ladder_base(running.get((item.notice_id, item.case_id), ()))
        first = step_after(policy.ladder, None)
        if base is not None and first is not None and base.kind != "acknowledge":
            rungs += _rung(item, policy, first, base, base.due_at - base.started_at)
    deadlines.set_due(tx, rungs)


def restart(tx: Transaction, item: Item, policy: PlatformPolicy, kinds: Collection[str]) -> None:
    """The step that fell away with its duty waits again, counted by the duty as it runs now."""
    every = deadlines.of_item(tx, item.notice_id, item.case_id)
    base = ladder_base(every)
    steps = {ESCALATION + step.name: step for step in policy.ladder}
    for deadline in every:
        step = steps.get(deadline.kind)
        if base is None or step is None or deadline.kind not in kinds:
            continue
        at = due_of(step, due_at=base.due_at, length=base.due_at - base.started_at)
        deadlines.begin_again(tx, deadline, started_at=base.started_at, due_at=at)


def _rung(
    item: Item, policy: PlatformPolicy, step: Step, base: deadlines.Deadline, length: timedelta
) -> list[tuple[deadlines.Duty, SlaPromise]]:
    """The step's row, as it is to be written; nothing where no agreement is left to press by."""
    if policy.sla is None:
        return []
    at = due_of(step, due_at=base.due_at, length=length)
    kind = ESCALATION + step.name
    return [
        (
            deadlines.Duty(item.notice_id, item.case_id, item.platform, kind, base.started_at, at),
            policy.sla,
        )
    ]


def climb(
    tx: Transaction, deadline: deadlines.Deadline, item: Item, desk: Desk, *, now: datetime
) -> list[Happening]:
    """A step's time has come: take it, once, and set the next. The caller holds the case."""
    name = deadline.kind.removeprefix(ESCALATION)
    if is_over(item):
        deadlines.move(tx, deadline, "cancelled")
        return []
    if item.content == "offline_unconfirmed":
        # Gone from sight, not yet proven: the next look decides whether there is anything to press for.
        again = now + WAIT_FOR_PROOF
        deadlines.reckoned(tx, deadline, state="pending", due_at=again, rescinded_at=None)
        return []
    if not deadlines.move(tx, deadline, "done", fired_at=now):
        return []
    policy = desk.platforms.get(item.platform)
    every = deadlines.of_item(tx, item.notice_id, item.case_id)
    base = ladder_base(every)
    step = next((one for one in policy.ladder if one.name == name), None) if policy else None
    if policy is not None and base is not None:
        following = step_after(policy.ladder, name)
        if following is not None:
            length = _first_length(tx, item, base)
            deadlines.set_due(tx, _rung(item, policy, following, base, length))
    facts = {"step": name, "due_at": deadline.due_at.isoformat(), "fired_at": now.isoformat()}
    if step is not None and base is not None and _press(tx, item, step, base, desk, now=now):
        return [Happening("follow_up_queued", now, {**facts, "to": step.to or "desk"})]
    why = f"no decision; step {name} of the ladder is due and no channel or address is configured for it"
    tasks.add(
        tx,
        notice_id=item.notice_id,
        case_id=item.case_id,
        platform=item.platform,
        step=name,
        why=why,
        now=now,
    )
    return [Happening("escalation_due", now, {**facts, "why": why})]


def _press(
    tx: Transaction, item: Item, step: Step, base: deadlines.Deadline, desk: Desk, *, now: datetime
) -> bool:
    """Queue the step's message; ``False``: nothing carries it. Never to an address that is not configured."""
    if not step.by_channel and step.to is None:
        return False
    follow_up = write_follow_up(
        cases.notice_body(tx, item.notice_id),
        cases.notice_by_id(tx, item.notice_id),
        kind="reminder" if step.by_channel else "escalation",
        step=step.name,
        at=now,
        due_at=base.due_at,
    )
    purpose = "reminder" if step.by_channel else "escalation"
    recipient = None if step.by_channel else step.to
    return queue(tx, item.notice_id, desk, follow_up, purpose=purpose, recipient=recipient, now=now)


def _first_length(tx: Transaction, item: Item, base: deadlines.Deadline) -> timedelta:
    """How long the duty was at first: what stopped its clock since makes it no longer."""
    for event in events.of_notice(tx, item.case_id, item.notice_id, ("deadline_set",)):
        if event.data["kind"] == base.kind and event.data.get("started_at") and event.data["due_at"]:
            return datetime.fromisoformat(event.data["due_at"]) - datetime.fromisoformat(
                event.data["started_at"]
            )
    return base.due_at - base.started_at
