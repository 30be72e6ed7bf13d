"""A case in review: a person approves its notice, or dismisses the case."""

from datetime import datetime

from streams.notices.acts.people import ActRefused, actor, person_named, reason_given
from streams.notices.casebook import cases, events
from streams.notices.casebook.database import Transaction
from streams.notices.guards.repeat import earlier_stands
from streams.notices.handlers.desk import Desk
from streams.notices.handlers.detection import Taken, write
from streams.notices.item import Happening
from streams.notices.policy import REPEAT_WINDOW


def approve(tx: Transaction, case_id: str, desk: Desk, *, by: str, now: datetime) -> Taken:
    """Write the notice of a case in review and queue it; ``Taken.notice_id`` is the new notice.

    It rests on the newest verdict and names the person as its reviewer.

    Raises:
        ActRefused: ``not_in_review``; ``noticed_already`` (with the earlier reference and time);
            ``cannot_write``: what the notice lacks.
    """
    person = person_named(by)
    case = _in_review(tx, case_id)
    previous = cases.latest_item(tx, case_id)
    platform = desk.platforms.get(case.platform)
    window = platform.repeat_window if platform else REPEAT_WINDOW
    why_not = earlier_stands(previous, number=case.round, now=now, window=window)
    revision = 1
    if previous is not None and previous.round >= case.round:
        earlier = cases.notice_by_id(tx, previous.notice_id)
        if why_not is not None:
            at = f"{earlier.queued_at:%Y-%m-%d %H:%M:%S} UTC"
            raise ActRefused(
                "noticed_already", f"The listing has notice {earlier.human_reference} of {at}; {why_not}."
            )
        revision = cases.revision_of(tx, previous.notice_id) + 1
    detection = cases.latest_detection(tx, case_id)
    earlier_round = previous if previous is not None and previous.round < case.round else None
    taken = write(
        tx,
        case,
        detection,
        desk,
        now=now,
        number=case.round,
        previous=earlier_round,
        reviewer=person,
        revision=revision,
    )
    if taken.notice_id is None:
        raise ActRefused("cannot_write", f"No notice can be written: {taken.why}.")
    return taken


def dismiss(tx: Transaction, case_id: str, *, by: str, reason: str, now: datetime) -> None:
    """Close a case in review without a notice; later verdicts on the same listing join it and send nothing.

    Raises:
        ActRefused: ``not_in_review``, ``no_reason``
    """
    why = reason_given(reason)
    _in_review(tx, case_id)
    cases.set_status(tx, case_id, "dismissed", now=now, reason="dismissed")
    events.append(
        tx,
        case_id=case_id,
        happenings=[Happening("dismissed", now, {"reason": why, "by": person_named(by)})],
        now=now,
        actor=actor(by),
    )


def _in_review(tx: Transaction, case_id: str) -> cases.Case:
    case = cases.hold(tx, case_id)
    if case.status != "review":
        raise ActRefused(
            "not_in_review", f"The case {case_id} is not in review: its status is {case.status}."
        )
    return case
