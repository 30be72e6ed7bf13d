"""Several cases in review, of one platform: a person approves one notice about all of them."""

from collections.abc import Sequence
from datetime import datetime

import uuid_utils

from streams.notices.acts.people import ActRefused, person_named
from streams.notices.casebook import cases
from streams.notices.casebook.database import Transaction
from streams.notices.guards.record import keeps_back
from streams.notices.guards.repeat import earlier_stands
from streams.notices.handlers.desk import Desk
from streams.notices.handlers.drafting import related_notices
from streams.notices.handlers.queueing import queue_notice
from streams.notices.policy import PlatformPolicy
from streams.notices.requirements import sentences, unmet_requirements
from streams.notices.wording import CannotWrite, Matter, write_notice_about


def approve_together(tx: Transaction, case_ids: Sequence[str], desk: Desk, *, by: str, now: datetime) -> str:
    """Write one notice about the listings of several cases in review and queue it; its notice id.

    A case that cannot be in it keeps all of it back: nothing is left out unsaid.

    Raises:
        ActRefused: as :func:`streams.notices.acts.review.approve`; ``held``; also ``cannot_write`` where the
            cases are of several platforms, or more than the platform takes in one notice.
    """
    person = person_named(by)
    wanted = tuple(dict.fromkeys(case_ids))
    cases.hold_many(tx, wanted)
    found = [cases.hold(tx, case_id) for case_id in wanted]
    platform = _one_platform(found, desk)
    matters, revisions = [], [1]
    for case in found:
        matter, revision = _matter(tx, case, platform, person, now=now)
        matters.append(matter)
        revisions.append(revision)
    try:
        notice = write_notice_about(
            matters,
            notice_id=str(uuid_utils.uuid7()),
            revision=max(revisions),
            law=desk.law,
            platform=platform,
            sender=desk.sender,
            now=now,
            reviewer=person,
        )
        notice = desk.translate(notice)
        unmet = unmet_requirements(notice, platform.demands, platform=platform.name, now=now)
        if unmet:
            raise CannotWrite(f"it would be refused: {sentences(unmet)}"[:2_000])
        body, content_type = desk.render(notice)
    except CannotWrite as error:
        raise ActRefused(
            "cannot_write", f"No notice about these can be written: {str(error).rstrip('.')}."
        ) from error
    queue_notice(tx, notice, body, content_type, desk, reviewer=person, now=now)
    return notice.notice_id


def _one_platform(found: Sequence[cases.Case], desk: Desk) -> PlatformPolicy:
    names = sorted({case.platform for case in found})
    if len(names) != 1:
        raise ActRefused(
            "cannot_write", f"One notice goes to one platform, and these are of {', '.join(names)}."
        )
    platform = desk.platforms.get(names[0])
    if platform is None:
        raise ActRefused("cannot_write", f"There is no way to reach {names[0]}.")
    return platform


def _matter(
    tx: Transaction, case: cases.Case, platform: PlatformPolicy, person: str, *, now: datetime
) -> tuple[Matter, int]:
    """One case as the notice takes it, and which revision that needs."""
    if case.status != "review":
        raise ActRefused(
            "not_in_review", f"The case {case.case_id} is not in review: its status is {case.status}."
        )
    detection = cases.latest_detection(tx, case.case_id)
    previous = cases.latest_item(tx, case.case_id)
    why_not = earlier_stands(previous, number=case.round, now=now, window=platform.repeat_window)
    if why_not is not None:
        raise ActRefused("noticed_already", f"The case {case.case_id} has a notice; {why_not}.")
    if (why := keeps_back(tx, case, detection, platform, person, now=now)) is not None:
        raise ActRefused("held", f"The case {case.case_id} cannot be in it: {why}.")
    again = previous is not None and previous.round >= case.round
    revision = cases.revision_of(tx, previous.notice_id) + 1 if again and previous is not None else 1
    return Matter(detection, case.case_id, case.round, related_notices(tx, case, detection)), revision
