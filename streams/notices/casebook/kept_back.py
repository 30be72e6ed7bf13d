"""Entries of the outbox that wait for something else than their time, or for another channel."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from streams.notices.casebook import guard_tables as g
from streams.notices.casebook import holds
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.outbox import ENTRY, Entry


def held(tx: Transaction, *, now: datetime) -> int:
    """Set aside what waits about a case that is held; a withdrawal may go."""
    theirs = sa.select(t.notice_item.c.notice_id).where(t.notice_item.c.case_id.in_(holds.held_cases(now)))
    return _keep_back(tx, theirs, "hold", now)


def of_rules(tx: Transaction, rules: Sequence[str], *, now: datetime) -> int:
    """Set aside what waits of notices that rest on one of these rules; a withdrawal may go."""
    theirs = sa.select(g.notice_rule.c.notice_id).where(g.notice_rule.c.rule_id.in_(rules))
    return _keep_back(tx, theirs, "rule_stopped", now)


def _keep_back(tx: Transaction, notice_ids: sa.Select[tuple[str]], why: str, now: datetime) -> int:
    changed = tx.execute(
        sa.update(t.outbox)
        .where(
            t.outbox.c.notice_id.in_(notice_ids),
            t.outbox.c.next_at <= now,
            sa.or_(
                t.outbox.c.state == "queued",
                sa.and_(t.outbox.c.state == "leased", t.outbox.c.lease_until < now),
            ),
            sa.or_(t.outbox.c.purpose.is_(None), t.outbox.c.purpose != "withdrawal"),
        )
        .values(state="held", last_reason=why)
    )
    return changed.rowcount


def count(tx: Transaction) -> int:
    """How many entries are set aside."""
    found = sa.select(sa.func.count()).select_from(t.outbox).where(t.outbox.c.state == "held")
    return int(tx.execute(found).scalar_one())


def let_go(tx: Transaction) -> int:
    """Something no longer holds: all that was set aside waits again, and is asked about at its next lease."""
    changed = tx.execute(sa.update(t.outbox).where(t.outbox.c.state == "held").values(state="queued"))
    return changed.rowcount


def waiting_notices(tx: Transaction, platform: str, *, limit: int) -> tuple[Entry, ...]:
    """Notices that wait for the platform's own channel, the oldest first."""
    rows = tx.execute(
        sa.select(*ENTRY)
        .where(t.outbox.c.platform == platform, t.outbox.c.state == "queued", t.outbox.c.purpose.is_(None))
        .order_by(t.outbox.c.next_at)
        .limit(limit)
    )
    return tuple(Entry(*row) for row in rows)


def give_up(tx: Transaction, idempotency_key: str, *, why: str) -> bool:
    """An entry that waits is not tried any more; ``False``: it is under way, or has ended."""
    changed = tx.execute(
        sa.update(t.outbox)
        .where(t.outbox.c.idempotency_key == idempotency_key, t.outbox.c.state == "queued")
        .values(state="dead", last_reason=why)
    )
    return bool(changed.rowcount)
