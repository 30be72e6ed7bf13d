"""What a listing of a notice can be found by; each condition holds of exactly what the report counts."""

from typing import Literal, get_args

import sqlalchemy as sa

from schemas.response import REFUSED
from streams.notices.casebook import tables as t
from streams.notices.item import FINAL_CLAIMS, GONE

_i, _n, _d = t.notice_item.c, t.notice.c, t.deadline.c

Condition = Literal[
    "sent",
    "undeliverable",
    "acknowledged",
    "silent",
    "decided",
    "removed_claimed",
    "removed_seen",
    "refused",
    "mismatch",
    "reappeared",
    "open",
    "late",
    "overdue",
    "gone_untrue",
]
CONDITIONS: tuple[Condition, ...] = get_args(Condition)
"""What the board's figures can be drilled down to; each is counted as :mod:`streams.reports.sla` does."""


_ARRIVED = sa.and_(_n.sent_at.is_not(None), _n.delivery != "failed_permanent")
OPEN = sa.and_(
    _ARRIVED,
    _i.content.not_in([*GONE, "pre_gone"]),
    _i.reappeared_at.is_(None),
    _i.claim.not_in(sorted(FINAL_CLAIMS)),
)
"""Of a notice and its item: sent, and still owed; as :func:`streams.reports.sla.is_open`."""


def condition(name: Condition) -> sa.ColumnElement[bool]:
    """Of a notice, its item and their case."""
    seen_after = sa.func.coalesce(_i.last_online_at > _n.sent_at, sa.false())
    gone_untrue = sa.and_(_i.claim == "already_gone", _i.content != "pre_gone", seen_after)
    timed = sa.and_(
        _ARRIVED,
        _i.content != "pre_gone",
        sa.or_(_i.claim != "already_gone", seen_after),
        _i.claim != "void",
        sa.func.coalesce(_i.outcome != "refused_not_hosted", sa.true()),
    )
    missed = sa.exists().where(_d.notice_id == _i.notice_id, _d.case_id == _i.case_id, _d.state == "missed")
    conditions: dict[str, sa.ColumnElement[bool]] = {
        "sent": _ARRIVED,
        "undeliverable": _n.delivery == "failed_permanent",
        "acknowledged": sa.and_(_ARRIVED, _i.acknowledged_at.is_not(None)),
        "silent": sa.and_(_ARRIVED, _i.acknowledged_at.is_(None)),
        "decided": sa.and_(timed, _i.decided_at.is_not(None)),
        "removed_claimed": sa.and_(timed, _i.claimed_effective_at.is_not(None)),
        "removed_seen": sa.and_(timed, _i.removal_verified_at.is_not(None), _i.first_offline_at.is_not(None)),
        "refused": _i.outcome.in_(sorted(REFUSED)),
        "mismatch": _i.mismatch_at.is_not(None),
        "reappeared": _i.reappeared_at.is_not(None),
        "open": OPEN,
        "late": missed,
        "overdue": sa.and_(OPEN, missed),
        "gone_untrue": gone_untrue,
    }
    return conditions[name]
