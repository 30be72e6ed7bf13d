"""What one page of the desk shows of one notice or one case, read in one consistent view.

A notice or case that the viewer may not see is answered exactly as one that is not there: ``None``.
"""

import json
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from schemas.case_event import CaseEvent
from schemas.detection import Detection
from schemas.notice import Notice, NoticeItem
from schemas.response import PlatformResponse
from streams.notices.casebook import cases, deadlines, events, exhibits, inbox, legal_holds, links
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.deadlines import Deadline
from streams.notices.casebook.exhibits import Exhibit
from streams.notices.casebook.legal_holds import LegalHold
from streams.notices.casebook.links import Linked
from streams.notices.casebook.viewer import Viewer, visible_to
from streams.notices.item import Item
from streams.notices.pictures import Pictures, pictures_of

VERDICTS = 20
"""Of one case, the newest, that its page reads."""


@dataclass(frozen=True, slots=True)
class NoticePage:
    """Everything about one notice."""

    row: cases.NoticeRow
    notice: Notice
    items: tuple[Item, ...]
    deadlines: tuple[Deadline, ...]
    responses: tuple[PlatformResponse, ...]
    """What the platform said, in order of arrival."""
    exhibits: tuple[Exhibit, ...]
    detection: Detection | None
    """The verdict on the listing that is shown, with the listing as captured."""
    place: int = 0
    """Which listing of the notice is shown, counted from 0; its items stand in the notice's own order."""

    @property
    def item(self) -> NoticeItem:
        """The listing that is shown, as the notice names it."""
        return self.notice.items[self.place]

    @property
    def standing(self) -> Item:
        """Where the listing that is shown stands."""
        return self.items[self.place]

    def deadlines_of(self, case_id: str) -> tuple[Deadline, ...]:
        """The duties towards one listing."""
        return tuple(one for one in self.deadlines if one.case_id == case_id)


def notice(tx: Transaction, viewer: Viewer, reference: str, item_id: str | None = None) -> NoticePage | None:
    """A notice by its reference, its id or its key, and one listing of it: the first, or the one named."""
    notice_id = cases.find_notice(tx, reference)
    if notice_id is None:
        return None
    allowed = tx.execute(
        sa.select(t.notice.c.notice_id).where(
            t.notice.c.notice_id == notice_id, visible_to(viewer, t.notice.c.platform)
        )
    ).one_or_none()
    if allowed is None:
        return None
    body = cases.notice_body(tx, notice_id)
    places = {item.item_id: place for place, item in enumerate(body.items)}
    if item_id is not None and item_id not in places:
        return None
    items = tuple(sorted(cases.items_of_notice(tx, notice_id), key=lambda item: places[item.item_id]))
    place = places[item_id] if item_id is not None else 0
    return NoticePage(
        row=cases.notice_by_id(tx, notice_id),
        notice=body,
        items=items,
        deadlines=tuple(one for item in items for one in deadlines.of_item(tx, notice_id, item.case_id)),
        responses=_responses(tx, notice_id),
        exhibits=exhibits.of_notice(tx, notice_id),
        detection=_detection(tx, body.detection.detection_ids, items[place].case_id),
        place=place,
    )


def platform_of(tx: Transaction, notice_id: str) -> str | None:
    """Whose notice it is; only to check a reply link's seal, never to show."""
    found: str | None = tx.execute(
        sa.select(t.notice.c.platform).where(t.notice.c.notice_id == notice_id)
    ).scalar_one_or_none()
    return found


def _responses(tx: Transaction, notice_id: str) -> tuple[PlatformResponse, ...]:
    rows = tx.execute(
        sa.select(t.response.c.response_id, t.response.c.body)
        .where(t.response.c.notice_id == notice_id)
        .order_by(t.response.c.received_at, t.response.c.response_id, t.response.c.case_id)
    )
    # One that is about several listings is kept with each of them.
    said = {row.response_id: row.body for row in rows}
    return tuple(PlatformResponse.from_bytes(body) for body in said.values())


def _detection(tx: Transaction, detection_ids: tuple[str, ...], case_id: str) -> Detection | None:
    theirs = (t.detection.c.detection_id.in_(detection_ids), t.detection.c.case_id == case_id)
    row = tx.execute(sa.select(t.detection.c.body).where(*theirs).limit(1)).one_or_none()
    return Detection.from_bytes(row.body) if row else None


@dataclass(frozen=True, slots=True)
class CasePage:
    """Everything about one case."""

    case_id: str
    platform: str
    listing_id: str
    url: str
    round: int
    status: str
    close_reason: str | None
    severity: str
    seller: str | None
    opened_at: datetime
    detection: Detection | None
    pictures: Pictures
    """What the newest verdicts say of the listing's pictures."""
    events: tuple[CaseEvent, ...]
    notices: tuple[tuple[str, str, int], ...]
    """Notice id, reference and round of each notice, in order."""
    linked: tuple[Linked, ...] = ()
    """Cases with the same seller, contact or picture that the viewer may see, the newest first."""
    legal_hold: LegalHold | None = None
    """Keeps everything of the case from being erased."""


def case(tx: Transaction, viewer: Viewer, case_id: str) -> CasePage | None:
    """A case with its time line."""
    c = t.case.c
    row = tx.execute(
        sa.select(
            c.case_id,
            c.platform,
            c.listing_id,
            c.url,
            c.round,
            c.status,
            c.close_reason,
            c.severity,
            c.seller,
            c.opened_at,
        ).where(c.case_id == case_id, visible_to(viewer, c.platform))
    ).one_or_none()
    if row is None:
        return None
    notices = tx.execute(
        sa.select(t.notice.c.notice_id, t.notice.c.human_reference, t.notice_item.c.round)
        .join(t.notice_item, t.notice_item.c.notice_id == t.notice.c.notice_id)
        .where(t.notice_item.c.case_id == case_id)
        .order_by(t.notice_item.c.round, t.notice.c.queued_at)
    ).all()
    bodies = tx.execute(
        sa.select(t.detection.c.body)
        .where(t.detection.c.case_id == case_id)
        .order_by(t.detection.c.observed_at.desc(), t.detection.c.recorded_at.desc())
        .limit(VERDICTS)
    ).scalars()
    verdicts = [Detection.from_bytes(body) for body in bodies]
    return CasePage(
        case_id=row.case_id,
        platform=row.platform,
        listing_id=row.listing_id,
        url=row.url,
        round=row.round,
        status=row.status,
        close_reason=row.close_reason,
        severity=row.severity,
        seller=row.seller,
        opened_at=row.opened_at,
        detection=verdicts[0] if verdicts else None,
        pictures=pictures_of(verdicts),
        events=events.of_case(tx, case_id),
        notices=tuple((one.notice_id, one.human_reference, one.round) for one in notices),
        linked=tuple(links.of_case(tx, case_id, viewer)),
        legal_hold=next(iter(legal_holds.in_force(tx, case_id)), None),
    )


def status(tx: Transaction, viewer: Viewer, case_id: str) -> str | None:
    """How a case stands; ``None``: there is none that the viewer may see."""
    found: str | None = tx.execute(
        sa.select(t.case.c.status).where(t.case.c.case_id == case_id, visible_to(viewer, t.case.c.platform))
    ).scalar_one_or_none()
    return found


def exhibit(tx: Transaction, viewer: Viewer, notice_id: str, sha256: str) -> Exhibit | None:
    """One file of evidence of a notice that the viewer may see."""
    allowed = tx.execute(
        sa.select(t.notice.c.notice_id).where(
            t.notice.c.notice_id == notice_id, visible_to(viewer, t.notice.c.platform)
        )
    ).one_or_none()
    if allowed is None:
        return None
    return next((one for one in exhibits.of_notice(tx, notice_id) if one.sha256 == sha256), None)


def received(tx: Transaction, viewer: Viewer, source_id: str) -> tuple[inbox.Received, str] | None:
    """An answer of the viewer's own platform that the inbox keeps, and its state."""
    i = t.inbox.c
    row = tx.execute(
        sa.select(
            i.inbox_id, i.platform, i.channel, i.source_id, i.received_at, i.body, i.headers, i.state
        ).where(i.platform == viewer.platform, i.source_id == source_id)
    ).one_or_none()
    if row is None:
        return None
    found = inbox.Received(
        row.inbox_id,
        row.platform,
        row.channel,
        row.source_id,
        row.received_at,
        row.body,
        json.loads(row.headers),
    )
    return found, row.state
