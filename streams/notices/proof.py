"""Whether the audit chain, what it seals and its signed checkpoints agree. Pure.

What each part shows:

- the chain: a row changed, removed, inserted or moved; a tail cut without its head row;
- the seals: a thing (event, notice, answer, look …) changed, removed, or added beside the chain;
- the tombstones: what is not there any more, or sealed a second time, without somebody's decision to erase
it; - the checkpoints: a tail cut together with the head row, and a chain written anew with hashes that fit.

Rows written after the newest checkpoint are protected by the chain alone until the next one is signed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from schemas.checkpoint import AuditCheckpoint
from streams.notices.chain import (
    ERASED,
    GENESIS,
    AuditRow,
    Head,
    Thing,
    Tombstone,
    link,
    may_change,
    salted,
)
from streams.notices.merkle import Frontier

MOST = 100
"""Findings that one verification lists."""


@dataclass(frozen=True, slots=True)
class Break:
    """A place where something does not hold."""

    position: int
    """Row of the chain; 0 where no row is meant."""
    what: str

    def __str__(self) -> str:
        return f"row {self.position}: {self.what}" if self.position else self.what


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found."""

    rows: int
    things: int
    covered: int
    """Rows up to the newest checkpoint."""
    breaks: tuple[Break, ...]
    erased: int = 0
    """Things of which personal data was erased, each with a tombstone that fits."""

    @property
    def holds(self) -> bool:
        return not self.breaks


def verify_rows(
    rows: Iterable[AuditRow],
    head: Head | None,
    things: Iterable[Thing],
    checkpoints: Sequence[AuditCheckpoint] = (),
    *,
    tombstones: Iterable[Tombstone] = (),
    most: int = MOST,
) -> Verdict:
    """Compare the chain with itself, with what it seals, with what was erased and with checkpoints.

    The checkpoints must have been checked by themselves before
    (:func:`streams.notices.checkpoints.check_log`); here they are taken as true.
    """
    breaks: list[Break] = []
    due = sorted(checkpoints, key=lambda one: one.size)
    tree = Frontier.empty()
    sealed: dict[str, _Seal] = {}
    graves = _Graves(tombstones)
    previous, position, checked = GENESIS, 0, 0

    def compare() -> None:
        nonlocal checked
        while checked < len(due) and due[checked].size <= tree.size:
            one = due[checked]
            if one.size < tree.size:
                breaks.append(Break(one.size, f"checkpoint {one.number} names rows that are not there"))
            elif tree.root().hex() != one.root or previous != one.head:
                breaks.append(
                    Break(one.size, f"the rows up to here are not those that checkpoint {one.number} signed")
                )
            checked += 1

    compare()
    for row in rows:
        if row.position != position + 1:
            missing = f"{position + 1}" if row.position == position + 2 else f"{position + 1} and on"
            breaks.append(Break(row.position, f"row {missing} before it is missing or out of order"))
        if row.previous != previous:
            breaks.append(Break(row.position, "does not follow from the row before it"))
        if row.hash != link(row.previous, row.position, row.act):
            breaks.append(Break(row.position, "was changed"))
        subject = row.act.subject
        was = sealed.get(subject)
        if row.act.act == ERASED:
            if was is None or not graves.explain(subject, was.payload_sha256, row.act.payload_sha256):
                breaks.append(Break(row.position, f"{subject} was erased, and no tombstone says so"))
        elif was is not None and not may_change(subject):
            breaks.append(Break(row.position, f"{subject} is sealed a second time"))
        sealed[subject] = _Seal(row.act.payload_sha256, row.salt)
        previous, position = row.hash, row.position
        tree.add(_leaf(row.hash))
        compare()
        if len(breaks) >= most:
            return Verdict(tree.size, 0, _covered(due, checked), tuple(breaks[:most]))
    if head is None:
        breaks.append(Break(0, "the row that names the head of the chain is missing"))
    elif head != Head(position, previous):
        breaks.append(Break(head.position, f"is the head, but the last row is {position}"))
    breaks.extend(
        Break(one.size, f"checkpoint {one.number} signed {one.size} rows, but there are only {tree.size}")
        for one in due[checked:]
    )
    count = _compare_things(things, sealed, graves, breaks, most)
    breaks.extend(graves.unexplained())
    return Verdict(tree.size, count, _covered(due, len(due)), tuple(breaks[:most]), graves.explained)


class _Seal(NamedTuple):
    payload_sha256: str
    salt: bytes | None


class _Graves:
    """Tombstones by what they name; each explains one change."""

    def __init__(self, tombstones: Iterable[Tombstone]) -> None:
        self._open = {(one.subject, one.was, one.now): one for one in tombstones}
        self.explained = 0

    def explain(self, subject: str, was: str, now: str | None) -> bool:
        """Whether a tombstone names this; it then explains nothing else."""
        found = self._open.pop((subject, was, now), None)
        self.explained += found is not None
        return found is not None

    def unexplained(self) -> Iterable[Break]:
        """Tombstones of what never was so."""
        for one in self._open.values():
            yield Break(0, f"erasure {one.erasure_id} names {one.subject}, which was not sealed or erased so")


def _compare_things(
    things: Iterable[Thing], sealed: dict[str, _Seal], graves: _Graves, breaks: list[Break], most: int
) -> int:
    count = 0
    for thing in things:
        count += 1
        was = sealed.pop(thing.subject, None)
        if was is None:
            breaks.append(Break(0, f"{thing.subject} was never sealed"))
        elif was.payload_sha256 != salted(was.salt, thing.payload_sha256):
            breaks.append(Break(0, f"{thing.subject} was changed after it was sealed"))
        if len(breaks) >= most:
            return count
    for subject, was in sealed.items():
        if graves.explain(subject, was.payload_sha256, None):
            continue
        breaks.append(Break(0, f"{subject} was sealed and is not there any more"))
        if len(breaks) >= most:
            break
    return count


def _leaf(row_hash: str) -> bytes:
    """A row's hash as a leaf; a hash that somebody made unreadable still is a leaf, another one."""
    try:
        return bytes.fromhex(row_hash)
    except ValueError:
        return row_hash.encode("utf-8", "surrogatepass")


def _covered(due: Sequence[AuditCheckpoint], checked: int) -> int:
    return due[checked - 1].size if checked else 0
