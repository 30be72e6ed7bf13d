"""Everything the casebook holds about one notice, read in one consistent view."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schemas.response import PlatformResponse
from streams.notices.casebook import exhibits, sealing
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.exhibits import Exhibit
from streams.notices.chain import AuditRow, Value


@dataclass(frozen=True, slots=True)
class Sealed:
    """A row as it is sealed: the columns that count, in their order."""

    kind: str
    subject: str
    payload_sha256: str
    columns: tuple[str, ...]
    values: tuple[Value, ...]

    def value(self, column: str) -> Any:
        """One of the columns."""
        return self.values[self.columns.index(column)]


@dataclass(frozen=True, slots=True)
class Dossier:
    """What is known about one notice."""

    notice_id: str
    reference: str
    platform: str
    rows: tuple[Sealed, ...]
    """Every sealed row about it, by kind and key."""
    exhibits: tuple[Exhibit, ...]
    audit: tuple[AuditRow, ...]
    """The chain's rows about those, in order."""
    leaves: tuple[bytes, ...]
    """Hashes of all rows of the chain up to the wanted size, to prove that a row is among them."""

    def of(self, kind: str) -> tuple[Sealed, ...]:
        """The rows of one kind."""
        return tuple(row for row in self.rows if row.kind == kind)


def read(tx: Transaction, notice_id: str, *, signed: int) -> Dossier:
    """Read a notice's dossier, with the chain's first ``signed`` rows.

    Raises:
        sqlalchemy.exc.NoResultFound: there is no such notice.
    """
    about = tx.execute(
        sa.select(t.notice.c.human_reference, t.notice.c.platform).where(t.notice.c.notice_id == notice_id)
    ).one()
    case_ids = [
        row.case_id
        for row in tx.execute(
            sa.select(t.notice_item.c.case_id)
            .where(t.notice_item.c.notice_id == notice_id)
            .order_by(t.notice_item.c.case_id)
        )
    ]
    rows = (*_about_notice(tx, notice_id), *_about_cases(tx, case_ids))
    raw = {
        PlatformResponse.from_bytes(row.value("body")).raw_sha256 for row in rows if row.kind == "response"
    }
    same = sa.and_(t.inbox.c.platform == about.platform, t.inbox.c.body_sha256.in_(sorted(raw)))
    rows += _read(tx, sealing.INBOX, same)
    mine = t.answer_reading.c.inbox_id.in_(sa.select(t.inbox.c.inbox_id).where(same))
    rows += _read(tx, sealing.ANSWER_READING, mine)
    subjects = sorted(row.subject for row in rows)
    return Dossier(
        notice_id=notice_id,
        reference=about.human_reference,
        platform=about.platform,
        rows=rows,
        exhibits=exhibits.of_notice(tx, notice_id),
        audit=sealing.rows_about(tx, subjects),
        leaves=sealing.hashes(tx, signed),
    )


def _about_notice(tx: Transaction, notice_id: str) -> tuple[Sealed, ...]:
    found: tuple[Sealed, ...] = ()
    keys = sa.select(t.outbox.c.idempotency_key).where(t.outbox.c.notice_id == notice_id)
    for kind in sealing.KINDS:
        columns = kind.table.c
        if kind.table is t.attempt:
            found += _read(tx, kind, columns.idempotency_key.in_(keys))
        elif kind.table not in (t.case_event, t.inbox) and "notice_id" in columns:
            found += _read(tx, kind, columns.notice_id == notice_id)
    return found


def _about_cases(tx: Transaction, case_ids: Sequence[str]) -> tuple[Sealed, ...]:
    detections = _read(tx, sealing.DETECTION, t.detection.c.case_id.in_(case_ids))
    found = detections + _read(tx, sealing.EVENT, t.case_event.c.case_id.in_(case_ids))
    for kind in (sealing.HOLD, sealing.HOLD_CONFIRMED, sealing.HOLD_ENDED):
        found += _read(tx, kind, kind.table.c.case_id.in_(case_ids))
    about = sealing.ERASURE.table.c.about
    named = [about.contains(json.dumps(f"case:{one}"), autoescape=True) for one in case_ids]
    return found + _read(tx, sealing.ERASURE, sa.or_(sa.false(), *named))


def _read(tx: Transaction, kind: sealing.Kind, where: sa.ColumnElement[bool]) -> tuple[Sealed, ...]:
    keys = [kind.table.c[name] for name in kind.key]
    found = []
    for row in tx.execute(kind.select().where(where).order_by(*keys)):
        thing = kind.thing(tuple(row))
        found.append(Sealed(kind.name, thing.subject, thing.payload_sha256, kind.columns, tuple(row)))
    return tuple(found)
