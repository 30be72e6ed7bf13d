"""The audit chain as values: how a row follows from the one before, and what is sealed of a thing.

Pure. :mod:`streams.notices.casebook.sealing` writes the chain, :mod:`streams.notices.proof` checks it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from schemas.message import digest

GENESIS = "0" * 64
"""What the first row of the chain names as its previous hash."""

ERASED = "sealed_after_erasure"
"""Act of a row that seals a thing anew after personal data was taken out of it; a tombstone says why."""

SALT_BYTES = 16
"""Of the salt under which a thing is sealed: who knows all of it but a name cannot try names against the
hash."""

STATE = "_state"
"""Ending of the kinds whose rows change: the newest seal counts. Every other thing is sealed once."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Value = str | int | bytes | datetime | None
"""What a sealed column can hold."""


@dataclass(frozen=True, slots=True)
class Act:
    """One row of the audit chain before it has its place."""

    at: datetime
    actor: str
    act: str
    subject: str
    """``kind:key`` of the thing that is sealed, for example ``event:c_1/3``."""
    payload_sha256: str
    """:func:`content_hash` of the thing, under the row's salt where it has one; see :func:`salted`."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One row of the audit chain in its place."""

    position: int
    """From 1, without gaps."""
    act: Act
    previous: str
    hash: str
    salt: bytes | None = None
    """Stands beside the chain and not in it: it goes when what it seals is erased."""


@dataclass(frozen=True, slots=True)
class Head:
    """The chain's last row, as the casebook remembers it."""

    position: int
    hash: str


@dataclass(frozen=True, slots=True)
class Thing:
    """A row of the casebook that must be sealed, as it is now."""

    subject: str
    payload_sha256: str


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What was erased of one thing, as hashes: what the chain sealed before, and what it seals since."""

    erasure_id: str
    subject: str
    was: str
    now: str | None
    """``None``: nothing of the thing is left."""


def salted(salt: bytes | None, payload_sha256: str) -> str:
    """What the chain holds of a thing: SHA-256 over salt and content hash, each with its length before it."""
    return payload_sha256 if salt is None else digest([salt, payload_sha256])


def to_micros(instant: datetime) -> int:
    """Whole microseconds since 1970-01-01 UTC."""
    return (instant - _EPOCH) // _MICROSECOND


def link(previous: str, position: int, act: Act) -> str:
    """Hash of one row of the chain: SHA-256 over its fields, each with its length before it."""
    micros = to_micros(act.at)
    return digest([previous, str(position), str(micros), act.actor, act.act, act.subject, act.payload_sha256])


def place(previous: Head, acts: Sequence[Act]) -> tuple[AuditRow, ...]:
    """The rows that follow ``previous``."""
    rows: list[AuditRow] = []
    position, before = previous.position, previous.hash
    for act in acts:
        position += 1
        current = link(before, position, act)
        rows.append(AuditRow(position, act, before, current))
        before = current
    return tuple(rows)


def content_hash(names: Sequence[str], values: Sequence[Value]) -> str:
    """SHA-256 over a thing's columns: each name, the value's type and the value.

    Instants count as whole microseconds since 1970-01-01 UTC, so that the same row has the same hash on
    every database.

    >>> content_hash(["a"], [None]) == content_hash(["a"], [""])
    False
    """
    parts: list[str | bytes] = []
    for name, value in zip(names, values, strict=True):
        parts.append(name)
        match value:
            case None:
                parts += ("none", "")
            case str():
                parts += ("text", value)
            case bytes():
                parts += ("bytes", value)
            case datetime():
                parts += ("instant", str(to_micros(value)))
            case int():
                parts += ("number", str(value))
    return digest(parts)


MOVED = frozenset({"deadline"})
"""Kinds that are sealed again when a recorded event moves them: a deadline whose clock was stopped."""


def may_change(subject: str) -> bool:
    """Whether a subject is of a kind that is sealed again at every change."""
    kind = subject.partition(":")[0]
    return kind.endswith(STATE) or kind in MOVED
