"""Rows of changes to what is looked for: drafted, proposed, decided, carried out.

``state``: ``draft`` (only its maker's), ``proposed`` (waits for a lead), ``decided`` (to be written to
the topic), ``done``, ``overtaken`` (the topic had changed before it was written), ``declined``, ``dropped``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
import uuid_utils

from streams.notices.casebook import list_tables as tables
from streams.notices.casebook import sealing
from streams.notices.casebook.database import Transaction

_c = tables.list_change.c

Kind = Literal["entry", "file", "pack", "trial"]
"""A ``trial`` is of an entry that stays as it is: a draft for ever, and forgotten like one."""
State = Literal["draft", "proposed", "decided", "done", "overtaken", "declined", "dropped"]
DRAFTS_KEPT = timedelta(days=7)
REPORTS_KEPT = timedelta(days=28)
"""What a trial said of listings is kept as long as Kafka keeps the listings."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change and where it stands."""

    change_id: str
    kind: Kind
    subject: str
    """Id of the entry, name of the file or of the pack."""
    version: int | None
    target: str
    """Where it is to stand: ``active``, ``shadow`` or ``retired``; empty for a file."""
    body: bytes
    sha256: str
    state: State
    made_by: str
    made_at: datetime
    reason: str | None
    proposed_at: datetime | None
    base: str | None
    report: str | None
    shown_sha256: str | None
    decided_by: str | None
    decided_at: datetime | None
    decision: str | None
    decision_reason: str | None
    writes: bytes | None
    replaces: bytes | None
    done_at: datetime | None
    done_how: str | None


_CHANGE = tuple(_c[name] for name in Change.__slots__)
_LARGE = {
    "body": sa.literal(b"", sa.LargeBinary()),
    **dict.fromkeys(("report", "writes", "replaces"), sa.null()),
}
_LIGHT: tuple[sa.ColumnElement[Any], ...] = tuple(
    _LARGE.get(name, _c[name]).label(name) for name in Change.__slots__
)
"""Without what may be large."""


def new_id() -> str:
    """For a change that is to be made; ids sort by time."""
    return f"lc_{uuid_utils.uuid7().hex}"


def draft(
    tx: Transaction,
    *,
    kind: Kind,
    subject: str,
    body: bytes,
    sha256: str,
    by: str,
    now: datetime,
    version: int | None = None,
    target: str = "",
    report: str | None = None,
    base: str | None = None,
) -> str:
    """Keep what somebody uploaded until they take or propose it; its id. What is old is forgotten."""
    tx.execute(sa.delete(tables.list_change).where(_c.state == "draft", _c.made_at < now - DRAFTS_KEPT))
    tx.execute(
        sa.update(tables.list_change)
        .where(_c.report.is_not(None), _c.made_at < now - REPORTS_KEPT)
        .values(report=None)
    )
    change_id = new_id()
    tx.execute(
        sa.insert(tables.list_change).values(
            change_id=change_id,
            kind=kind,
            subject=subject,
            version=version,
            target=target,
            body=body,
            sha256=sha256,
            state="draft",
            made_by=by,
            made_at=now,
            report=report,
            base=base,
        )
    )
    return change_id


def one(tx: Transaction, change_id: str) -> Change | None:
    """A change; ``None``: there is none of that id."""
    row = tx.execute(sa.select(*_CHANGE).where(_c.change_id == change_id)).one_or_none()
    return Change(*row) if row else None


def held(tx: Transaction, change_id: str) -> Change | None:
    """A change that nobody else alters until the transaction ends."""
    row = tx.execute(sa.select(*_CHANGE).where(_c.change_id == change_id).with_for_update()).one_or_none()
    return Change(*row) if row else None


def propose(tx: Transaction, change_id: str, *, target: str, reason: str, by: str, now: datetime) -> None:
    """A draft is before a lead from now, and sealed."""
    _set(tx, change_id, state="proposed", target=target, reason=reason, proposed_at=now)
    sealing.keep(tx, sealing.LIST_CHANGE, change_id, at=now, actor=f"person:{by}")


def decide(
    tx: Transaction,
    change_id: str,
    *,
    decision: str,
    by: str,
    now: datetime,
    state: State,
    reason: str | None = None,
    shown_sha256: str | None = None,
    writes: bytes | None = None,
    replaces: bytes | None = None,
) -> None:
    """Say what becomes of it, and seal that; ``writes`` waits to be carried out."""
    _set(
        tx,
        change_id,
        state=state,
        decision=decision,
        decision_reason=reason,
        decided_by=by,
        decided_at=now,
        shown_sha256=shown_sha256,
        writes=writes,
        replaces=replaces,
    )
    sealing.keep(tx, sealing.LIST_CHANGE_DECIDED, change_id, at=now, actor=f"person:{by}")


def finish(tx: Transaction, change_id: str, *, how: str, now: datetime) -> bool:
    """The topic has it (``written``), or has gone another way (``overtaken``); ``False``: known before."""
    state = "done" if how == "written" else "overtaken"
    done = tx.execute(
        sa.update(tables.list_change)
        .where(_c.change_id == change_id, _c.state == "decided")
        .values(state=state, done_at=now, done_how=how)
    )
    if done.rowcount:
        sealing.keep(tx, sealing.LIST_CHANGE_DONE, change_id, at=now, actor="desk")
    return bool(done.rowcount)


def tried(tx: Transaction, change_id: str, *, report: str, base: str | None = None) -> None:
    """What came of trying it so far; without effect once it is decided."""
    values = {"report": report} if base is None else {"report": report, "base": base}
    tx.execute(
        sa.update(tables.list_change)
        .where(_c.change_id == change_id, _c.state.in_(("draft", "proposed")))
        .values(**values)
    )


def forget(tx: Transaction, change_id: str) -> None:
    """Remove a draft."""
    tx.execute(sa.delete(tables.list_change).where(_c.change_id == change_id, _c.state == "draft"))


def _set(tx: Transaction, change_id: str, **values: Any) -> None:
    tx.execute(sa.update(tables.list_change).where(_c.change_id == change_id).values(**values))


def listed(
    tx: Transaction,
    *,
    kinds: Sequence[Kind],
    states: Sequence[State] | None = None,
    subject: str | None = None,
    made_by: str | None = None,
    limit: int,
) -> tuple[Change, ...]:
    """Changes, the newest first; without bodies, reports and records, which may be large."""
    query = sa.select(*_LIGHT).where(_c.kind.in_(kinds))
    if states is not None:
        query = query.where(_c.state.in_(states))
    if subject is not None:
        query = query.where(_c.subject == subject)
    if made_by is not None:
        query = query.where(_c.made_by == made_by)
    rows = tx.execute(query.order_by(_c.made_at.desc(), _c.change_id.desc()).limit(limit))
    return tuple(Change(*row) for row in rows)


def unwritten(tx: Transaction) -> tuple[Change, ...]:
    """Decided, and not known to be on the topic; the oldest first."""
    rows = tx.execute(sa.select(*_CHANGE).where(_c.state == "decided").order_by(_c.decided_at))
    return tuple(Change(*row) for row in rows)
