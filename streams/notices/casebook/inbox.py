"""Answers as they came in: stored before the sender hears 2xx, applied after."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
import uuid_utils

from schemas.response import PlatformResponse
from streams.notices.casebook import sealing
from streams.notices.casebook import tables as t
from streams.notices.casebook.cases import insert_new
from streams.notices.casebook.database import Transaction


@dataclass(frozen=True, slots=True)
class Received:
    """One stored answer."""

    inbox_id: int
    platform: str
    channel: str
    source_id: str
    received_at: datetime
    body: bytes
    headers: Mapping[str, str]


KEPT_HEADERS = frozenset(
    {"content-type", "user-agent", "webhook-id", "webhook-timestamp", "webhook-signature", "date"}
)


def store(
    tx: Transaction,
    *,
    platform: str,
    channel: str,
    source_id: str,
    received_at: datetime,
    body: bytes,
    headers: Mapping[str, str],
) -> bool:
    """Keep an answer; ``False``: it was there already."""
    kept = {name.lower(): value for name, value in headers.items() if name.lower() in KEPT_HEADERS}
    fresh = insert_new(
        tx,
        t.inbox,
        {
            "platform": platform,
            "channel": channel,
            "source_id": source_id,
            "received_at": received_at,
            "body": body,
            "body_sha256": hashlib.sha256(body).hexdigest(),
            "headers": json.dumps(kept, sort_keys=True),
            "state": "new",
        },
    )
    if fresh:
        sealing.keep(tx, sealing.INBOX, platform, source_id, at=received_at, actor=f"platform:{platform}")
    return fresh


_COLUMNS = (
    t.inbox.c.inbox_id,
    t.inbox.c.platform,
    t.inbox.c.channel,
    t.inbox.c.source_id,
    t.inbox.c.received_at,
    t.inbox.c.body,
    t.inbox.c.headers,
)


def new(tx: Transaction, *, limit: int, until: datetime | None = None) -> tuple[Received, ...]:
    """Answers not yet applied, oldest first; with ``until`` only those received by then."""
    query: sa.Select[Any] = _NEW
    values: dict[str, Any] = {"most": limit}
    if until is not None:
        query, values = _NEW_BY_THEN, {**values, "until": until}
    return tuple(
        Received(
            row.inbox_id,
            row.platform,
            row.channel,
            row.source_id,
            row.received_at,
            row.body,
            json.loads(row.headers),
        )
        for row in tx.execute(query, values)
    )


# Made once: making a statement takes longer than running it.
_NEW = (
    sa.select(*_COLUMNS)
    .where(t.inbox.c.state == t.fixed("new"))
    .order_by(t.inbox.c.inbox_id)
    .limit(sa.bindparam("most", type_=sa.Integer()))
)
_NEW_BY_THEN = _NEW.where(t.inbox.c.received_at <= sa.bindparam("until", type_=t.UtcInstant()))


def finish(
    tx: Transaction,
    inbox_id: int,
    *,
    state: str,
    now: datetime,
    reason: str | None = None,
    detail: str | None = None,
) -> bool:
    """Move an answer out of ``new``; ``False``: somebody else did.

    ``state`` is ``applied`` or ``quarantined`` (kept for a person, with its reason).
    """
    changed = tx.execute(
        sa.update(t.inbox)
        .where(t.inbox.c.inbox_id == inbox_id, t.inbox.c.state == t.fixed("new"))
        .values(state=state, applied_at=now, reason=reason, detail=detail)
    )
    return bool(changed.rowcount)


def finish_stored(tx: Transaction, platform: str, source_id: str, *, now: datetime) -> None:
    """What a person entered needs no reading: it counts as applied with the entry itself."""
    tx.execute(
        sa.update(t.inbox)
        .where(t.inbox.c.platform == platform, t.inbox.c.source_id == source_id, t.inbox.c.state == "new")
        .values(state="applied", applied_at=now)
    )


@dataclass(frozen=True, slots=True)
class SetAside:
    """An answer that nobody could read, kept for a person."""

    inbox_id: int
    platform: str
    channel: str
    received_at: datetime
    reason: str
    detail: str
    body: bytes


def set_aside(tx: Transaction, *, limit: int, inbox_id: int | None = None) -> tuple[SetAside, ...]:
    """Answers that were set aside, the newest first; with ``inbox_id`` only that one."""
    query = (
        sa.select(t.inbox)
        .where(t.inbox.c.state == "quarantined")
        .order_by(t.inbox.c.inbox_id.desc())
        .limit(limit)
    )
    if inbox_id is not None:
        query = query.where(t.inbox.c.inbox_id == inbox_id)
    return tuple(
        SetAside(
            row.inbox_id,
            row.platform,
            row.channel,
            row.received_at,
            row.reason or "",
            row.detail or "",
            row.body,
        )
        for row in tx.execute(query)
    )


@dataclass(frozen=True, slots=True)
class Reading:
    """Somebody had an answer that was set aside read once more."""

    inbox_id: int
    by: str
    at: datetime
    reason: str
    was: str | None
    """What it had been set aside for."""


def read_again(tx: Transaction, inbox_id: int, *, by: str, reason: str, now: datetime) -> bool:
    """Have an answer that was set aside read once more, as if it had just come; ``False``: it was not aside.

    It keeps its time of receipt, by which its deadlines are judged. Who asked for it, when and why is sealed.
    """
    was = tx.execute(
        sa.select(t.inbox.c.reason)
        .where(t.inbox.c.inbox_id == inbox_id, t.inbox.c.state == "quarantined")
        .with_for_update()
    ).one_or_none()
    if was is None:
        return False
    tx.execute(
        sa.update(t.inbox)
        .where(t.inbox.c.inbox_id == inbox_id)
        .values(state="new", applied_at=None, reason=None, detail=None)
    )
    reading_id = f"ar_{uuid_utils.uuid7().hex}"
    tx.execute(
        sa.insert(t.answer_reading).values(
            reading_id=reading_id, inbox_id=inbox_id, was=was.reason, reason=reason, asked_by=by, asked_at=now
        )
    )
    actor = f"person:{by}"
    sealing.keep(tx, sealing.ANSWER_READING, reading_id, at=now, actor=actor, act="answer_read_again")
    return True


def readings(tx: Transaction, inbox_ids: Collection[int]) -> tuple[Reading, ...]:
    """Who had these read once more, in order."""
    r = t.answer_reading.c
    rows = tx.execute(
        sa.select(r.inbox_id, r.asked_by, r.asked_at, r.reason, r.was)
        .where(r.inbox_id.in_(inbox_ids))
        .order_by(r.asked_at, r.reading_id)
    )
    return tuple(Reading(*tuple(row)) for row in rows)


@dataclass(frozen=True, slots=True)
class About:
    """One answer and the item that it is about."""

    response: PlatformResponse
    notice_id: str
    case_id: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same answer about the same item."""
        return self.response.platform, self.response.response_id, self.case_id


def add_responses(tx: Transaction, told: Sequence[About]) -> tuple[About, ...]:
    """Keep answers; returns those that were not applied before, each once. The caller holds the cases.

    Nobody else can add one about the same item meanwhile, because that, too, needs the case.
    """
    key = sa.tuple_(t.response.c.platform, t.response.c.response_id, t.response.c.case_id)
    known = {
        tuple(row)
        for row in tx.execute(
            sa.select(t.response.c.platform, t.response.c.response_id, t.response.c.case_id).where(
                # Not by the keys alone, for which SQLite would read the whole table.
                t.response.c.notice_id.in_({one.notice_id for one in told}),
                key.in_([one.key for one in told]),
            )
        )
    }
    fresh = tuple({one.key: one for one in told if one.key not in known}.values())
    if fresh:
        tx.execute(
            sa.insert(t.response),
            [
                {
                    "platform": one.response.platform,
                    "response_id": one.response.response_id,
                    "notice_id": one.notice_id,
                    "case_id": one.case_id,
                    "received_at": one.response.received_at,
                    "kind": one.response.kind,
                    "outcome": one.response.outcome,
                    "body": one.response.to_bytes(),
                }
                for one in fresh
            ],
        )
    for one in fresh:
        sealing.keep(tx, sealing.RESPONSE, *one.key)
    return fresh


def questions(tx: Transaction, notice_id: str, case_id: str) -> tuple[tuple[datetime | None, datetime], ...]:
    """When the platform asked for information on an item: as it says, and when we received it."""
    rows = tx.execute(
        sa.select(t.response.c.body)
        .where(
            t.response.c.notice_id == notice_id,
            t.response.c.case_id == case_id,
            sa.or_(t.response.c.kind == "need_info", t.response.c.outcome == "need_info"),
        )
        .order_by(t.response.c.received_at)
    )
    found = (PlatformResponse.from_bytes(row.body) for row in rows)
    return tuple((one.said_at, one.received_at) for one in found)


def answers(tx: Transaction, notice_id: str, case_id: str) -> tuple[PlatformResponse, ...]:
    """Everything the platform has said of an item, by our time of receipt."""
    rows = tx.execute(
        sa.select(t.response.c.body)
        .where(t.response.c.notice_id == notice_id, t.response.c.case_id == case_id)
        .order_by(t.response.c.received_at)
    )
    return tuple(PlatformResponse.from_bytes(row.body) for row in rows)


def counts(tx: Transaction) -> dict[str, tuple[int, datetime | None]]:
    """Per state: how many, and the oldest one's time of receipt."""
    rows = tx.execute(
        sa.select(
            t.inbox.c.state, sa.func.count(), sa.func.min(t.inbox.c.received_at, type_=t.UtcInstant())
        ).group_by(t.inbox.c.state)
    )
    return {state: (count, oldest) for state, count, oldest in rows}
