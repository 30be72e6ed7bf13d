"""Rows of reports: filed by the public, waiting for a person, and what became of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from schemas.report import Report
from streams.notices.casebook import report_tables as r
from streams.notices.casebook import sealing
from streams.notices.casebook import tables as t
from streams.notices.casebook.cases import insert_new
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.review import merged_into
from streams.notices.casebook.viewer import SEES_EVERY_PLATFORM, Viewer, visible_to

_f = r.filed_report.c

State = Literal["waiting", "case", "merged", "dismissed"]
ORIGIN_KEPT = timedelta(days=1)
PUSHED = "intake"
"""Origin of what came with a key: it has that key's rate, and takes nothing from the public's allowance."""


class TooMany(Exception):
    """More reports than are taken from one place, or from all, in the time."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many reports are taken."""

    from_one_per_hour: int = 5
    from_one_per_day: int = 20
    from_all_per_hour: int = 300


@dataclass(frozen=True, slots=True)
class Filed:
    """A report and where it stands."""

    report: Report
    state: State
    picture_size: int | None
    case_id: str | None
    decided_at: datetime | None
    decided_by: str | None
    reason: str | None
    contact: str | None = None
    """Who reported, encrypted. Absent: they left nothing, or it stands in the report, from before there was
    a key."""

    @property
    def leaves_contact(self) -> bool:
        """Whether whoever reported can be reached."""
        who = self.report.reporter
        return self.contact is not None or who.name is not None or who.email is not None


def known(tx: Transaction, report_id: str) -> bool:
    """Whether it was filed before."""
    return tx.execute(sa.select(_f.report_id).where(_f.report_id == report_id)).one_or_none() is not None


def file(
    tx: Transaction,
    report: Report,
    *,
    origin: str,
    allowance: Allowance,
    picture_size: int | None = None,
    now: datetime,
) -> bool:
    """Keep a report; ``False``: the same one was filed before, and nothing changes.

    ``origin`` says where it came from without naming it, and is forgotten after a day.

    Raises:
        TooMany: there are too many already.
    """
    if known(tx, report.report_id):
        return False
    tx.execute(
        sa.update(r.filed_report).where(_f.origin != "", _f.received_at < now - ORIGIN_KEPT).values(origin="")
    )
    hour, day = now - timedelta(hours=1), now - timedelta(days=1)
    if (
        _count(tx, _f.origin == origin, _f.received_at > hour) >= allowance.from_one_per_hour
        or _count(tx, _f.origin == origin, _f.received_at > day) >= allowance.from_one_per_day
        or _count(tx, _f.origin != PUSHED, _f.received_at > hour) >= allowance.from_all_per_hour
    ):
        raise TooMany
    return keep(tx, report, origin=origin, picture_size=picture_size, now=now)


def keep(
    tx: Transaction, report: Report, *, origin: str = PUSHED, picture_size: int | None = None, now: datetime
) -> bool:
    """Keep a report that was accepted already, however many there are; ``False``: it was there."""
    fresh = insert_new(
        tx,
        r.filed_report,
        {
            "report_id": report.report_id,
            "received_at": report.received_at,
            "kind": report.reporter.kind,
            # PostgreSQL keeps no zero character in a text; the body has the address as it came.
            "url": report.url.replace("\0", "\N{REPLACEMENT CHARACTER}"),
            **with_contact(report),
            "picture_sha256": report.kept[0] if report.kept else None,
            "picture_size": report.pictures[0].size if report.pictures else picture_size,
            "origin": origin,
            "state": "waiting",
        },
    )
    if fresh:
        sealing.keep(tx, sealing.REPORT, report.report_id, at=now, actor=f"reporter:{report.reporter.kind}")
    return bool(fresh)


def with_contact(report: Report) -> dict[str, Any]:
    """The columns of a report's body and of its encrypted contact.

    The contact stands apart: a key that is replaced must not change what the audit chain seals.
    """
    who = report.reporter
    in_clear = who.name is not None or who.email is not None
    body = report.model_copy(update={"reporter": who.model_copy(update={"sealed": None})})
    return {
        "body": body.to_bytes(),
        "contact": who.sealed,
        "contact_key": None if in_clear else key_of(who.sealed),
    }


def key_of(contact: str | None) -> str:
    """The id of the key with which a contact is encrypted; empty: there is none."""
    return (contact or "").partition(".")[0]


def _count(tx: Transaction, *conditions: sa.ColumnElement[bool]) -> int:
    found: int = tx.execute(
        sa.select(sa.func.count()).select_from(r.filed_report).where(*conditions)
    ).scalar_one()
    return found


def _may_see(viewer: Viewer) -> sa.ColumnElement[bool]:
    """A report names no tenant yet: only who sees all of them sees it."""
    return sa.true() if viewer.role in SEES_EVERY_PLATFORM and viewer.platform is None else sa.false()


_FILED = (_f.body, _f.state, _f.picture_size, _f.case_id, _f.decided_at, _f.decided_by, _f.reason, _f.contact)


def _filed(row: Sequence[Any]) -> Filed:
    return Filed(Report.from_bytes(row[0]), *row[1:])


def listed(tx: Transaction, viewer: Viewer, *, waiting: bool, limit: int) -> tuple[Filed, ...]:
    """Those that wait, the oldest first; or those that were decided, the newest first."""
    query = sa.select(*_FILED).where(_may_see(viewer))
    if waiting:
        query = query.where(_f.state == "waiting").order_by(_f.received_at, _f.report_id)
    else:
        query = query.where(_f.state != "waiting").order_by(_f.received_at.desc(), _f.report_id)
    return tuple(_filed(tuple(row)) for row in tx.execute(query.limit(limit)))


def count_waiting(tx: Transaction, viewer: Viewer) -> int:
    """How many wait for a person."""
    return _count(tx, _may_see(viewer), _f.state == "waiting")


def one(tx: Transaction, viewer: Viewer, report_id: str) -> Filed | None:
    """One report; ``None``: there is none, or it is not for this viewer."""
    row = tx.execute(sa.select(*_FILED).where(_may_see(viewer), _f.report_id == report_id)).one_or_none()
    return _filed(tuple(row)) if row else None


def decide(
    tx: Transaction,
    report_id: str,
    state: State,
    *,
    by: str,
    case_id: str | None = None,
    reason: str | None = None,
    now: datetime,
) -> bool:
    """Settle a report that waits; ``False``: it does not wait, and nothing changes."""
    done = tx.execute(
        sa.update(r.filed_report)
        .where(_f.report_id == report_id, _f.state == "waiting")
        .values(state=state, case_id=case_id, decided_at=now, decided_by=by, reason=reason)
    )
    if done.rowcount:
        sealing.keep(tx, sealing.REPORT_DECIDED, report_id, at=now, actor=f"person:{by}")
    return bool(done.rowcount)


def of_case(tx: Transaction, viewer: Viewer, case_id: str) -> tuple[Filed, ...]:
    """The reports that led to a case or were joined to it."""
    rows = tx.execute(
        sa.select(*_FILED).where(_may_see(viewer), _f.case_id == case_id).order_by(_f.received_at)
    )
    return tuple(_filed(tuple(row)) for row in rows)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known already of the offer that a report is about."""

    cases: tuple[tuple[str, str, str, str], ...]
    """Case id, platform, the platform's own id of the listing, and status."""
    reports: tuple[tuple[str, datetime, State], ...]
    """Other reports of the same address: id, when it came, and where it stands."""


def known_about(tx: Transaction, viewer: Viewer, report: Report, *, most: int = 10) -> Known:
    """Cases and other reports of the same listing, as far as the viewer may see them."""
    c = t.case.c
    same = [c.url == report.url]
    if report.listing is not None:
        listing = report.listing
        same.append(sa.and_(c.platform == listing.platform, c.listing_id == listing.listing_id))
    found = tx.execute(
        sa.select(c.case_id, c.platform, c.listing_id, c.status)
        .where(sa.or_(*same), visible_to(viewer, c.platform))
        .order_by(c.opened_at.desc())
        .limit(most)
    )
    others = tx.execute(
        sa.select(_f.report_id, _f.received_at, _f.state)
        .where(_f.url == report.url, _f.report_id != report.report_id, _may_see(viewer))
        .order_by(_f.received_at.desc())
        .limit(most)
    )
    return Known(tuple(map(tuple, found)), tuple(map(tuple, others)))


Progress = Literal["received", "examined", "told", "gone", "closed"]


@dataclass(frozen=True, slots=True)
class Followed:
    """What somebody with the reference is told: nothing of who reported or what they wrote."""

    received_at: datetime
    progress: Progress


def follow(tx: Transaction, report_id: str) -> Followed | None:
    """How far a report has come."""
    row = tx.execute(
        sa.select(_f.received_at, _f.state, _f.case_id).where(_f.report_id == report_id)
    ).one_or_none()
    if row is None:
        return None
    return Followed(row.received_at, _progress(tx, row.state, row.case_id))


def follow_own(tx: Transaction, report_id: str, organisation: str) -> Followed | None:
    """How far a report has come, for the organisation with whose key it was filed and for nobody else."""
    body = tx.execute(sa.select(_f.body).where(_f.report_id == report_id)).scalar_one_or_none()
    if body is None or Report.from_bytes(body).through != organisation:
        return None
    return follow(tx, report_id)


def _progress(tx: Transaction, state: State, case_id: str | None) -> Progress:
    if state == "waiting":
        return "received"
    if state == "dismissed" or case_id is None:
        return "closed"
    items = tx.execute(
        sa.select(t.notice_item.c.removal_verified_at, t.notice_item.c.reappeared_at, t.notice.c.sent_at)
        .join(t.notice, t.notice.c.notice_id == t.notice_item.c.notice_id)
        .where(t.notice_item.c.case_id == case_id)
        .order_by(t.notice_item.c.round.desc(), t.notice.c.queued_at.desc())
        .limit(1)
    ).one_or_none()
    if items is None or items.sent_at is None:
        status = tx.execute(
            sa.select(t.case.c.status).where(t.case.c.case_id == case_id)
        ).scalar_one_or_none()
        if status == "merged":
            return _progress(tx, state, merged_into(tx, case_id))
        return "closed" if status == "dismissed" else "examined"
    return "gone" if items.removal_verified_at and not items.reappeared_at else "told"
