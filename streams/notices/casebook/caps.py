"""What was sent to a platform today (UTC), and how much more two people have approved."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
import uuid_utils

from streams.notices.casebook import guard_tables as g
from streams.notices.casebook import sealing
from streams.notices.casebook.cases import insert_new
from streams.notices.casebook.database import Transaction


def day_of(now: datetime) -> str:
    """The day that a cap counts, in UTC."""
    return f"{now.astimezone(UTC):%Y-%m-%d}"


@dataclass(frozen=True, slots=True)
class Spent:
    """What went out to a platform on one day."""

    notices: int = 0
    """Notices tried for the first time."""
    requests: int = 0
    """Tries of every kind."""


def hold_spent(tx: Transaction, platform: str, day: str) -> Spent:
    """What was spent, held until the transaction ends, so that two senders never spend the same place."""
    insert_new(tx, g.spent, {"platform": platform, "day": day, "notices": 0, "requests": 0})
    row = tx.execute(
        sa.select(g.spent.c.notices, g.spent.c.requests)
        .where(g.spent.c.platform == platform, g.spent.c.day == day)
        .with_for_update()
    ).one()
    return Spent(*row)


def spent(tx: Transaction, platform: str, day: str) -> Spent:
    """What was spent."""
    row = tx.execute(
        sa.select(g.spent.c.notices, g.spent.c.requests).where(
            g.spent.c.platform == platform, g.spent.c.day == day
        )
    ).one_or_none()
    return Spent(*row) if row else Spent()


@dataclass(frozen=True, slots=True)
class Day:
    """One platform's day."""

    platform: str
    notices: int
    requests: int


def today(tx: Transaction, day: str) -> tuple[tuple[Day, int], ...]:
    """What went out on a day to platforms with a cap, and what was approved above it."""
    rows = tx.execute(
        sa.select(g.spent.c.platform, g.spent.c.notices, g.spent.c.requests)
        .where(g.spent.c.day == day)
        .order_by(g.spent.c.platform)
    ).all()
    return tuple((Day(*row), approved(tx, row.platform, day)) for row in rows)


def spend(tx: Transaction, platform: str, day: str, *, notices: int, requests: int) -> None:
    """Count what is tried now. The caller has it held."""
    tx.execute(
        sa.update(g.spent)
        .where(g.spent.c.platform == platform, g.spent.c.day == day)
        .values(notices=g.spent.c.notices + notices, requests=g.spent.c.requests + requests)
    )


def approve(
    tx: Transaction,
    *,
    platform: str,
    day: str,
    more: int,
    reason: str,
    by: str,
    person: str,
    now: datetime,
) -> bool:
    """One person approves so many notices above the cap; ``False``: they did before."""
    excess_id = f"x_{uuid_utils.uuid7().hex}"
    fresh = insert_new(
        tx,
        g.excess,
        {
            "excess_id": excess_id,
            "platform": platform,
            "day": day,
            "more": more,
            "reason": reason,
            "approved_by": by,
            "person": person,
            "approved_at": now,
        },
    )
    if fresh:
        sealing.keep(tx, sealing.EXCESS, excess_id, at=now, actor=f"person:{by}")
    return fresh


def approved_as(tx: Transaction, platform: str, day: str, keys: Collection[str]) -> str | None:
    """As whom one of these names has approved anything that day."""
    e = g.excess.c
    rows = tx.execute(
        sa.select(sa.func.min(e.person)).where(e.platform == platform, e.day == day, e.person.in_(keys))
    )
    found: str | None = rows.scalar_one()
    return found


def approved(tx: Transaction, platform: str, day: str) -> int:
    """Notices above the cap that at least two people agree to: the second largest of their numbers."""
    rows = tx.execute(
        sa.select(sa.func.max(g.excess.c.more))
        .where(g.excess.c.platform == platform, g.excess.c.day == day)
        .group_by(g.excess.c.person)
    )
    each = sorted((row[0] for row in rows), reverse=True)
    return each[1] if len(each) > 1 else 0
