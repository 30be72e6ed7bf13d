"""The sender's record: what became of each rule's notices to each platform."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
import uuid_utils

from schemas.response import ACTED
from streams.notices.casebook import guard_tables as g
from streams.notices.casebook import sealing
from streams.notices.casebook import tables as t
from streams.notices.casebook.cases import insert_new
from streams.notices.casebook.database import Transaction

SUCCESSES = (*sorted(ACTED), "actioned_geo", "actioned_partial", "account_action_only")
JUDGED = (*SUCCESSES, "refused_lawful", "refused_insufficient", "refused_not_hosted")
"""Outcomes that say something of the notice; what was gone, known or withdrawn says nothing."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One rule's record with one platform."""

    platform: str
    rule_id: str
    decided: int
    successes: int
    refused: int
    overturned: int
    below: str | None
    """Why it is below the stop line."""
    computed_at: datetime


def count(tx: Transaction, platform: str, *, since: datetime) -> dict[str, tuple[int, int, int, int]]:
    """By rule: decided, successes, refused as lawful, overturned; of notices queued since then."""
    i = t.notice_item.c
    overturned = i.claim == "reinstated"
    rows = tx.execute(
        sa.select(
            g.notice_rule.c.rule_id,
            sa.func.count(),
            sa.func.sum(sa.case((sa.and_(i.outcome.in_(SUCCESSES), sa.not_(overturned)), 1), else_=0)),
            sa.func.sum(sa.case((i.outcome == "refused_lawful", 1), else_=0)),
            sa.func.sum(sa.case((overturned, 1), else_=0)),
        )
        .select_from(t.notice)
        .join(t.notice_item, i.notice_id == t.notice.c.notice_id)
        .join(g.notice_rule, g.notice_rule.c.notice_id == t.notice.c.notice_id)
        .where(
            t.notice.c.platform == platform,
            t.notice.c.queued_at >= since,
            sa.or_(i.outcome.in_(JUDGED), overturned),
        )
        .group_by(g.notice_rule.c.rule_id)
    )
    return {row[0]: (int(row[1]), int(row[2]), int(row[3]), int(row[4])) for row in rows}


def save(tx: Transaction, found: Standing) -> None:
    """Keep a rule's standing, which is read when its next notice is to be written."""
    values = {name: getattr(found, name) for name in Standing.__slots__}
    if not insert_new(tx, g.quality, values):
        tx.execute(
            sa.update(g.quality)
            .where(g.quality.c.platform == found.platform, g.quality.c.rule_id == found.rule_id)
            .values(**values)
        )


def forget_others(tx: Transaction, platform: str, rules: Sequence[str]) -> None:
    """Rules that nothing was decided about any more have no record."""
    tx.execute(
        sa.delete(g.quality).where(g.quality.c.platform == platform, g.quality.c.rule_id.not_in(rules))
    )


def standings(tx: Transaction) -> tuple[Standing, ...]:
    """Every record, by platform and rule."""
    columns = [g.quality.c[name] for name in Standing.__slots__]
    rows = tx.execute(sa.select(*columns).order_by(g.quality.c.platform, g.quality.c.rule_id))
    return tuple(Standing(*row) for row in rows)


def below_line(
    tx: Transaction, platform: str, rules: Sequence[str], *, now: datetime
) -> tuple[tuple[str, str], ...]:
    """Those of the rules that are below the line and that nobody has allowed meanwhile, with why."""
    allowed = sa.select(g.allowance.c.rule_id).where(
        g.allowance.c.platform == platform, g.allowance.c.until > now
    )
    rows = tx.execute(
        sa.select(g.quality.c.rule_id, g.quality.c.below)
        .where(
            g.quality.c.platform == platform,
            g.quality.c.rule_id.in_(rules),
            g.quality.c.below.is_not(None),
            g.quality.c.rule_id.not_in(allowed),
        )
        .order_by(g.quality.c.rule_id)
    )
    return tuple((row[0], row[1]) for row in rows)


def allow(
    tx: Transaction, *, platform: str, rule_id: str, reason: str, by: str, until: datetime, now: datetime
) -> None:
    """A person lets a rule go on below the line for a while, for a recorded reason."""
    allowance_id = f"al_{uuid_utils.uuid7().hex}"
    tx.execute(
        sa.insert(g.allowance).values(
            allowance_id=allowance_id,
            platform=platform,
            rule_id=rule_id,
            reason=reason,
            allowed_by=by,
            allowed_at=now,
            until=until,
        )
    )
    sealing.keep(tx, sealing.ALLOWANCE, allowance_id, at=now, actor=f"person:{by}")
