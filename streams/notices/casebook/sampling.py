"""Each week some notices are put before another person: which, and what was thought of them.

A week's sample is chosen by its name and the notices' ids alone, so that anybody can choose it again and
nobody can choose what is looked at.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from schemas.case_event import CaseEvent
from schemas.notice import Notice
from streams.notices.casebook import events
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.viewer import Viewer, visible_to

EACH = 10
"""Notices of a week that nobody had looked at, and as many of those that a person approved."""
WEEK = timedelta(days=7)
CHECKED: Final = "quality_checked"


@dataclass(frozen=True, slots=True)
class Week:
    """A week by ISO 8601, Monday to Sunday in UTC."""

    name: str
    """``2026-W09``."""
    since: datetime
    until: datetime


def week_of(at: datetime) -> Week:
    """The week of an instant."""
    year, number, _ = at.astimezone(UTC).isocalendar()
    monday = date.fromisocalendar(year, number, 1)
    since = datetime(monday.year, monday.month, monday.day, tzinfo=UTC)
    return Week(f"{year}-W{number:02}", since, since + WEEK)


def week_named(name: str) -> Week | None:
    """The week of that name; ``None``: there is none."""
    found = re.fullmatch(r"(20[0-9]{2})-W([0-9]{2})", name)
    try:
        return (
            week_of(datetime.fromisocalendar(int(found[1]), int(found[2]), 1).replace(tzinfo=UTC))
            if found
            else None
        )
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person thought of a sampled notice."""

    notice_id: str
    week: str
    right: bool
    reason: str
    by: str
    at: datetime
    automatic: bool
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sampled:
    """A notice of a week's sample."""

    notice_id: str
    case_id: str
    reference: str
    platform: str
    queued_at: datetime
    reviewer: str | None
    """Who approved it; ``None``: a zero-tolerance rule alone."""
    rules: tuple[str, ...]
    verdict: Verdict | None


def place_in(week: Week, notice_id: str) -> bytes:
    """Where a notice stands in the week's draw; the lowest are taken."""
    return hashlib.sha256(f"takin/quality/{week.name}/{notice_id}".encode()).digest()


def sample(tx: Transaction, viewer: Viewer, week: Week) -> tuple[Sampled, ...]:
    """The sample of a week that is over: at most :data:`EACH` of each kind, in the order of the draw."""
    n = t.notice.c
    written = sa.select(n.notice_id).where(n.queued_at >= week.since, n.queued_at < week.until)
    ids = sorted(tx.execute(written).scalars(), key=lambda one: place_in(week, one))
    room = {True: EACH, False: EACH}
    chosen = []
    for notice_id in ids:
        row = tx.execute(
            sa.select(n.body, n.queued_at).where(n.notice_id == notice_id, visible_to(viewer, n.platform))
        ).one_or_none()
        if row is None:
            continue
        notice = Notice.from_bytes(row.body)
        automatic = notice.detection.reviewer is None
        if room[automatic] == 0:
            continue
        room[automatic] -= 1
        chosen.append(_sampled(tx, notice, row.queued_at))
        if not any(room.values()):
            break
    return tuple(chosen)


def _sampled(tx: Transaction, notice: Notice, queued_at: datetime) -> Sampled:
    case_id = notice.case_ids[0]
    about = (event for event in events.of_case(tx, case_id) if event.notice_id == notice.notice_id)
    return Sampled(
        notice.notice_id,
        case_id,
        notice.human_reference,
        notice.addressee.platform,
        queued_at,
        notice.detection.reviewer,
        notice.detection.rule_ids,
        next((_verdict(event) for event in about if event.type == CHECKED), None),
    )


def verdicts(tx: Transaction, *, since: datetime) -> tuple[Verdict, ...]:
    """Every verdict since then, the oldest first."""
    e = t.case_event.c
    # The type stands in the statement itself: only so do the databases use the index that is kept for it.
    wanted = (
        sa.select(e.body).where(e.type == sa.literal_column(f"'{CHECKED}'"), e.at >= since).order_by(e.at)
    )
    return tuple(_verdict(event) for event in _read(tx, wanted))


def _read(tx: Transaction, wanted: sa.Select[Any]) -> Iterator[CaseEvent]:
    for body in tx.execute(wanted).scalars():
        yield CaseEvent.from_bytes(body)


def _verdict(event: CaseEvent) -> Verdict:
    data = event.data
    return Verdict(
        str(event.notice_id),
        data["week"],
        data["right"],
        data["reason"],
        data["by"],
        event.at,
        data["automatic"],
        tuple(data["rules"]),
    )
