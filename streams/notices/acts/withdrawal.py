"""We take a notice back: nothing more is sent or counted, and the platform is told."""

from dataclasses import dataclass, replace
from datetime import datetime

from streams.notices.acts.people import ActRefused, actor, person_named, reason_given
from streams.notices.casebook import cases, events, looks, outbox, tasks
from streams.notices.casebook.database import Transaction
from streams.notices.handlers.deadlines import cancel
from streams.notices.handlers.desk import Desk
from streams.notices.handlers.follow_ups import queue, write_follow_up
from streams.notices.item import WITHDRAWN_RANK, Happening, Item


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What became of a withdrawal."""

    told: bool
    """The platform is being told. ``False``: it never had the notice, or no channel carries it."""
    by_person: bool
    """The platform had the notice, and a person has to tell it: its channel takes no withdrawal."""


def withdraw(
    tx: Transaction, notice_id: str, desk: Desk, *, by: str, reason: str, now: datetime
) -> Withdrawn:
    """Take a notice back.

    What waits of it is not sent; its deadlines end; nobody looks at the listing for it any more; what
    the platform says later is kept and changes nothing. A platform that may have the notice is told.

    Raises:
        ActRefused: ``withdrawn`` already; ``under_way``: it is being sent at this very moment.
    """
    why, person = reason_given(reason), person_named(by)
    items = cases.items_of_notice(tx, notice_id)
    for item in items:
        cases.hold(tx, item.case_id)
    items = cases.items_of_notice(tx, notice_id)
    notice = cases.notice_by_id(tx, notice_id)
    if all(item.claim == "void" for item in items):
        raise ActRefused("withdrawn", f"{notice.human_reference} is withdrawn already.")
    if any(entry.state == "leased" for entry in outbox.of_notice(tx, notice_id)):
        raise ActRefused(
            "under_way", f"{notice.human_reference} is being sent at this moment: try again in a minute."
        )
    outbox.void(tx, notice_id)
    had_it = notice.first_attempt_at is not None
    told = False
    if had_it:
        follow_up = write_follow_up(
            cases.notice_body(tx, notice_id), notice, kind="withdrawal", step="withdrawal", at=now, reason=why
        )
        told = queue(tx, notice_id, desk, follow_up, purpose="withdrawal", recipient=None, now=now)
    if had_it and not told:
        for item in items:
            why_person = "the notice is withdrawn, and the platform's channel cannot carry that: tell it"
            tasks.add(
                tx,
                notice_id=notice_id,
                case_id=item.case_id,
                platform=item.platform,
                step="withdrawal",
                why=why_person,
                now=now,
            )
    cases.save_notice(
        tx, notice_id, next_poll_at=None, delivery=notice.delivery if notice.sent_at else "void"
    )
    for item in items:
        _close(tx, item, {"reason": why, "by": person, "told": told}, actor(by), now=now)
    return Withdrawn(told, by_person=had_it and not told)


def _close(tx: Transaction, item: Item, facts: dict[str, object], who: str, *, now: datetime) -> None:
    after = replace(
        item,
        claim="void",
        claim_rank=WITHDRAWN_RANK,
        outcome="withdrawn",
        closed_at=item.closed_at or now,
    )
    cases.save_item(tx, after)
    looks.plan(tx, item.notice_id, item.case_id, None)
    happened = [Happening("withdrawn", now, facts)]
    happened += cancel(tx, after, None, "withdrawn", now=now)
    if item.closed_at is None:
        happened.append(Happening("case_closed", now, {"reason": "withdrawn"}))
        cases.set_status(tx, item.case_id, "closed", now=now, reason="withdrawn")
    events.append(tx, case_id=item.case_id, happenings=happened, now=now, actor=who, notice_id=item.notice_id)
