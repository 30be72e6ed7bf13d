"""Events of cases and the audit chain over them.

Each event is one row, numbered within its case, published to Kafka by the relay, and sealed in
the same transaction by a row of the audit chain: hash over the previous row's hash and this row's
facts, so that a changed, removed or inserted row shows. A cut tail does not show by the chain
alone; for that a copy of the head is kept elsewhere.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
import uuid_utils

from schemas.case_event import CaseEvent, CaseEventType
from schemas.message import digest
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Transaction, do_last
from streams.notices.item import Happening

GENESIS = "0" * 64
"""What the first row of the chain names as its previous hash."""


def append(
    tx: Transaction,
    *,
    case_id: str,
    happenings: Iterable[Happening],
    now: datetime,
    actor: str,
    notice_id: str | None = None,
) -> tuple[CaseEvent, ...]:
    """Number, store and seal what happened to a case, in the given order.

    The caller holds the case's row (see :func:`streams.notices.casebook.cases.hold`).
    """
    return append_to_many(tx, [Entry(case_id, notice_id, tuple(happenings))], now=now, actor=actor)


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened to one case."""

    case_id: str
    notice_id: str | None
    happenings: tuple[Happening, ...]


def append_to_many(
    tx: Transaction, entries: Sequence[Entry], *, now: datetime, actor: str
) -> tuple[CaseEvent, ...]:
    """:func:`append` for several cases with the same few statements. The caller holds all of them."""
    wanted = [entry for entry in entries if entry.happenings]
    if not wanted:
        return ()
    found = tx.execute(
        sa.select(
            t.case.c.case_id, t.case.c.platform, t.case.c.listing_id, t.case.c.round, t.case.c.sequence
        ).where(t.case.c.case_id.in_({entry.case_id for entry in wanted}))
    ).all()
    cases = {row.case_id: row for row in found}
    last = {row.case_id: row.sequence for row in found}
    events = []
    for entry in wanted:
        case = cases[entry.case_id]
        for happening in entry.happenings:
            last[entry.case_id] += 1
            events.append(
                CaseEvent(
                    event_id=str(uuid_utils.uuid7()),
                    case_id=entry.case_id,
                    sequence=last[entry.case_id],
                    type=happening.type,
                    at=happening.at,
                    recorded_at=now,
                    platform=case.platform,
                    listing_id=case.listing_id,
                    round=case.round,
                    notice_id=entry.notice_id,
                    actor=actor,
                    data=dict(happening.data),
                )
            )
    bodies = [event.to_bytes() for event in events]
    tx.execute(
        sa.insert(t.case_event),
        [
            {
                "event_id": event.event_id,
                "case_id": event.case_id,
                "sequence": event.sequence,
                "type": event.type,
                "at": event.at,
                "body": body,
                "published": False,
            }
            for event, body in zip(events, bodies, strict=True)
        ],
    )
    tx.execute(
        sa.update(t.case)
        .where(t.case.c.case_id == sa.bindparam("of_case"))
        .values(sequence=sa.bindparam("last"), updated_at=now),
        [{"of_case": case_id, "last": sequence} for case_id, sequence in last.items()],
    )
    do_last(
        tx,
        seal,
        [
            Act(now, actor, event.type, f"{event.case_id}/{event.sequence}", hashlib.sha256(body).hexdigest())
            for event, body in zip(events, bodies, strict=True)
        ],
    )
    return tuple(events)


@dataclass(frozen=True, slots=True)
class Act:
    """One row of the audit chain before it has its place."""

    at: datetime
    actor: str
    act: str
    subject: str
    payload_sha256: str


def link(previous: str, position: int, act: Act) -> str:
    """Hash of one row of the chain."""
    return digest(
        [
            previous,
            str(position),
            str(t.to_micros(act.at)),
            act.actor,
            act.act,
            act.subject,
            act.payload_sha256,
        ]
    )


def seal(tx: Transaction, acts: Sequence[Act]) -> None:
    """Append to the audit chain. Holds the chain's head until the transaction ends."""
    if not acts:
        return
    head = tx.execute(
        sa.select(t.audit_head.c.position, t.audit_head.c.hash)
        .where(t.audit_head.c.one == 1)
        .with_for_update()
    ).one()
    position, previous = head.position, head.hash
    rows = []
    for act in acts:
        position += 1
        current = link(previous, position, act)
        rows.append(
            {
                "position": position,
                "at": act.at,
                "actor": act.actor,
                "act": act.act,
                "subject": act.subject,
                "payload_sha256": act.payload_sha256,
                "previous": previous,
                "hash": current,
            }
        )
        previous = current
    tx.execute(sa.insert(t.audit), rows)
    tx.execute(
        sa.update(t.audit_head).where(t.audit_head.c.one == 1).values(position=position, hash=previous)
    )


@dataclass(frozen=True, slots=True)
class Break:
    """A place where the chain does not hold."""

    position: int
    what: str


def verify(tx: Transaction) -> tuple[int, tuple[Break, ...]]:
    """Walk the whole chain and every event it seals.

    Returns:
        How many rows were read, and every break found (at most 100).
    """
    breaks: list[Break] = []
    previous, expected, count = GENESIS, 1, 0
    sealed: dict[str, str] = {}
    rows = tx.execution_options(yield_per=5_000).execute(sa.select(t.audit).order_by(t.audit.c.position))
    for row in rows:
        count += 1
        if row.position != expected:
            breaks.append(Break(expected, f"row {expected} is missing"))
        act = Act(row.at, row.actor, row.act, row.subject, row.payload_sha256)
        if row.previous != previous:
            breaks.append(Break(row.position, "does not follow from the row before it"))
        if row.hash != link(row.previous, row.position, act):
            breaks.append(Break(row.position, "was changed"))
        previous, expected = row.hash, row.position + 1
        sealed[row.subject] = row.payload_sha256
        if len(breaks) >= 100:
            return count, tuple(breaks)
    head = tx.execute(sa.select(t.audit_head).where(t.audit_head.c.one == 1)).one()
    if head.hash != previous or head.position != expected - 1:
        breaks.append(Break(head.position, "the head names another last row"))
    events = tx.execution_options(yield_per=5_000).execute(
        sa.select(t.case_event.c.case_id, t.case_event.c.sequence, t.case_event.c.body)
    )
    for event in events:
        subject = f"{event.case_id}/{event.sequence}"
        was = sealed.pop(subject, None)
        if was is None:
            breaks.append(Break(0, f"event {subject} was never sealed"))
        elif was != hashlib.sha256(event.body).hexdigest():
            breaks.append(Break(0, f"event {subject} was changed"))
        if len(breaks) >= 100:
            return count, tuple(breaks)
    breaks.extend(
        Break(0, f"event {subject} was removed") for subject in list(sealed)[:100] if subject.startswith("c_")
    )
    return count, tuple(breaks)


@dataclass(frozen=True, slots=True)
class Unpublished:
    """An event that waits for the relay."""

    position: int
    case_id: str
    event_id: str
    type: str
    at: datetime
    body: bytes


def unpublished(tx: Transaction, limit: int) -> tuple[Unpublished, ...]:
    """The oldest events not yet in Kafka."""
    rows = tx.execute(
        sa.select(
            t.case_event.c.position,
            t.case_event.c.case_id,
            t.case_event.c.event_id,
            t.case_event.c.type,
            t.case_event.c.at,
            t.case_event.c.body,
        )
        .where(t.case_event.c.published == sa.false())
        .order_by(t.case_event.c.position)
        .limit(limit)
    )
    return tuple(Unpublished(*row) for row in rows)


def mark_published(tx: Transaction, positions: Sequence[int]) -> None:
    """The relay's sends of these were acknowledged."""
    if positions:
        tx.execute(
            sa.update(t.case_event).where(t.case_event.c.position.in_(positions)).values(published=True)
        )


def of_case(tx: Transaction, case_id: str) -> tuple[CaseEvent, ...]:
    """Everything that happened to a case, in order."""
    rows = tx.execute(
        sa.select(t.case_event.c.body)
        .where(t.case_event.c.case_id == case_id)
        .order_by(t.case_event.c.sequence)
    )
    return tuple(CaseEvent.from_bytes(row.body) for row in rows)


def of_notice(
    tx: Transaction, case_id: str, notice_id: str, types: tuple[CaseEventType, ...]
) -> tuple[CaseEvent, ...]:
    """What happened to a notice of a case, of the given types only, in order."""
    rows = tx.execute(
        sa.select(t.case_event.c.body)
        .where(t.case_event.c.case_id == case_id, t.case_event.c.type.in_(types))
        .order_by(t.case_event.c.sequence)
    )
    every = (CaseEvent.from_bytes(row.body) for row in rows)
    return tuple(event for event in every if event.notice_id == notice_id)


def after(tx: Transaction, position: int, *, limit: int) -> tuple[tuple[int, CaseEvent], ...]:
    """Events recorded after a position, in order, each with its own position."""
    rows = tx.execute(
        sa.select(t.case_event.c.position, t.case_event.c.body)
        .where(t.case_event.c.position > position)
        .order_by(t.case_event.c.position)
        .limit(limit)
    )
    return tuple((row.position, CaseEvent.from_bytes(row.body)) for row in rows)


def last_position(tx: Transaction) -> int:
    """Position of the newest event; 0 when there is none."""
    found: int | None = tx.execute(sa.select(sa.func.max(t.case_event.c.position))).scalar_one()
    return found or 0
