"""The machine's clock was ahead and is right again: what was planned by it is planned anew.

A notice that was queued at a time which has not come yet would wait for it; so would a lease, a look, a poll
and a channel's next trial. That such a time was written by a clock that was ahead is seen from what had
*happened* by then, or from a wait that is longer than any. What was recorded stays as it was recorded.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

import sqlalchemy as sa

from streams.notices.casebook import channels
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Transaction
from streams.notices.policy import PlatformPolicy

AHEAD = timedelta(minutes=1)
"""What is recorded as having happened later than this was written by a clock that was ahead."""
LONGEST_LEASE = timedelta(hours=1)
"""No lease is taken for longer."""


@dataclass(frozen=True, slots=True)
class BroughtBack:
    """How much was planned anew."""

    notices: int = 0
    looks: int = 0
    polls: int = 0
    leases: int = 0
    channels: int = 0

    def __bool__(self) -> bool:
        return any(asdict(self).values())


def bring_back(tx: Transaction, platforms: Mapping[str, PlatformPolicy], *, now: datetime) -> BroughtBack:
    """Plan for now what a clock that was ahead had planned for later; again changes nothing more.

    Reads whole tables, so it is called at a start and when a clock was set back, not all the time.
    """
    return BroughtBack(
        notices=_outbox(tx, now),
        looks=_looks(tx, now),
        polls=_polls(tx, platforms, now),
        leases=_leases(tx, now),
        channels=_channels(tx, platforms, now),
    )


def _changed(tx: Transaction, statement: sa.Update) -> int:
    return cast("sa.CursorResult[Any]", tx.execute(statement)).rowcount


def _outbox(tx: Transaction, now: datetime) -> int:
    o, late = t.outbox.c, now + AHEAD
    tried = sa.exists().where(
        t.attempt.c.idempotency_key == o.idempotency_key,
        sa.or_(t.attempt.c.started_at > late, t.attempt.c.finished_at > late),
    )
    waits = sa.update(t.outbox).where(
        o.state == "queued", o.next_at > late, sa.or_(o.queued_at > late, tried)
    )
    held = sa.update(t.outbox).where(o.state == "leased", o.lease_until > now + LONGEST_LEASE)
    return _changed(tx, waits.values(next_at=now)) + _changed(tx, held.values(next_at=now, lease_until=now))


def _looks(tx: Transaction, now: datetime) -> int:
    i, late = t.notice_item.c, now + AHEAD
    sent = sa.exists().where(t.notice.c.notice_id == i.notice_id, t.notice.c.sent_at > late)
    seen = sa.exists().where(
        t.observation.c.notice_id == i.notice_id,
        t.observation.c.case_id == i.case_id,
        t.observation.c.at > late,
    )
    planned = sa.update(t.notice_item).where(i.next_look_at > late, sa.or_(sent, seen))
    held = sa.update(t.notice_item).where(i.look_lease_until > now + LONGEST_LEASE)
    return _changed(tx, planned.values(next_look_at=now)) + _changed(tx, held.values(look_lease_until=None))


def _polls(tx: Transaction, platforms: Mapping[str, PlatformPolicy], now: datetime) -> int:
    changed = 0
    for name, policy in sorted(platforms.items()):
        too_late = now + policy.poll.longest + AHEAD
        mine = sa.update(t.notice).where(
            t.notice.c.platform == name,
            sa.or_(
                t.notice.c.next_poll_at > too_late,
                sa.and_(t.notice.c.next_poll_at > now, t.notice.c.sent_at > now + AHEAD),
            ),
        )
        changed += _changed(tx, mine.values(next_poll_at=now))
    return changed


def _leases(tx: Transaction, now: datetime) -> int:
    held = sa.update(t.lease).where(t.lease.c.until > now + LONGEST_LEASE)
    return _changed(tx, held.values(until=now))


def _channels(tx: Transaction, platforms: Mapping[str, PlatformPolicy], now: datetime) -> int:
    changed = 0
    for (platform, channel), found in sorted(channels.breakers(tx).items()):
        policy = platforms.get(platform)
        if policy is None or found.retry_at is None:
            continue
        longest = max(policy.breaker.longest, policy.breaker.trial_for)
        if found.retry_at > now + longest + AHEAD:
            channels.save(tx, platform, channel, replace(found, retry_at=now))
            changed += 1
    return changed
