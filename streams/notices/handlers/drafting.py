"""The notice of a round as it would go now; reads, and changes nothing."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemas.detection import Detection
from schemas.notice import Notice
from streams.notices.casebook import cases, links
from streams.notices.casebook.database import Transaction
from streams.notices.editing import AS_WRITTEN, Edits, changes, edit, offered
from streams.notices.guards.record import keeps_back
from streams.notices.handlers.desk import Desk
from streams.notices.item import Item
from streams.notices.marks import Joins, marks_of
from streams.notices.requirements import Unmet, sentences, unmet_requirements
from streams.notices.wording import CannotWrite, Related, write_notice


@dataclass(frozen=True, slots=True)
class Ground:
    """What the notice of one round rests on."""

    case: cases.Case
    detection: Detection
    number: int
    previous: Item | None
    """The last round's, where the listing is back."""
    reviewer: str | None = None
    """The person who approves it; absent where a zero-tolerance rule decides."""
    revision: int = 1


@dataclass(frozen=True, slots=True)
class Draft:
    """A notice that could go, or why none can."""

    as_written: Notice | None = None
    """What the verdict and the agreement make, before anybody changed it."""
    notice: Notice | None = None
    body: bytes | None = None
    """As the platform's channel carries it."""
    content_type: str = ""
    unmet: tuple[Unmet, ...] = ()
    why_not: str | None = None
    """Why it cannot go."""
    changed: Mapping[str, Any] = field(default_factory=dict)
    """What a person changed; see :func:`streams.notices.editing.changes`."""

    @property
    def sha256(self) -> str | None:
        """Of the body, in hexadecimal."""
        return None if self.body is None else hashlib.sha256(self.body).hexdigest()


def draft(
    tx: Transaction,
    ground: Ground,
    desk: Desk,
    *,
    notice_id: str,
    at: datetime,
    now: datetime,
    edits: Edits = AS_WRITTEN,
) -> Draft:
    """The round's notice, dated ``at``: the same bytes for the same arguments and casebook."""
    case, detection = ground.case, ground.detection
    platform = desk.platforms.get(case.platform)
    if platform is None:
        return Draft(why_not="no way to reach this platform")
    kept_back = keeps_back(tx, case, detection, platform, ground.reviewer, now=now)
    if kept_back and ground.reviewer is None:
        return Draft(why_not=kept_back)
    as_written = notice = None
    try:
        as_written = write_notice(
            detection,
            notice_id=notice_id,
            case_id=case.case_id,
            round=ground.number,
            revision=ground.revision,
            law=desk.law,
            platform=platform,
            sender=desk.sender,
            now=at,
            relisting_of=ground.previous.notice_id if ground.previous else None,
            reviewer=ground.reviewer,
            related=related_notices(tx, case, detection),
        )
        notice = desk.translate(edit(as_written, edits, offered(desk.law, platform)))
        unmet = unmet_requirements(notice, platform.demands, platform=case.platform, now=now)
        if unmet:
            why = f"the notice would be refused: {sentences(unmet)}"[:2_000]
            return Draft(as_written, notice, unmet=unmet, why_not=kept_back or why)
        body, content_type = desk.render(notice)
    except CannotWrite as error:
        return Draft(as_written, notice, why_not=kept_back or str(error))
    return Draft(
        as_written, notice, body, content_type, why_not=kept_back, changed=changes(as_written, notice)
    )


def related_notices(tx: Transaction, case: cases.Case, detection: Detection) -> tuple[Related, ...]:
    """Earlier notices to the same platform about what is joined with this listing."""
    joined: dict[str, tuple[Joins, ...]] = links.sharing(tx, case.case_id, marks_of(detection.listing))
    return tuple(
        Related(one.human_reference, one.joins, one.removal_verified_at)
        for one in links.told(tx, joined)
        if one.platform == case.platform and one.human_reference and one.taken_at
    )
