"""Notices that wait to be sent, and every try to send them.

A try leases the row and raises its token in one transaction; its result is written in another,
only where the token is still the same. A sender that was frozen past its lease therefore cannot
record anything, and what it sent carries the same key and the same bytes as the next try.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from streams.notices.casebook import sealing
from streams.notices.casebook import tables as t
from streams.notices.casebook.cases import insert_new
from streams.notices.casebook.database import Transaction


@dataclass(frozen=True, slots=True)
class Leased:
    """One try that may be made now."""

    idempotency_key: str
    notice_id: str
    platform: str
    body: bytes
    content_type: str
    attempt: int
    token: int
    started_at: datetime
    purpose: str | None = None
    """Absent: the notice by its platform's own channel. ``fallback``: the notice by the other one;
    ``reminder``, ``escalation``, ``withdrawal``: what follows it."""
    recipient: str | None = None
    """Address of a letter."""
    notice_key: str = ""
    """Idempotency key of the notice; empty: it is the entry's own."""

    @property
    def about(self) -> str:
        """Idempotency key of the notice that this is, or follows."""
        return self.notice_key or self.idempotency_key


_WAITS = t.outbox.c.state.in_([t.fixed("queued"), t.fixed("leased")])
NOTHING: Mapping[str, int] = MappingProxyType({})
OTHER_WAY = ("fallback", "escalation")
"""Purposes that do not go by the platform's own channel."""
_BY_OTHER_WAY = t.outbox.c.purpose.in_([t.fixed(purpose) for purpose in OTHER_WAY])
_BY_OWN_WAY = sa.or_(t.outbox.c.purpose.is_(None), t.outbox.c.purpose.not_in(OTHER_WAY))
_FRESH = sa.and_(t.outbox.c.attempts == 0, t.outbox.c.purpose.is_(None))


def lease(
    tx: Transaction,
    *,
    slots: Mapping[str, int],
    now: datetime,
    hold_for: timedelta,
    worker: str,
    other: Mapping[str, int] = NOTHING,
    fresh: Mapping[str, int] = NOTHING,
) -> tuple[Leased, ...]:
    """Take what is due, at most ``slots[platform]`` of each platform by its own channel.

    ``other``: the same for what goes another way. ``fresh``: of a platform named there, at most so
    many notices that were never tried.

    Due is a queued row whose time has come, or a leased one whose lease ran out: its outcome is
    unknown, so it is tried again under the same key.
    """
    taken: list[Leased] = []
    for platform, most in sorted(slots.items()):
        if platform in fresh and fresh[platform] < most:
            taken += _take(tx, platform, most, _TAKE_TRIED, now)
            left = most - sum(one.platform == platform for one in taken)
            taken += _take(tx, platform, min(fresh[platform], left), _TAKE_FRESH, now)
        else:
            taken += _take(tx, platform, most, _TAKE_OWN, now)
    for platform, most in sorted(other.items()):
        taken += _take(tx, platform, most, _TAKE_OTHER, now)
    _hold(tx, taken, now=now, until=now + hold_for, worker=worker)
    return tuple(taken)


def lease_one(tx: Transaction, idempotency_key: str, *, at: datetime, worker: str) -> Leased | None:
    """Take a notice's own entry for a try that was made at ``at``, whenever it is due; to be settled in the
    same transaction. ``None``: it does not wait, or another holds it.
    """
    row = tx.execute(
        sa.select(t.outbox.c.platform, t.outbox.c.next_at)
        .where(
            t.outbox.c.idempotency_key == idempotency_key,
            t.outbox.c.state == "queued",
            t.outbox.c.purpose.is_(None),
        )
        .with_for_update()
    ).one_or_none()
    if row is None:
        return None
    which = _taking(t.outbox.c.idempotency_key == idempotency_key)
    taken = [replace(one, started_at=at) for one in _take(tx, row.platform, 1, which, row.next_at)]
    _hold(tx, taken, now=at, until=at, worker=worker)
    return taken[0] if taken else None


def _hold(tx: Transaction, taken: Sequence[Leased], *, now: datetime, until: datetime, worker: str) -> None:
    """Write down that these are being tried."""
    if not taken:
        return
    tx.execute(_LEASE, {"keys": [one.idempotency_key for one in taken], "until": until})
    tx.execute(
        _BEGIN,
        [
            {
                "idempotency_key": one.idempotency_key,
                "number": one.attempt,
                "worker": worker,
                "started_at": now,
                "platform": one.platform,
            }
            for one in taken
        ],
    )
    tx.execute(
        _FIRST_ATTEMPT, {"notice_ids": [one.notice_id for one in taken if one.purpose is None], "now": now}
    )
    for one in taken:
        sealing.keep(tx, sealing.TRY, one.idempotency_key, one.attempt, at=now, actor=worker)
        if one.attempt == 1 and one.purpose is None:
            sealing.keep(tx, sealing.NOTICE_STATE, one.notice_id, at=now, actor=worker)


# Made once: making a statement takes longer than running it.
_LEASE = (
    sa.update(t.outbox)
    .where(t.outbox.c.idempotency_key.in_(sa.bindparam("keys", expanding=True)))
    .values(
        state="leased",
        lease_until=sa.bindparam("until", type_=t.UtcInstant()),
        lease_token=t.outbox.c.lease_token + 1,
        attempts=t.outbox.c.attempts + 1,
    )
)
_BEGIN = sa.insert(t.attempt)
_FIRST_ATTEMPT = (
    sa.update(t.notice)
    .where(
        t.notice.c.notice_id.in_(sa.bindparam("notice_ids", expanding=True)),
        t.notice.c.first_attempt_at.is_(None),
    )
    .values(first_attempt_at=sa.bindparam("now", type_=t.UtcInstant()), delivery="sending")
)


def _taking(which: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """What is due of a platform and may be taken; to be run with ``of_platform``, ``now`` and ``most``."""
    now = sa.bindparam("now", type_=t.UtcInstant())
    return (
        sa.select(
            t.outbox.c.idempotency_key,
            t.outbox.c.notice_id,
            t.outbox.c.body,
            t.outbox.c.content_type,
            t.outbox.c.attempts,
            t.outbox.c.lease_token,
            t.outbox.c.purpose,
            t.outbox.c.recipient,
            t.notice.c.idempotency_key.label("notice_key"),
        )
        .join(t.notice, t.notice.c.notice_id == t.outbox.c.notice_id)
        .where(
            t.outbox.c.platform == sa.bindparam("of_platform"),
            _WAITS,
            t.outbox.c.next_at <= now,
            sa.or_(t.outbox.c.state == "queued", t.outbox.c.lease_until < now),
            which,
        )
        .order_by(t.outbox.c.next_at)
        .limit(sa.bindparam("most", type_=sa.Integer()))
        .with_for_update(skip_locked=True, of=t.outbox)
    )


_TAKE_OWN = _taking(_BY_OWN_WAY)
_TAKE_TRIED = _taking(sa.and_(_BY_OWN_WAY, sa.not_(_FRESH)))
_TAKE_FRESH = _taking(_FRESH)
_TAKE_OTHER = _taking(_BY_OTHER_WAY)


def _take(tx: Transaction, platform: str, most: int, which: sa.Select[Any], now: datetime) -> list[Leased]:
    if most <= 0:
        return []
    rows = tx.execute(which, {"of_platform": platform, "now": now, "most": most})
    return [
        Leased(
            row.idempotency_key,
            row.notice_id,
            platform,
            row.body,
            row.content_type,
            row.attempts + 1,
            row.lease_token + 1,
            now,
            row.purpose,
            row.recipient,
            row.notice_key,
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """How one try ended."""

    result: str
    """``accepted``, ``duplicate``, ``retry``, ``refused``, ``gone``."""
    reason: str | None = None
    http_status: int | None = None
    retry_after_s: float | None = None
    reply: bytes = b""


def settle(
    tx: Transaction,
    leased: Leased,
    result: AttemptResult,
    *,
    now: datetime,
    state: str,
    next_at: datetime | None,
) -> bool:
    """Write a try's result; ``False``: the lease was lost, so it counts for nothing.

    ``state`` is ``delivered``, ``queued`` (again at ``next_at``) or ``dead``.
    """
    changed = tx.execute(
        sa.update(t.outbox)
        .where(
            t.outbox.c.idempotency_key == leased.idempotency_key,
            t.outbox.c.state == "leased",
            t.outbox.c.lease_token == leased.token,
        )
        .values(
            state=state,
            next_at=next_at if next_at is not None else t.outbox.c.next_at,
            lease_until=None,
            last_reason=result.reason,
        )
    )
    mine = bool(changed.rowcount)
    ended = tx.execute(
        sa.update(t.attempt)
        .where(
            t.attempt.c.idempotency_key == leased.idempotency_key,
            t.attempt.c.number == leased.attempt,
            t.attempt.c.finished_at.is_(None),
        )
        .values(
            finished_at=now,
            result=result.result if mine else "late",
            reason=result.reason,
            http_status=result.http_status,
            retry_after_s=None if result.retry_after_s is None else round(result.retry_after_s),
            reply=result.reply[:65_536],
        )
    )
    if ended.rowcount:
        sealing.keep(tx, sealing.ATTEMPT, leased.idempotency_key, leased.attempt, at=now)
    return mine


def settle_delivered(
    tx: Transaction, ended: Sequence[tuple[Leased, AttemptResult]], *, now: datetime
) -> frozenset[str]:
    """:func:`settle` for several tries that were taken; returns the keys whose lease still held.

    The rows are locked first, in one order, so that what is read of a lease holds until the commit.
    """
    held = {
        row.idempotency_key: row.lease_token
        for row in tx.execute(
            sa.select(t.outbox.c.idempotency_key, t.outbox.c.lease_token)
            .where(
                t.outbox.c.idempotency_key.in_([leased.idempotency_key for leased, _ in ended]),
                t.outbox.c.state == "leased",
            )
            .order_by(t.outbox.c.idempotency_key)
            .with_for_update()
        )
    }
    mine = frozenset(
        leased.idempotency_key for leased, _ in ended if held.get(leased.idempotency_key) == leased.token
    )
    if mine:
        tx.execute(
            sa.update(t.outbox)
            .where(t.outbox.c.idempotency_key.in_(mine))
            .values(state="delivered", lease_until=None, last_reason=None)
        )
    numbers = sa.tuple_(t.attempt.c.idempotency_key, t.attempt.c.number)
    unfinished = {
        tuple(row)
        for row in tx.execute(
            sa.select(t.attempt.c.idempotency_key, t.attempt.c.number).where(
                # Not by the pair alone, for which SQLite would read the whole table.
                t.attempt.c.idempotency_key.in_([leased.idempotency_key for leased, _ in ended]),
                numbers.in_([(leased.idempotency_key, leased.attempt) for leased, _ in ended]),
                t.attempt.c.finished_at.is_(None),
            )
        )
    }
    finished = [
        (leased, result) for leased, result in ended if (leased.idempotency_key, leased.attempt) in unfinished
    ]
    if finished:
        tx.execute(
            _FINISH,
            [
                {
                    "of_key": leased.idempotency_key,
                    "of_number": leased.attempt,
                    "ended_at": now,
                    "ended_as": result.result if leased.idempotency_key in mine else "late",
                    "status": result.http_status,
                    "said": result.reply[:65_536],
                }
                for leased, result in finished
            ],
        )
    for leased, _ in finished:
        sealing.keep(tx, sealing.ATTEMPT, leased.idempotency_key, leased.attempt, at=now)
    return mine


_FINISH = (
    sa.update(t.attempt)
    .where(
        t.attempt.c.idempotency_key == sa.bindparam("of_key"),
        t.attempt.c.number == sa.bindparam("of_number"),
    )
    .values(
        finished_at=sa.bindparam("ended_at"),
        result=sa.bindparam("ended_as"),
        http_status=sa.bindparam("status"),
        reply=sa.bindparam("said"),
    )
)


def prolong(tx: Transaction, tokens: Mapping[str, int], *, until: datetime) -> None:
    """Keep the leases of tries that are still under way."""
    for key, token in sorted(tokens.items()):
        tx.execute(
            sa.update(t.outbox)
            .where(
                t.outbox.c.idempotency_key == key,
                t.outbox.c.state == "leased",
                t.outbox.c.lease_token == token,
            )
            .values(lease_until=until)
        )


def requeue(tx: Transaction, idempotency_key: str, *, now: datetime) -> bool:
    """Put an undeliverable notice back in the line, with the same key and bytes."""
    changed = tx.execute(
        sa.update(t.outbox)
        .where(t.outbox.c.idempotency_key == idempotency_key, t.outbox.c.state == "dead")
        .values(state="queued", next_at=now, attempts=t.outbox.c.attempts)
    )
    return bool(changed.rowcount)


def came_back(tx: Transaction, idempotency_key: str, *, reason: str) -> bool:
    """What had been given away was returned; it can be put back in the line with :func:`requeue`."""
    changed = tx.execute(
        sa.update(t.outbox)
        .where(t.outbox.c.idempotency_key == idempotency_key, t.outbox.c.state == "delivered")
        .values(state="dead", last_reason=reason)
    )
    return bool(changed.rowcount)


def void(tx: Transaction, notice_id: str) -> bool:
    """What waits of a notice has become pointless; ``False``: the notice itself is under way or was sent."""
    changed = tx.execute(
        sa.update(t.outbox)
        .where(t.outbox.c.notice_id == notice_id, t.outbox.c.state.in_(["queued", "held"]))
        .values(state="void")
        .returning(t.outbox.c.purpose)
    )
    return None in changed.scalars().all()


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the outbox, without its body."""

    idempotency_key: str
    notice_id: str
    platform: str
    purpose: str | None
    recipient: str | None
    state: str
    attempts: int
    queued_at: datetime
    last_reason: str | None


ENTRY = (
    t.outbox.c.idempotency_key,
    t.outbox.c.notice_id,
    t.outbox.c.platform,
    t.outbox.c.purpose,
    t.outbox.c.recipient,
    t.outbox.c.state,
    t.outbox.c.attempts,
    t.outbox.c.queued_at,
    t.outbox.c.last_reason,
)


def of_notice(tx: Transaction, notice_id: str) -> tuple[Entry, ...]:
    """Everything that was to be sent about a notice, in the order in which it was written."""
    rows = tx.execute(
        sa.select(*ENTRY)
        .where(t.outbox.c.notice_id == notice_id)
        .order_by(t.outbox.c.queued_at, t.outbox.c.idempotency_key)
    )
    return tuple(Entry(*row) for row in rows)


def add(
    tx: Transaction,
    *,
    idempotency_key: str,
    notice_id: str,
    platform: str,
    purpose: str,
    recipient: str | None,
    body: bytes,
    content_type: str,
    now: datetime,
) -> bool:
    """Put what follows a notice, or takes its other way, in the line; ``False``: it was there."""
    fresh = insert_new(
        tx,
        t.outbox,
        {
            "idempotency_key": idempotency_key,
            "notice_id": notice_id,
            "platform": platform,
            "body": body,
            "body_sha256": hashlib.sha256(body).hexdigest(),
            "content_type": content_type,
            "state": "queued",
            "queued_at": now,
            "next_at": now,
            "purpose": purpose,
            "recipient": recipient,
        },
    )
    if fresh:
        sealing.keep(tx, sealing.OUTBOX, idempotency_key, at=now)
        sealing.keep(tx, sealing.ERRAND, idempotency_key, at=now)
    return fresh


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much of a platform's outbox waits, and since when."""

    platform: str
    state: str
    count: int
    oldest_queued_at: datetime | None


def waiting(tx: Transaction) -> tuple[Waiting, ...]:
    """The outbox by platform and state."""
    rows = tx.execute(
        sa.select(
            t.outbox.c.platform,
            t.outbox.c.state,
            sa.func.count(),
            sa.func.min(t.outbox.c.queued_at, type_=t.UtcInstant()),
        ).group_by(t.outbox.c.platform, t.outbox.c.state)
    )
    return tuple(Waiting(*row) for row in rows)


def next_due(tx: Transaction) -> datetime | None:
    """When the next try is due; ``None``: nothing waits."""
    at: datetime | None = tx.execute(NEXT_DUE).scalar_one()
    return at


NEXT_DUE = sa.select(sa.func.min(t.outbox.c.next_at, type_=t.UtcInstant())).where(_WAITS)
