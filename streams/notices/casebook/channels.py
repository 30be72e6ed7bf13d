"""How each platform's channels are: the breaker's state, and figures of the last tries."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from streams.notices.casebook import guard_tables as g
from streams.notices.casebook import tables as t
from streams.notices.casebook.cases import insert_new
from streams.notices.casebook.database import Transaction
from streams.notices.guards.breaker import CLOSED, Breaker

OWN = "own"
OTHER = "other"
"""The platform's fallback channel, and letters."""

_BREAKER = tuple(g.breaker.c[name] for name in Breaker.__slots__)


def breakers(tx: Transaction, *, lock: bool = False) -> dict[tuple[str, str], Breaker]:
    """Every breaker that is not at rest, by platform and channel."""
    rows = tx.execute(_HELD_BREAKERS if lock else _BREAKERS)
    return {(row[0], row[1]): Breaker(*row[2:]) for row in rows}


_BREAKERS = (
    sa.select(g.breaker.c.platform, g.breaker.c.channel, *_BREAKER)
    .where(sa.or_(g.breaker.c.state != "closed", g.breaker.c.failures > 0))
    .order_by(g.breaker.c.platform, g.breaker.c.channel)
)
_HELD_BREAKERS = _BREAKERS.with_for_update()
_ONE_BREAKER = (
    sa.select(*_BREAKER)
    .where(
        g.breaker.c.platform == sa.bindparam("of_platform"), g.breaker.c.channel == sa.bindparam("of_channel")
    )
    .with_for_update()
)


def breaker(tx: Transaction, platform: str, channel: str) -> Breaker:
    """One breaker, held if it is there; one that is not there is closed."""
    row = tx.execute(_ONE_BREAKER, {"of_platform": platform, "of_channel": channel}).one_or_none()
    return Breaker(*row) if row else CLOSED


def save(tx: Transaction, platform: str, channel: str, found: Breaker) -> None:
    """Keep a breaker's state, so that a restart does not hammer a dead platform."""
    values = {name: getattr(found, name) for name in Breaker.__slots__}
    if not insert_new(tx, g.breaker, {"platform": platform, "channel": channel, **values}):
        tx.execute(
            sa.update(g.breaker)
            .where(g.breaker.c.platform == platform, g.breaker.c.channel == channel)
            .values(**values)
        )


@dataclass(frozen=True, slots=True)
class Tries:
    """The tries of a platform in the last while."""

    platform: str
    good: int
    bad: int
    slow_s: float
    """Mean duration of those that ended, in seconds."""


def tries(tx: Transaction, *, since: datetime) -> tuple[Tries, ...]:
    """What became of the tries that began since then, by platform."""
    taken = t.attempt.c.result.in_(["accepted", "duplicate", "refused"])
    lasted = sa.type_coerce(t.attempt.c.finished_at, sa.BigInteger) - sa.type_coerce(
        t.attempt.c.started_at, sa.BigInteger
    )
    rows = tx.execute(
        sa.select(
            t.outbox.c.platform,
            sa.func.sum(sa.case((taken, 1), else_=0)),
            sa.func.sum(sa.case((taken, 0), else_=1)),
            sa.func.avg(lasted),
        )
        .select_from(t.attempt)
        .join(t.outbox, t.outbox.c.idempotency_key == t.attempt.c.idempotency_key)
        .where(t.attempt.c.started_at >= since, t.attempt.c.finished_at.is_not(None))
        .group_by(t.outbox.c.platform)
    )
    return tuple(Tries(row[0], int(row[1]), int(row[2]), float(row[3]) / 1e6) for row in rows)


def oldest_unsent(tx: Transaction, platforms: Collection[str]) -> dict[str, datetime]:
    """By platform, since when its oldest entry waits that is due."""
    rows = tx.execute(
        sa.select(t.outbox.c.platform, sa.func.min(t.outbox.c.queued_at, type_=t.UtcInstant()))
        .where(t.outbox.c.state.in_(["queued", "leased"]), t.outbox.c.platform.in_(platforms))
        .group_by(t.outbox.c.platform)
    )
    return {row[0]: row[1] for row in rows}
