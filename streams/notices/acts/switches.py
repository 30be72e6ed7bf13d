"""The kill switch, and more notices than a platform's daily cap."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from streams.notices.acts.identity import one_person
from streams.notices.acts.people import ActRefused, person_named, reason_given, who
from streams.notices.casebook import caps, kept_back, stops
from streams.notices.casebook.database import Transaction

Scope = Literal["all", "platform", "rule"]


def stop_sending(
    tx: Transaction, scope: Scope, name: str = "", *, by: str, reason: str, now: datetime
) -> None:
    """Stop sending: everything, to one platform, or what rests on one rule.

    Every dispatcher obeys at its next lease, within a second. What is on the wire at that moment
    arrives; what waits, waits.

    Raises:
        ActRefused: ``stopped`` already
    """
    person, why = person_named(by), reason_given(reason)
    if not stops.add(tx, scope=scope, name=name, reason=why, by=person, now=now):
        raise ActRefused("stopped", f"Sending is stopped already: {_named(scope, name)}.")


def resume_sending(tx: Transaction, scope: Scope, name: str = "", *, by: str, now: datetime) -> None:
    """Let it go on.

    Raises:
        ActRefused: ``not_stopped``
    """
    if not stops.lift(tx, scope=scope, name=name, by=person_named(by), now=now):
        raise ActRefused("not_stopped", f"Nothing is stopped there: {_named(scope, name)}.")
    kept_back.let_go(tx)


def _named(scope: Scope, name: str) -> str:
    return "everything" if scope == "all" else f"{scope} {name}"


@dataclass(frozen=True, slots=True)
class Excess:
    """How much above the cap may go out today."""

    approved: int
    """By two people."""
    waits: bool
    """This approval needs another person's."""


def approve_excess(
    tx: Transaction, platform: str, more: int, *, by: str, reason: str, now: datetime
) -> Excess:
    """One of two people approves ``more`` notices above the platform's daily cap, for today (UTC).

    What two different people have both approved may go: the smaller of their numbers. Where there are
    accounts, a person is one of them.

    Raises:
        ActRefused: as :func:`~streams.notices.acts.identity.one_person`;
            ``too_much``: not 1 to 100,000; ``done``: this person approved so many before
    """
    person, why = one_person(tx, by), reason_given(reason)
    if not 1 <= more <= 100_000:
        raise ActRefused("too_much", "Approve 1 to 100000 notices above the cap.")
    day = caps.day_of(now)
    before = caps.approved_as(tx, platform, day, person.keys)
    fresh = caps.approve(
        tx,
        platform=platform,
        day=day,
        more=more,
        reason=why,
        by=person.name,
        person=before or who(person.name),
        now=now,
    )
    if not fresh:
        raise ActRefused(
            "done",
            f"{person.name} has approved {more} more for {platform} today: another person has to, too.",
        )
    approved = caps.approved(tx, platform, day)
    return Excess(approved, waits=approved < more)
