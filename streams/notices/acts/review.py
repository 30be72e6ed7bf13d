"""A case in review: a person approves its notice, or dismisses the case."""

from dataclasses import dataclass
from datetime import datetime

import uuid_utils

from streams.notices.acts.people import ActRefused, actor, person_named, reason_given
from streams.notices.casebook import cases, events
from streams.notices.casebook.database import Transaction
from streams.notices.editing import AS_WRITTEN, Edits
from streams.notices.guards.repeat import earlier_stands
from streams.notices.handlers.desk import Desk
from streams.notices.handlers.detection import Taken, queue
from streams.notices.handlers.drafting import Draft, Ground, draft
from streams.notices.item import Happening
from streams.notices.policy import REPEAT_WINDOW


@dataclass(frozen=True, slots=True)
class Preview:
    """A notice as a person saw it: sent under this id and date, and only if these are its bytes."""

    notice_id: str
    at: datetime
    sha256: str


def preview(
    tx: Transaction,
    case_id: str,
    desk: Desk,
    *,
    by: str,
    notice_id: str,
    now: datetime,
    edits: Edits = AS_WRITTEN,
) -> Draft:
    """The notice that :func:`approve` would queue now, or why it would not; changes nothing.

    Raises:
        ActRefused: ``not_in_review``, ``noticed_already``, ``unknown``: there is no such case.
    """
    case = cases.by_id(tx, case_id)
    if case is None:
        raise ActRefused("unknown", f"There is no case {case_id}.")
    ground = _ground(tx, _if_in_review(case), desk, person_named(by), now=now)
    return draft(tx, ground, desk, notice_id=notice_id, at=now, now=now, edits=edits)


def approve(
    tx: Transaction,
    case_id: str,
    desk: Desk,
    *,
    by: str,
    now: datetime,
    edits: Edits = AS_WRITTEN,
    seen: Preview | None = None,
) -> Taken:
    """Write the notice of a case in review and queue it; ``Taken.notice_id`` is the new notice.

    It rests on the newest verdict and names the person as its reviewer. With ``seen`` it goes as it was
    shown, or not at all.

    Raises:
        ActRefused: ``not_in_review``; ``noticed_already`` (with the earlier reference and time);
            ``cannot_write``: what the notice lacks; ``stale_preview``: it would not be what was shown.
    """
    ground = _ground(tx, _in_review(tx, case_id), desk, person_named(by), now=now)
    notice_id, at = (seen.notice_id, seen.at) if seen else (str(uuid_utils.uuid7()), now)
    drafted = draft(tx, ground, desk, notice_id=notice_id, at=at, now=now, edits=edits)
    if drafted.why_not is not None:
        raise ActRefused("cannot_write", f"No notice can be written: {drafted.why_not}.")
    if seen is not None and drafted.sha256 != seen.sha256:
        raise ActRefused(
            "stale_preview",
            "The notice would not be the one that was shown: its text, the verdict or what was agreed with "
            "the platform has changed since. Look at it again, then approve.",
        )
    return queue(tx, ground, drafted, desk, now=now)


def _ground(tx: Transaction, case: cases.Case, desk: Desk, person: str, *, now: datetime) -> Ground:
    """What the notice rests on that a person approves, unless an earlier one stands in its way."""
    previous = cases.latest_item(tx, case.case_id)
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
    earlier_round = previous if previous is not None and previous.round < case.round else None
    detection = cases.latest_detection(tx, case.case_id)
    return Ground(case, detection, case.round, earlier_round, reviewer=person, revision=revision)


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
    return _if_in_review(cases.hold(tx, case_id))


def _if_in_review(case: cases.Case) -> cases.Case:
    if case.status != "review":
        raise ActRefused(
            "not_in_review", f"The case {case.case_id} is not in review: its status is {case.status}."
        )
    return case
