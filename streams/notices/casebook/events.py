"""Events of cases.

Each event is one row, numbered within its case, published to Kafka by the relay, and sealed in the
same transaction by a row of the audit chain (:mod:`streams.notices.casebook.sealing`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
import uuid_utils

from schemas.case_event import CaseEvent, CaseEventType
from streams.notices.casebook import sealing
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Transaction
from streams.notices.item import Happening


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
    found = tx.execute(_STANDING, {"case_ids": list({entry.case_id for entry in wanted})}).all()
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
        _ADD,
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
        _COUNT_ON,
        [{"of_case": case_id, "last": sequence, "now": now} for case_id, sequence in last.items()],
    )
    for event in events:
        sealing.keep(tx, sealing.EVENT, event.case_id, event.sequence, at=now, actor=actor, act=event.type)
    return tuple(events)


# Made once: making a statement takes longer than running it.
_STANDING = sa.select(
    t.case.c.case_id, t.case.c.platform, t.case.c.listing_id, t.case.c.round, t.case.c.sequence
).where(t.case.c.case_id.in_(sa.bindparam("case_ids", expanding=True)))
_ADD = sa.insert(t.case_event)
_COUNT_ON = (
    sa.update(t.case)
    .where(t.case.c.case_id == sa.bindparam("of_case"))
    .values(sequence=sa.bindparam("last"), updated_at=sa.bindparam("now", type_=t.UtcInstant()))
)


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
    return tuple(Unpublished(*row) for row in tx.execute(_UNPUBLISHED, {"most": limit}))


_UNPUBLISHED = (
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
    .limit(sa.bindparam("most", type_=sa.Integer()))
)


def mark_published(tx: Transaction, positions: Sequence[int]) -> None:
    """The relay's sends of these were acknowledged."""
    if positions:
        tx.execute(
            sa.update(t.case_event).where(t.case_event.c.position.in_(positions)).values(published=True)
        )


def known_ids(tx: Transaction) -> frozenset[str]:
    """Ids of every event that the casebook has."""
    return frozenset(tx.execute(sa.select(t.case_event.c.event_id)).scalars())


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
