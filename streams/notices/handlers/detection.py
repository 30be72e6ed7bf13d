"""A verdict on a listing arrives: open or join its case, write a notice where a rule says so."""

from dataclasses import dataclass, replace
from datetime import datetime

import uuid_utils

from schemas.detection import Detection
from streams.notices.casebook import cases, events, links, looks
from streams.notices.casebook.database import Transaction
from streams.notices.handlers.desk import Desk
from streams.notices.handlers.drafting import Draft, Ground, draft
from streams.notices.handlers.queueing import queue_notice
from streams.notices.item import GONE, Happening, Item
from streams.notices.marks import marks_of
from streams.notices.requirements import Unmet
from streams.notices.wording import item_id


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a detection."""

    case_id: str | None
    result: str
    """``repeated``, ``joined``, ``review``, ``noticed``, ``set_aside``; ``erased``: a copy of what was."""
    notice_id: str | None = None
    why: str | None = None
    """Why no notice was written, where a person has to look."""


def take_detection(tx: Transaction, detection: Detection, desk: Desk, *, now: datetime) -> Taken:
    """Open or join the one case of the listing; write a notice where a rule says so.

    A verdict is taken once. A listing that is shown again after its removal was verified starts
    the case's next round. One that shares its seller, a contact or a picture with other cases is linked
    with them.
    """
    if detection.outcome not in ("notify", "review"):
        return Taken(None, "set_aside")
    if cases.known_detection(tx, detection.detection_id):
        return Taken(None, "repeated")
    case = cases.hold_by_listing(tx, detection.platform, detection.listing_id)
    happened: list[Happening] = []
    if case is None:
        number = _first_round(tx, detection)
        case = cases.open_case(tx, detection, status="detected", now=now, number=number)
        happened.append(Happening("case_opened", now, {"url": detection.listing.url}))
    if not cases.add_detection(tx, case.case_id, detection, now=now):
        return Taken(case.case_id, "repeated")
    happened.append(
        Happening(
            "detected",
            detection.screened_at,
            {
                "detection_id": detection.detection_id,
                "outcome": detection.outcome,
                "rules": list(dict.fromkeys(rule.rule_id for rule in detection.rules)),
                "ruleset_version": detection.ruleset_version,
                "pictures": len(detection.listing.images),
                "pictures_fetched": sum(image.fetched is not None for image in detection.listing.images),
            },
        )
    )
    happened.extend(_link(tx, case, detection, now=now))
    item = cases.latest_item(tx, case.case_id)
    again = item is not None and item.content in GONE and _seen_after(detection, item)
    if again and item is not None:
        happened.append(Happening("reappeared", detection.listing.observed_at, {"by": "detection"}))
        cases.save_item(tx, replace(item, content="reappeared", reappeared_at=detection.listing.observed_at))
        looks.plan(tx, item.notice_id, item.case_id, None)
    events.append(tx, case_id=case.case_id, happenings=happened, now=now, actor=desk.actor)
    if case.status in ("dismissed", "merged") or (item is not None and not again):
        return Taken(case.case_id, "joined")
    number = case.round + 1 if again else case.round
    withdrawn = item is not None and item.withdrawn
    if detection.outcome == "notify" and not withdrawn:
        return write(tx, case, detection, desk, now=now, number=number, previous=item)
    why = "its last notice was withdrawn by us" if withdrawn else "a rule asks for a person"
    return _to_review(tx, case, desk, now=now, why=why, number=number)


def _first_round(tx: Transaction, detection: Detection) -> int:
    """A key is used once for ever: the rounds of a case that was erased are not counted again."""
    number = 1
    while cases.item_known(tx, item_id(detection.platform, detection.listing_id, number)):
        number += 1
    return number


def _link(tx: Transaction, case: cases.Case, detection: Detection, *, now: datetime) -> list[Happening]:
    """Keep what the case can share with others; say with which it does, where that is new."""
    had = links.known(tx, case.case_id)
    new = [mark for mark in marks_of(detection.listing) if mark.value not in had]
    links.add(tx, case.case_id, new, now=now)
    linked = links.told(tx, links.sharing(tx, case.case_id, new))
    if not linked:
        return []
    facts = {
        "joins": sorted({join for one in linked for join in one.joins}),
        "cases": [one.case_id for one in linked],
        "after_removal": sum(one.removal_verified_at is not None for one in linked),
    }
    return [Happening("linked", now, facts)]


def _seen_after(detection: Detection, item: Item) -> bool:
    """A replayed old snapshot is no re-appearance: it must be newer than our proof of removal."""
    return item.removal_verified_at is not None and detection.listing.observed_at > item.removal_verified_at


def _to_review(
    tx: Transaction,
    case: cases.Case,
    desk: Desk,
    *,
    now: datetime,
    why: str,
    number: int,
    unmet: tuple[Unmet, ...] = (),
) -> Taken:
    if number != case.round:
        cases.start_round(tx, case.case_id, number)
    if case.status != "review":
        cases.set_status(tx, case.case_id, "review", now=now)
        events.append(
            tx,
            case_id=case.case_id,
            happenings=[Happening("sent_to_review", now, {"why": why, **_reasons(unmet)})],
            now=now,
            actor=desk.actor,
        )
    return Taken(case.case_id, "review", why=why)


def _reasons(unmet: tuple[Unmet, ...]) -> dict[str, list[str]]:
    return {"unmet": [f"{one.code} {one.path}" for one in unmet]} if unmet else {}


def write(
    tx: Transaction,
    case: cases.Case,
    detection: Detection,
    desk: Desk,
    *,
    now: datetime,
    number: int,
    previous: Item | None,
) -> Taken:
    """Write a round's notice and queue it, or send the case to review. The caller holds the case."""
    ground = Ground(case, detection, number, previous)
    drafted = draft(tx, ground, desk, notice_id=str(uuid_utils.uuid7()), at=now, now=now)
    if drafted.why_not is not None:
        why = drafted.why_not
        return _to_review(tx, case, desk, now=now, why=why, number=number, unmet=drafted.unmet)
    return queue(tx, ground, drafted, desk, now=now)


def queue(tx: Transaction, ground: Ground, drafted: Draft, desk: Desk, *, now: datetime) -> Taken:
    """Queue a notice that nothing keeps back. The caller holds the case."""
    assert drafted.notice is not None, "nothing keeps it back"
    assert drafted.body is not None, "it was rendered"
    case, reviewer = ground.case, ground.reviewer
    if ground.number != case.round:
        cases.start_round(tx, case.case_id, ground.number)
    queue_notice(
        tx,
        drafted.notice,
        drafted.body,
        drafted.content_type,
        desk,
        reviewer=reviewer,
        now=now,
        changed=drafted.changed,
    )
    return Taken(case.case_id, "noticed", drafted.notice.notice_id)
