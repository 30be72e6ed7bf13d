"""Cases that share a mark: the same seller, contact or picture elsewhere.

Marks are an index over detections, which are sealed; the rows themselves prove nothing, and are not.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.viewer import Viewer, visible_to
from streams.notices.marks import Joins, Mark, alike

MOST = 20
"""Linked cases that are told of at once, the newest; a dealer can have thousands."""
_CANDIDATES = 500
"""Cases with a band in common that are compared, the newest."""

_m = t.case_mark.c


def known(tx: Transaction, case_id: str) -> frozenset[str]:
    """Values of the marks that a case has."""
    return frozenset(tx.execute(sa.select(_m.value).where(_m.case_id == case_id)).scalars())


def add(tx: Transaction, case_id: str, marks: Sequence[Mark], *, now: datetime) -> None:
    """Give a case marks; those it has stay as they are."""
    if not marks:
        return
    insert = sqlite_insert if tx.dialect.name == "sqlite" else pg_insert
    tx.execute(
        insert(t.case_mark).on_conflict_do_nothing(),
        [
            {"value": one.value, "case_id": case_id, "joins": one.joins, "near": one.near, "marked_at": now}
            for one in marks
        ],
    )


@dataclass(frozen=True, slots=True)
class Linked:
    """A case that shares something with the one asked about."""

    case_id: str
    joins: tuple[Joins, ...]
    platform: str
    listing_id: str
    url: str
    status: str
    notice_id: str | None
    """Of its newest notice."""
    human_reference: str | None
    taken_at: datetime | None
    """When the platform took that notice."""
    removal_verified_at: datetime | None


def sharing(tx: Transaction, case_id: str, marks: Sequence[Mark]) -> dict[str, tuple[Joins, ...]]:
    """Other cases with one of these marks, the newest first, at most :data:`MOST`, and what joins each."""
    found: dict[str, set[Joins]] = defaultdict(set)
    for mark in marks:
        if mark.near is None:
            # By the primary key, newest case first: ids of cases rise with time.
            rows = tx.execute(_SHARING, {"of_value": mark.value, "of_case": case_id})
            for other in rows.scalars():
                found[other].add(mark.joins)
    for other in _near(tx, case_id, [mark for mark in marks if mark.near]):
        found[other].add("picture")
    newest = sorted(found, reverse=True)[:MOST]
    return {other: tuple(sorted(found[other])) for other in newest}


_SHARING = (
    sa.select(_m.case_id)
    .where(_m.value == sa.bindparam("of_value"), _m.case_id != sa.bindparam("of_case"))
    .order_by(_m.case_id.desc())
    .limit(MOST + 1)
)


def _near(tx: Transaction, case_id: str, bands: Sequence[Mark]) -> set[str]:
    if not bands:
        return set()
    rows = tx.execute(
        sa.select(_m.case_id, _m.near)
        .where(_m.value.in_([one.value for one in bands]), _m.case_id != case_id)
        .order_by(_m.case_id.desc())
        .limit(_CANDIDATES)
    )
    ours = {one.near for one in bands if one.near}
    return {row.case_id for row in rows if row.near and any(alike(row.near, mine) for mine in ours)}


def told(
    tx: Transaction, joined: dict[str, tuple[Joins, ...]], *, viewer: Viewer | None = None
) -> list[Linked]:
    """What is known of those cases, in the order given; a viewer gets those that they may see."""
    if not joined:
        return []
    newest = (
        sa.select(
            t.notice_item.c.case_id,
            t.notice_item.c.notice_id,
            t.notice_item.c.removal_verified_at,
            t.notice.c.human_reference,
            t.notice.c.sent_at,
            sa.func.row_number()
            .over(
                partition_by=t.notice_item.c.case_id,
                order_by=(t.notice_item.c.round.desc(), t.notice_item.c.revision.desc()),
            )
            .label("place"),
        )
        .join(t.notice, t.notice.c.notice_id == t.notice_item.c.notice_id)
        .where(t.notice_item.c.case_id.in_(list(joined)))
        .subquery()
    )
    query = (
        sa.select(
            *(t.case.c.case_id, t.case.c.platform, t.case.c.listing_id, t.case.c.url, t.case.c.status),
            *(newest.c.notice_id, newest.c.human_reference, newest.c.sent_at, newest.c.removal_verified_at),
        )
        .outerjoin(newest, sa.and_(newest.c.case_id == t.case.c.case_id, newest.c.place == 1))
        .where(t.case.c.case_id.in_(list(joined)))
    )
    if viewer is not None:
        query = query.where(visible_to(viewer, t.case.c.platform))
    rows = {row.case_id: row for row in tx.execute(query)}
    return [
        Linked(case_id, joins, *tuple(rows[case_id])[1:])
        for case_id, joins in joined.items()
        if case_id in rows
    ]


def of_case(tx: Transaction, case_id: str, viewer: Viewer) -> list[Linked]:
    """Cases linked with one, as far as the viewer may see them."""
    rows = tx.execute(sa.select(_m.value, _m.joins, _m.near).where(_m.case_id == case_id))
    return told(tx, sharing(tx, case_id, [Mark(*row) for row in rows]), viewer=viewer)
