"""What reports for the public count: groups of items without anything about a person or a listing."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from schemas.response import PlatformResponse
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Transaction


@dataclass(frozen=True, slots=True)
class ItemGroup:
    """Items that are alike in everything that is counted."""

    platform: str
    kind: str
    """Of the notice: ``art16``, ``trusted_flagger`` …"""
    product: str | None
    """The specimen word of the reference data."""
    appendix: str | None
    claim: str
    outcome: str | None
    content: str
    reached: bool
    """The platform had the notice."""
    items: int


def item_groups(
    tx: Transaction, *, since: datetime | None = None, until: datetime | None = None
) -> tuple[ItemGroup, ...]:
    """Items of notices queued in the period, counted by group."""
    i, n, c = t.notice_item.c, t.notice.c, t.case.c
    reached = sa.and_(n.sent_at.is_not(None), n.delivery != "failed_permanent")
    columns = (n.platform, n.kind, c.product, c.appendix, i.claim, i.outcome, i.content)
    query = (
        sa.select(*columns, reached.label("reached"), sa.func.count())
        .select_from(t.notice_item)
        .join(t.notice, n.notice_id == i.notice_id)
        .join(t.case, c.case_id == i.case_id)
        .group_by(*columns, reached)
    )
    rows = [ItemGroup(*tuple(row)) for row in tx.execute(_period(query, since, until))]
    return tuple(sorted(rows, key=repr))


def notice_counts(
    tx: Transaction, *, since: datetime | None = None, until: datetime | None = None
) -> tuple[tuple[str, str, int], ...]:
    """Platform, kind, and how many notices of the period the platform had."""
    n = t.notice.c
    query = (
        sa.select(n.platform, n.kind, sa.func.count())
        .where(n.sent_at.is_not(None), n.delivery != "failed_permanent")
        .group_by(n.platform, n.kind)
        .order_by(n.platform, n.kind)
    )
    return tuple((row[0], row[1], row[2]) for row in tx.execute(_period(query, since, until)))


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision of a platform, as it told it."""

    platform: str
    outcome: str | None
    ground: str | None
    automated: bool | None
    measures: tuple[str, ...]


def decisions(
    tx: Transaction, *, since: datetime | None = None, until: datetime | None = None
) -> tuple[Decision, ...]:
    """Decisions about notices of the period, one an item."""
    query = (
        sa.select(t.response.c.platform, t.response.c.body)
        .join(t.notice, t.notice.c.notice_id == t.response.c.notice_id)
        .where(t.response.c.kind == "decision")
        .order_by(t.response.c.platform, t.response.c.received_at, t.response.c.response_id)
    )
    found = []
    for platform, body in tx.execute(_period(query, since, until)):
        said = PlatformResponse.from_bytes(body)
        found.append(Decision(platform, said.outcome, said.ground, said.automated, said.measures))
    return tuple(found)


def _period(query: sa.Select[Any], since: datetime | None, until: datetime | None) -> sa.Select[Any]:
    if since is not None:
        query = query.where(t.notice.c.queued_at >= since)
    if until is not None:
        query = query.where(t.notice.c.queued_at < until)
    return query
