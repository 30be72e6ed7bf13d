"""Two cases are about one matter: a person closes one as merged into the other."""

from datetime import datetime

from streams.notices.acts.people import ActRefused, actor, person_named, reason_given
from streams.notices.casebook import cases, events, holds
from streams.notices.casebook.database import Transaction
from streams.notices.item import Happening


def merge(tx: Transaction, case_id: str, into: str, *, by: str, reason: str, now: datetime) -> None:
    """Close a case in review as merged into another of the same platform, and say so on both time lines.

    Each keeps its own events. Nothing is sent for the closed one, also when its listing is found again.

    Raises:
        ActRefused: ``no_reason``; ``same_case``; ``not_in_review``; ``held``; ``noticed_already``: its
            platform has a notice that is not withdrawn; ``other_platform``; ``decided``: the other case was
            dismissed or merged itself.
    """
    person, why = person_named(by), reason_given(reason)
    if case_id == into:
        raise ActRefused("same_case", "A case cannot be merged into itself: name another one.")
    cases.hold_many(tx, (case_id, into))
    case, other = cases.hold(tx, case_id), cases.hold(tx, into)
    if case.status != "review":
        raise ActRefused(
            "not_in_review", f"The case {case_id} is not in review: its status is {case.status}."
        )
    if case.platform != other.platform:
        raise ActRefused(
            "other_platform",
            f"The other case is of {other.platform}, and {case.platform} has to hear of its own listing.",
        )
    if other.status in ("dismissed", "merged"):
        raise ActRefused("decided", f"The case {into} is {other.status} itself: name one that is not.")
    if holds.open_hold(tx, case_id) is not None:
        raise ActRefused("held", "The case has a hold: release it first, and ask for one on the other case.")
    last = cases.latest_item(tx, case_id)
    if last is not None and not last.withdrawn:
        reference = cases.notice_by_id(tx, last.notice_id).human_reference
        raise ActRefused("noticed_already", f"The case has notice {reference}: withdraw it first.")
    cases.set_status(tx, case_id, "merged", now=now)
    facts = {"reason": why, "by": person}
    for told, about in ((case_id, {"into": into}), (into, {"from": case_id, "url": case.url})):
        happened = Happening("merged", now, {**about, **facts})
        events.append(tx, case_id=told, happenings=[happened], now=now, actor=actor(by))
