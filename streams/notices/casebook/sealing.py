"""Sealing what the casebook keeps, in the transaction that writes it.

Whoever writes a row that counts as evidence calls :func:`keep`; events are kept so, too. When the
transaction ends, :class:`streams.notices.casebook.database.Casebook` calls :func:`flush`: it reads
those rows back, as the database holds them, and appends one row of the audit chain for each. The
chain's head is therefore taken last and held only for the commit, whatever else was locked before.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from schemas.checkpoint import AuditCheckpoint
from streams.notices.casebook import desk_tables
from streams.notices.casebook import erasure_tables as e
from streams.notices.casebook import guard_tables as g
from streams.notices.casebook import list_tables as lists
from streams.notices.casebook import report_tables as r
from streams.notices.casebook import tables as t
from streams.notices.casebook import webhook_tables as w
from streams.notices.chain import (
    SALT_BYTES,
    Act,
    AuditRow,
    Head,
    Thing,
    Tombstone,
    Value,
    content_hash,
    place,
    salted,
)
from streams.notices.proof import Verdict, verify_rows

PENDING = "takin_to_seal"
"""Where a connection remembers what the open transaction has to seal."""

DEFAULT_ACTOR = "notices"

KEYS_AT_ONCE = 500
"""Rows read back by one statement."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Rows of a table that are sealed, and by which columns. What is not named may change unseen."""

    name: str
    table: sa.Table
    key: tuple[str, ...]
    content: tuple[str, ...]
    once: str | None = None
    """A column that is empty until there is something to seal."""

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.key, *self.content)

    def select(self) -> sa.Select[Any]:
        """All rows that must be sealed."""
        query = sa.select(*(self.table.c[name] for name in self.columns))
        return query if self.once is None else query.where(self.table.c[self.once].is_not(None))

    def rows(self, tx: sa.Connection, keys: Sequence[tuple[Value, ...]]) -> sa.CursorResult[Any]:
        """The rows with those keys."""
        values: dict[str, Any] = {"firsts": list({key[0] for key in keys})}
        if len(self.key) > 1:
            values["keys"] = list(keys)
        return tx.execute(_of_keys(self), values)

    def subject(self, key: Sequence[Value]) -> str:
        """How the chain names the row."""
        return f"{self.name}:{'/'.join(map(str, key))}"

    def thing(self, row: Sequence[Value]) -> Thing:
        """The row as it is sealed."""
        return Thing(self.subject(row[: len(self.key)]), content_hash((self.name, *self.columns), ("", *row)))


EVENT = Kind("event", t.case_event, ("case_id", "sequence"), ("event_id", "type", "at", "body"))
DETECTION = Kind(
    "detection",
    t.detection,
    ("detection_id",),
    ("case_id", "outcome", "ruleset_version", "content_hash", "observed_at", "recorded_at", "body"),
)
NOTICE = Kind(
    "notice",
    t.notice,
    ("notice_id",),
    (
        *("human_reference", "idempotency_key", "platform", "round", "revision", "severity", "kind"),
        *("queued_at", "body"),
    ),
)
NOTICE_STATE = Kind(
    "notice_state",
    t.notice,
    ("notice_id",),
    ("first_attempt_at", "sent_at", "platform_received_at", "platform_reference"),
    once="first_attempt_at",
)
ITEM = Kind(
    "item",
    t.notice_item,
    ("notice_id", "case_id"),
    (
        *("item_id", "platform", "listing_id", "url", "content_hash", "round", "legal_basis"),
        *("action", "revision"),
    ),
)
ITEM_STATE = Kind(
    "item_state",
    t.notice_item,
    ("notice_id", "case_id"),
    (
        *("claim", "claim_rank", "outcome", "acknowledged_at", "decided_at", "removal_claimed_at"),
        *("claimed_effective_at", "content", "last_online_at", "first_offline_at", "removal_verified_at"),
        *("reappeared_at", "mismatch_at", "closed_at"),
    ),
)
OUTBOX = Kind(
    "outbox",
    t.outbox,
    ("idempotency_key",),
    ("notice_id", "platform", "body", "body_sha256", "content_type", "queued_at"),
)
TRY = Kind("try", t.attempt, ("idempotency_key", "number"), ("worker", "started_at"))
"""An attempt as it begins."""
ATTEMPT = Kind(
    "attempt",
    t.attempt,
    ("idempotency_key", "number"),
    ("finished_at", "result", "reason", "http_status", "retry_after_s", "reply"),
    once="finished_at",
)
"""How the attempt ended."""
INBOX = Kind(
    "inbox",
    t.inbox,
    ("platform", "source_id"),
    ("inbox_id", "channel", "received_at", "body", "body_sha256", "headers"),
)
ANSWER_READING = Kind(
    "answer_reading", t.answer_reading, ("reading_id",), ("inbox_id", "was", "reason", "asked_by", "asked_at")
)
"""Somebody had an answer that was set aside read once more."""
RESPONSE = Kind(
    "response",
    t.response,
    ("platform", "response_id", "case_id"),
    ("notice_id", "received_at", "kind", "outcome", "body"),
)
OBSERVATION = Kind(
    "observation",
    t.observation,
    ("observation_id",),
    ("notice_id", "case_id", "at", "state", "reason", "http_status", "body_sha256", "observer"),
)
EVIDENCE = Kind(
    "evidence",
    t.evidence,
    ("evidence_id",),
    ("notice_id", "case_id", "kind", "sha256", "media_type", "size", "captured_at", "captured_by"),
)
DEADLINE = Kind(
    "deadline",
    t.deadline,
    ("deadline_id",),
    ("notice_id", "case_id", "platform", "kind", "seq", "policy", "source", "started_at", "due_at"),
)
DEADLINE_STATE = Kind(
    "deadline_state", t.deadline, ("deadline_id",), ("state", "met_at", "fired_at", "rescinded_at")
)
FROZEN_REPORT = Kind(
    "frozen_report",
    t.frozen_report,
    ("report", "period"),
    ("frozen_at", "frozen_by", "checksum", "document", "items", "audit_position", "audit_hash"),
)
ACCESS = Kind(
    "access",
    desk_tables.access,
    ("access_id",),
    ("at", "account_id", "login", "role", "platform", "act", "subject"),
)
"""Who was shown what: nobody takes a line out of it unseen."""
ERRAND = Kind("errand", t.outbox, ("idempotency_key",), ("purpose", "recipient"), once="purpose")
"""What an entry of the outbox is for, where it is not the notice by its platform's own channel."""
HOLD = Kind("hold", g.hold, ("hold_id",), ("case_id", "reason", "asked_by", "asked_at", "expires_at"))
HOLD_CONFIRMED = Kind(
    "hold_confirmed", g.hold, ("hold_id",), ("confirmed_by", "confirmed_at"), once="confirmed_at"
)
HOLD_ENDED = Kind("hold_ended", g.hold, ("hold_id",), ("ended_by", "ended_at", "ended_how"), once="ended_at")
STOP = Kind("stop", g.stop, ("stop_id",), ("scope", "name", "reason", "set_by", "set_at"))
STOP_LIFTED = Kind("stop_lifted", g.stop, ("stop_id",), ("lifted_by", "lifted_at"), once="lifted_at")
EXCESS = Kind(
    "excess",
    g.excess,
    ("excess_id",),
    ("platform", "day", "more", "reason", "approved_by", "approved_at"),
)
ALLOWANCE = Kind(
    "allowance",
    g.allowance,
    ("allowance_id",),
    ("platform", "rule_id", "reason", "allowed_by", "allowed_at", "until"),
)
TASK = Kind("task", g.task, ("task_id",), ("notice_id", "case_id", "platform", "step", "why", "due_at"))
TASK_DONE = Kind("task_done", g.task, ("task_id",), ("done_by", "done_at", "note"), once="done_at")
REPORT = Kind(
    "report",
    r.filed_report,
    ("report_id",),
    ("received_at", "kind", "url", "body", "picture_sha256", "picture_size"),
)
REPORT_DECIDED = Kind(
    "report_decided",
    r.filed_report,
    ("report_id",),
    ("state", "case_id", "decided_at", "decided_by", "reason"),
    once="decided_at",
)
WEBHOOK_ADDRESS = Kind(
    "webhook_address_state",
    w.webhook_address,
    ("address_id",),
    (
        *("platform", "address", "proposed_by", "proposed_at", "tested_at", "test_result", "test_status"),
        *("proven_at", "used_by", "used_at", "ended_by", "ended_at"),
    ),
)
WEBHOOK_SECRET = Kind(
    "webhook_secret_state",
    w.webhook_secret,
    ("secret_id",),
    (
        *("platform", "mark", "made_by", "made_at", "overlap_s", "tested_at", "test_result", "test_status"),
        *("proven_at", "old_until", "ended_by", "ended_at"),
    ),
)
"""Of the secret itself nothing is in the chain, not even encrypted."""
ERASURE = Kind(
    "erasure",
    e.erasure,
    ("erasure_id",),
    ("decision_id", "at", "cause", "decided_by", "why", "basis", "about", "body"),
)
"""A tombstone: what was erased, when, on whose decision and why."""
LEGAL_HOLD = Kind("legal_hold", e.legal_hold, ("legal_hold_id",), ("case_id", "reason", "set_by", "set_at"))
LEGAL_HOLD_LIFTED = Kind(
    "legal_hold_lifted",
    e.legal_hold,
    ("legal_hold_id",),
    ("lifted_by", "lifted_at", "lift_reason"),
    once="lifted_at",
)
LIST_CHANGE = Kind(
    "list_change",
    lists.list_change,
    ("change_id",),
    (
        *("kind", "subject", "version", "target", "body", "sha256"),
        *("made_by", "made_at", "reason", "proposed_at"),
    ),
    once="proposed_at",
)
"""A change of the watchlist or of a rule pack, from when it is proposed; drafts are nobody's business."""
LIST_CHANGE_DECIDED = Kind(
    "list_change_decided",
    lists.list_change,
    ("change_id",),
    (
        *("sha256", "base", "shown_sha256", "decided_by", "decided_at", "decision", "decision_reason"),
        *("writes", "replaces"),
    ),
    once="decided_at",
)
LIST_CHANGE_DONE = Kind(
    "list_change_done", lists.list_change, ("change_id",), ("done_at", "done_how"), once="done_at"
)

KINDS: tuple[Kind, ...] = (
    EVENT,
    DETECTION,
    NOTICE,
    NOTICE_STATE,
    ITEM,
    ITEM_STATE,
    OUTBOX,
    TRY,
    ATTEMPT,
    INBOX,
    ANSWER_READING,
    RESPONSE,
    OBSERVATION,
    EVIDENCE,
    DEADLINE,
    DEADLINE_STATE,
    FROZEN_REPORT,
    ACCESS,
    ERRAND,
    HOLD,
    HOLD_CONFIRMED,
    HOLD_ENDED,
    STOP,
    STOP_LIFTED,
    EXCESS,
    ALLOWANCE,
    TASK,
    TASK_DONE,
    REPORT,
    REPORT_DECIDED,
    WEBHOOK_ADDRESS,
    WEBHOOK_SECRET,
    ERASURE,
    LEGAL_HOLD,
    LEGAL_HOLD_LIFTED,
    LIST_CHANGE,
    LIST_CHANGE_DECIDED,
    LIST_CHANGE_DONE,
)
"""Everything that must be sealed; :func:`things` reads exactly this."""


@cache
def _of_keys(kind: Kind) -> sa.Select[Any]:
    """A kind's rows by their keys, made once: making a statement takes longer than running it."""
    columns = [kind.table.c[column] for column in kind.key]
    query = kind.select().where(columns[0].in_(sa.bindparam("firsts", expanding=True)))
    if len(columns) == 1:
        return query
    # The first column by itself as well: SQLite finds no index for a list of pairs and would read the
    # whole table, at every transaction.
    return query.where(sa.tuple_(*columns).in_(sa.bindparam("keys", expanding=True)))


@dataclass(frozen=True, slots=True)
class Kept:
    """A row that the open transaction has written."""

    at: datetime | None
    actor: str
    act: str
    salt: bytes | None


class Pending:
    """What the open transaction has written, in order, each row once."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, tuple[Value, ...]], tuple[Kind, Kept]] = {}


def fresh_salt() -> bytes | None:
    """A salt that nothing else has."""
    return os.urandom(SALT_BYTES)


def begin(tx: sa.Connection) -> None:
    """A write transaction begins: nothing is pending."""
    tx.info[PENDING] = Pending()


def keep(
    tx: sa.Connection,
    kind: Kind,
    *key: Value,
    at: datetime | None = None,
    actor: str = DEFAULT_ACTOR,
    act: str | None = None,
    plain: bool = False,
    salt: bytes | None = None,
) -> None:
    """Seal this row, as it is when the transaction ends; unless ``plain``, under a salt of its own or the one
    that is given.

    ``at`` may be left out where the writer is told no time: then the newest time counts that this
    transaction seals, or else that of the last row sealed before.

    Raises:
        KeyError: the transaction was not opened by ``Casebook.write``, so nothing would seal it.
    """
    pending: Pending = tx.info[PENDING]
    # A row written twice takes its later place, after what led to its last change.
    pending.rows.pop((kind.name, key), None)
    kept = Kept(at, actor, act or kind.name, None if plain else salt or fresh_salt())
    pending.rows[(kind.name, key)] = (kind, kept)


def flush(tx: sa.Connection) -> None:
    """Append a row of the audit chain for everything pending. The last statements of a transaction."""
    pending: Pending = tx.info.pop(PENDING)
    if not pending.rows:
        return
    found = _things_now(tx, pending)
    wanted = [
        (found[subject], kept)
        for (_, key), (kind, kept) in pending.rows.items()
        if (subject := kind.subject(key)) in found
    ]
    if not wanted:
        return
    head = tx.execute(_HOLD_HEAD).one()
    newest = max((kept.at for _, kept in wanted if kept.at is not None), default=None)
    if newest is None:
        last = sa.select(t.audit.c.at).where(t.audit.c.position == head.position)
        newest = tx.execute(last).scalar_one_or_none() or t.EPOCH
    acts = [
        Act(
            *(kept.at or newest, kept.actor, kept.act, thing.subject),
            salted(kept.salt, thing.payload_sha256),
        )
        for thing, kept in wanted
    ]
    rows = place(Head(head.position, head.hash), acts)
    tx.execute(
        _ADD_ROWS,
        [
            {
                "position": row.position,
                "at": row.act.at,
                "actor": row.act.actor,
                "act": row.act.act,
                "subject": row.act.subject,
                "payload_sha256": row.act.payload_sha256,
                "previous": row.previous,
                "hash": row.hash,
                "salt": kept.salt,
            }
            for row, (_, kept) in zip(rows, wanted, strict=True)
        ],
    )
    tx.execute(_MOVE_HEAD, {"at_position": rows[-1].position, "at_hash": rows[-1].hash})


_HOLD_HEAD = (
    sa.select(t.audit_head.c.position, t.audit_head.c.hash).where(t.audit_head.c.one == 1).with_for_update()
)
_ADD_ROWS = sa.insert(t.audit)
_MOVE_HEAD = (
    sa.update(t.audit_head)
    .where(t.audit_head.c.one == 1)
    .values(position=sa.bindparam("at_position"), hash=sa.bindparam("at_hash"))
)


def _things_now(tx: sa.Connection, pending: Pending) -> dict[str, Thing]:
    """What is pending, as the database holds it: one statement a kind."""
    by_kind: dict[str, tuple[Kind, list[tuple[Value, ...]]]] = {}
    for (name, key), (kind, _) in pending.rows.items():
        by_kind.setdefault(name, (kind, []))[1].append(key)
    found: dict[str, Thing] = {}
    for kind, keys in by_kind.values():
        for start in range(0, len(keys), KEYS_AT_ONCE):
            for row in kind.rows(tx, keys[start : start + KEYS_AT_ONCE]):
                thing = kind.thing(tuple(row))
                found[thing.subject] = thing
    return found


def head(tx: sa.Connection) -> Head | None:
    """The last row as the casebook remembers it; ``None``: somebody removed even that."""
    row = tx.execute(
        sa.select(t.audit_head.c.position, t.audit_head.c.hash).where(t.audit_head.c.one == 1)
    ).one_or_none()
    return None if row is None else Head(row.position, row.hash)


def audit_rows(tx: sa.Connection, *, after: int = 0, limit: int | None = None) -> Iterator[AuditRow]:
    """The chain from after a position, in order, a piece at a time."""
    a = t.audit.c
    query = sa.select(*_ROW).where(a.position > after).order_by(a.position).limit(limit)
    for row in tx.execution_options(yield_per=5_000).execute(query):
        yield _audit_row(row)


_ROW = tuple(
    t.audit.c[name]
    for name in ("position", "at", "actor", "act", "subject", "payload_sha256", "previous", "hash", "salt")
)


def _audit_row(row: Any) -> AuditRow:
    act = Act(row.at, row.actor, row.act, row.subject, row.payload_sha256)
    return AuditRow(row.position, act, row.previous, row.hash, row.salt)


def things(tx: sa.Connection) -> Iterator[Thing]:
    """Everything that must be sealed, as it is now."""
    for kind in KINDS:
        for row in tx.execution_options(yield_per=2_000).execute(kind.select()):
            yield kind.thing(tuple(row))


def rows_about(tx: sa.Connection, subjects: Sequence[str]) -> tuple[AuditRow, ...]:
    """The chain's rows about some things, in order."""
    found: list[AuditRow] = []
    for start in range(0, len(subjects), KEYS_AT_ONCE):
        wanted = t.audit.c.subject.in_(subjects[start : start + KEYS_AT_ONCE])
        found += map(_audit_row, tx.execute(sa.select(*_ROW).where(wanted)))
    return tuple(sorted(found, key=lambda row: row.position))


def hashes(tx: sa.Connection, size: int) -> tuple[bytes, ...]:
    """Hashes of the chain's first ``size`` rows, in order."""
    query = sa.select(t.audit.c.hash).where(t.audit.c.position <= size).order_by(t.audit.c.position)
    return tuple(bytes.fromhex(row.hash) for row in tx.execution_options(yield_per=5_000).execute(query))


def verify(tx: sa.Connection, checkpoints: Sequence[AuditCheckpoint] = ()) -> Verdict:
    """Walk the whole chain and everything it seals, in one consistent view.

    ``checkpoints`` have been checked by themselves, see :func:`streams.notices.checkpoints.check_log`.
    """
    return verify_rows(audit_rows(tx), head(tx), things(tx), checkpoints, tombstones=tombstones(tx))


def tombstones(tx: sa.Connection) -> Iterator[Tombstone]:
    """What was erased of each thing."""
    for row in tx.execute(sa.select(e.erasure.c.erasure_id, e.erasure.c.body)):
        for subject, was, now in json.loads(row.body):
            yield Tombstone(row.erasure_id, subject, was, now)
