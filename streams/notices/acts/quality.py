"""A person says whether a sampled notice was right."""

from datetime import datetime

from streams.notices.acts.identity import one_person
from streams.notices.acts.people import ActRefused, actor, person_named, reason_given
from streams.notices.casebook import cases, events
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.sampling import CHECKED, Week, sample
from streams.notices.casebook.viewer import Viewer
from streams.notices.item import Happening


def check_quality(
    tx: Transaction, viewer: Viewer, week: Week, notice_id: str, *, right: bool, reason: str, now: datetime
) -> None:
    """Record whether a notice of a week's sample should have been written.

    Nothing else changes: a wrong notice is withdrawn by :func:`streams.notices.acts.withdraw`.

    Raises:
        ActRefused: ``no_reason``; ``not_sampled``: it is not in the sample, or the week is not over;
            ``same_person``: who approved it cannot judge it; ``done``: somebody has said so already.
    """
    person, why = person_named(viewer.login), reason_given(reason)
    chosen = sample(tx, viewer, week) if week.until <= now else ()
    one = next((found for found in chosen if found.notice_id == notice_id), None)
    if one is None:
        raise ActRefused("not_sampled", f"The notice is not in the sample of {week.name}.")
    cases.hold(tx, one.case_id)
    # Read again now that nobody else can say it at the same time.
    one = next(found for found in sample(tx, viewer, week) if found.notice_id == notice_id)
    if one.verdict is not None:
        raise ActRefused("done", f"{one.verdict.by} has looked at {one.reference} already.")
    if one.reviewer is not None and one_person(tx, person).is_named(one.reviewer):
        raise ActRefused("same_person", "You approved this notice: another person has to look at it.")
    facts = {
        "week": week.name,
        "right": right,
        "reason": why,
        "by": person,
        "automatic": one.reviewer is None,
        "rules": list(one.rules),
    }
    events.append(
        tx,
        case_id=one.case_id,
        happenings=[Happening(CHECKED, now, facts)],
        now=now,
        actor=actor(person),
        notice_id=notice_id,
    )
