"""No change to the casebook goes unseen: 100,000 random ones in memory, dozens in real databases.

In memory the rows are those of a real casebook, read once; what is changed is a copy. The hashes are
remembered between runs, which changes nothing: they are pure functions of what they are given.
"""

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.checkpoint import AuditCheckpoint
from streams.notices import chain, proof
from streams.notices.casebook import sealing
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Casebook
from streams.notices.chain import ERASED, AuditRow, Head, Thing, Tombstone, place, salted
from streams.notices.checkpoints import check_log, sign
from streams.notices.merkle import Frontier
from tests.support.casebooks import fill
from tests.support.notices import at
from tests.support.postgres import PostgresServer

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of a table as the database holds it."""

    kind: sealing.Kind
    row: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Copy:
    """Everything that a verification reads."""

    audit: tuple[AuditRow, ...]
    head: Head | None
    stored: tuple[Stored, ...]


thing_of = lru_cache(maxsize=50_000)(lambda stored: stored.kind.thing(stored.row))


def read(casebook: Casebook) -> Copy:
    with casebook.read() as tx:
        stored = [
            Stored(kind, tuple(row)) for kind in sealing.KINDS for row in tx.execute(kind.select()).all()
        ]
        return Copy(tuple(sealing.audit_rows(tx)), sealing.head(tx), tuple(stored))


def signed(audit: Sequence[AuditRow], sizes: Sequence[int]) -> tuple[AuditCheckpoint, ...]:
    tree = Frontier.empty()
    found: list[AuditCheckpoint] = []
    for row in audit:
        tree.add(bytes.fromhex(row.hash))
        if row.position in sizes:
            last = found[-1] if found else None
            found.append(sign(KEY, tree, head=row.hash, at=at(row.position), after=last))
    return tuple(found)


def verdict(copy: Copy, checkpoints: Sequence[AuditCheckpoint], *, most: int = 1) -> proof.Verdict:
    things: Iterator[Thing] = (thing_of(one) for one in copy.stored)
    graves = [grave for one in copy.stored for grave in graves_of(one)]
    return proof.verify_rows(copy.audit, copy.head, things, checkpoints, tombstones=graves, most=most)


def graves_of(one: Stored) -> Iterator[Tombstone]:
    """What an erasure's row says, if it still is one that can be read."""
    if one.kind is not sealing.ERASURE:
        return
    values = dict(zip(one.kind.columns, one.row, strict=True))
    with contextlib.suppress(ValueError, TypeError):
        for subject, was, now in json.loads(values["body"]):
            yield Tombstone(values["erasure_id"], subject, was, now)


def another(value: Any, chance: Random) -> Any:
    """A value of the same type that differs in one place."""
    while (new := _varied(value, chance)) == value:
        pass
    return new


def _varied(value: Any, chance: Random) -> Any:
    match value:
        case None:
            return chance.choice(["", 0])
        case bytes():
            if not value:
                return b"\x00"
            spot = chance.randrange(len(value))
            return value[:spot] + bytes([value[spot] ^ (1 << chance.randrange(8))]) + value[spot + 1 :]
        case str():
            spot = chance.randrange(len(value) + 1)
            new = chr(chance.randrange(32, 1_000))
            return chance.choice(
                [value[:spot] + new + value[spot:], value[:spot] + new + value[spot + 1 :], value[:spot]]
            )
        case datetime():
            return value + timedelta(microseconds=chance.choice([-1, 1, 60_000_000]))
        case int():
            return value + chance.choice([-1, 1, 7])
    raise AssertionError(type(value))


def changed(row: AuditRow, chance: Random) -> AuditRow:
    field = chance.choice(["position", "at", "actor", "act", "subject", "payload_sha256", "previous", "hash"])
    if field in ("position", "previous", "hash"):
        return replace(row, **{field: another(getattr(row, field), chance)})
    return replace(row, act=replace(row.act, **{field: another(getattr(row.act, field), chance)}))


def recomputed(audit: Sequence[AuditRow]) -> tuple[tuple[AuditRow, ...], Head]:
    """The whole chain written anew over the rows' acts, with every hash right, and its head."""
    placed = place(Head(0, chain.GENESIS), [row.act for row in audit])
    rows = tuple(replace(new, salt=old.salt) for new, old in zip(placed, audit, strict=True))
    return rows, Head(len(rows), rows[-1].hash if rows else chain.GENESIS)


def unerased(copy: Copy) -> Copy:
    """The same without any erasure: what is left of a thing stands as if it never had been more.

    A forger who writes the chain anew has no use for tombstones.
    """
    stored = tuple(one for one in copy.stored if one.kind is not sealing.ERASURE)
    now = {thing_of(one).subject: thing_of(one).payload_sha256 for one in stored}
    again = {row.act.subject for row in copy.audit if row.act.act == ERASED}
    rows = [
        replace(row, act=replace(row.act, payload_sha256=salted(row.salt, now[row.act.subject])))
        if row.act.subject in again
        else row
        for row in copy.audit
        if row.act.act != ERASED and row.act.subject.partition(":")[0] != sealing.ERASURE.name
    ]
    audit, head = recomputed(rows)
    return Copy(audit, head, stored)


def flip_audit(copy: Copy, chance: Random) -> Copy:
    spot = chance.randrange(len(copy.audit))
    rows = list(copy.audit)
    rows[spot] = changed(rows[spot], chance)
    return replace(copy, audit=tuple(rows))


def flip_thing(copy: Copy, chance: Random) -> Copy:
    spot = chance.randrange(len(copy.stored))
    stored = list(copy.stored)
    one = stored[spot]
    column = chance.randrange(len(one.row))
    row = (*one.row[:column], another(one.row[column], chance), *one.row[column + 1 :])
    stored[spot] = Stored(one.kind, row)
    return replace(copy, stored=tuple(stored))


def flip_head(copy: Copy, chance: Random) -> Copy:
    assert copy.head is not None
    return replace(
        copy,
        head=chance.choice(
            [
                None,
                replace(copy.head, position=another(copy.head.position, chance)),
                replace(copy.head, hash=another(copy.head.hash, chance)),
            ]
        ),
    )


def delete_audit(copy: Copy, chance: Random) -> Copy:
    spot = chance.randrange(len(copy.audit))
    return replace(copy, audit=copy.audit[:spot] + copy.audit[spot + 1 :])


def delete_thing(copy: Copy, chance: Random) -> Copy:
    spot = chance.randrange(len(copy.stored))
    return replace(copy, stored=copy.stored[:spot] + copy.stored[spot + 1 :])


def insert_audit(copy: Copy, chance: Random) -> Copy:
    """A row of one's own making, with or without the right hash for its place."""
    spot = chance.randrange(len(copy.audit) + 1)
    before = copy.audit[spot - 1] if spot else None
    act = replace(chance.choice(copy.audit).act, payload_sha256=f"{chance.getrandbits(256):064x}")
    [row] = place(Head(spot, before.hash if before else chain.GENESIS), [act])
    if chance.random() < 0.3:
        row = replace(row, hash=f"{chance.getrandbits(256):064x}")
    return replace(copy, audit=(*copy.audit[:spot], row, *copy.audit[spot:]))


def insert_thing(copy: Copy, chance: Random) -> Copy:
    one = chance.choice(copy.stored)
    key = list(one.row)
    key[0] = another(key[0], chance)
    spot = chance.randrange(len(copy.stored) + 1)
    return replace(copy, stored=(*copy.stored[:spot], Stored(one.kind, tuple(key)), *copy.stored[spot:]))


def reorder(copy: Copy, chance: Random) -> Copy:
    """Two rows change places: as they are, or each with the other's position."""
    a, b = sorted(chance.sample(range(len(copy.audit)), 2))
    rows = list(copy.audit)
    rows[a], rows[b] = rows[b], rows[a]
    if chance.random() < 0.5:
        rows[a], rows[b] = replace(rows[a], position=a + 1), replace(rows[b], position=b + 1)
    return replace(copy, audit=tuple(rows))


def cut_tail(copy: Copy, chance: Random) -> Copy:
    return replace(copy, audit=copy.audit[: chance.randrange(len(copy.audit))])


def cut_tail_with_head(copy: Copy, chance: Random) -> Copy:
    """The last rows, all that only they seal, and the head: nothing inside the database shows it."""
    copy = unerased(copy)
    left = copy.audit[: chance.randrange(len(copy.audit))]
    by_subject = {row.act.subject: row for row in left}
    kept = tuple(one for one in copy.stored if thing_of(one).subject in by_subject)
    head = Head(left[-1].position, left[-1].hash) if left else Head(0, chain.GENESIS)
    # Where a thing had changed later, the forger seals its present state as if it had been so before.
    now = {thing_of(one).subject: thing_of(one).payload_sha256 for one in kept}
    if any(salted(r.salt, now[subject]) != r.act.payload_sha256 for subject, r in by_subject.items()):
        acts = [
            replace(r, act=replace(r.act, payload_sha256=salted(r.salt, now[r.act.subject]))) for r in left
        ]
        left, head = recomputed(acts)
    return Copy(left, head, kept)


def rewrite(copy: Copy, chance: Random) -> Copy:
    """A thing is changed and the whole chain written anew, with hashes that fit, and its head."""
    copy = unerased(copy)
    forged = flip_thing(copy, chance)
    now = {thing_of(one).subject: thing_of(one).payload_sha256 for one in forged.stored}
    was = {row.act.subject for row in copy.audit}
    [*gone] = was - now.keys()
    new = iter(now.keys() - was)
    # A key that became another's leaves no new subject: then the rows about the old one go.
    renamed = {subject: next(new, None) for subject in gone}
    acts = []
    for row in copy.audit:
        subject = renamed.get(row.act.subject, row.act.subject)
        if subject is None:
            continue
        payload = salted(row.salt, now[subject])
        acts.append(replace(row, act=replace(row.act, subject=subject, payload_sha256=payload)))
    rows, head = recomputed(acts)
    return Copy(rows, head, forged.stored)


def remove_and_rewrite(copy: Copy, chance: Random) -> Copy:
    """A thing is removed with all its rows, and the chain closed over the gap."""
    copy = unerased(copy)
    gone = chance.choice(copy.stored)
    stored = tuple(one for one in copy.stored if one is not gone)
    subject = thing_of(gone).subject
    rows, head = recomputed([row for row in copy.audit if row.act.subject != subject])
    return Copy(rows, head, stored)


Mutation = Callable[[Copy, Random], Copy]
MUTATIONS: tuple[tuple[Mutation, int], ...] = (
    (flip_audit, 24),
    (flip_thing, 24),
    (flip_head, 4),
    (delete_audit, 10),
    (delete_thing, 8),
    (insert_audit, 10),
    (insert_thing, 6),
    (reorder, 8),
    (cut_tail, 4),
    (cut_tail_with_head, 1),
    (rewrite, 1),
    (remove_and_rewrite, 1),
)
"""What a tamperer does, and how often of a hundred or so."""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    casebook = Casebook.open(f"sqlite:///{tmp_path_factory.mktemp('proof') / 'casebook.db'}")
    try:
        fill(casebook, 6)
        return read(casebook)
    finally:
        casebook.close()


def test_every_kind_is_there_and_what_was_not_touched_holds(real: Copy) -> None:
    checkpoints = signed(real.audit, [len(real.audit) // 2, len(real.audit)])

    assert {one.kind.name for one in real.stored} == {kind.name for kind in sealing.KINDS}
    assert len(real.audit) > 200
    assert check_log(checkpoints, KEY.public_key()) == ()
    found = verdict(real, checkpoints, most=100)
    assert found.breaks == ()
    assert found.covered == found.rows == len(real.audit)


@pytest.mark.slow
@pytest.mark.parametrize("changes", [10_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_no_change_goes_unseen(
    real: Copy, changes: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(proof, "link", lru_cache(maxsize=50_000)(chain.link))
    checkpoints = signed(real.audit, [len(real.audit) // 3, len(real.audit)])
    chance = Random(5)
    kinds, weights = zip(*MUTATIONS, strict=True)
    seen: Counter[str] = Counter()
    unseen: list[str] = []
    for _ in range(changes):
        [mutation] = chance.choices(kinds, weights)
        forged = mutation(real, chance)
        if forged == real:
            unseen.append(f"{mutation.__name__} changed nothing")
        elif verdict(forged, checkpoints).holds:
            unseen.append(mutation.__name__)
        else:
            seen[mutation.__name__] += 1
    with capsys.disabled():
        print(f"\n{sum(seen.values()):,} changes seen, {len(unseen)} unseen: {dict(seen.most_common())}")
    assert unseen == []
    assert sum(seen.values()) == changes
    assert len(seen) == len(MUTATIONS)


@pytest.mark.parametrize("mutation", [cut_tail_with_head, rewrite, remove_and_rewrite])
def test_what_only_checkpoints_show_would_pass_without_them(real: Copy, mutation: Mutation) -> None:
    forged = mutation(real, Random(1))

    assert verdict(forged, ()).holds
    assert not verdict(forged, signed(real.audit, [len(real.audit)])).holds


def test_a_finding_says_what_and_where(real: Copy) -> None:
    rows = list(real.audit)
    rows[6] = replace(rows[6], act=replace(rows[6].act, actor="me"))

    assert list(map(str, verdict(replace(real, audit=tuple(rows)), (), most=100).breaks)) == [
        "row 7: was changed"
    ]


# ---------------------------------------------------------------------------- real databases


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Casebook]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'casebook.db'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.fresh_database(
            server.template("casebook", lambda address: Casebook.open(address).close())
        )
    casebook = Casebook.open(url)
    fill(casebook, 3)
    yield casebook
    casebook.close()


def test_every_sealed_column_of_every_table_and_every_removed_row_shows(filled: Casebook) -> None:
    tried = 0
    for kind in sealing.KINDS:
        for name in kind.columns:
            with filled.engine.connect() as connection:
                before = connection.begin()
                _loosen(connection)
                [*key] = connection.execute(kind.select().limit(1)).one()[: len(kind.key)]
                column = kind.table.c[name]
                same = [kind.table.c[k] == v for k, v in zip(kind.key, key, strict=True)]
                old = connection.execute(sa.select(column).where(*same)).scalar_one()
                new = _other(column, old)
                connection.execute(sa.update(kind.table).where(*same).values({name: new}))
                assert not sealing.verify(connection).holds, f"{kind.name}.{name}"
                before.rollback()
                tried += 1
    for table in {kind.table for kind in sealing.KINDS} | {t.audit, t.audit_head}:
        with filled.engine.connect() as connection:
            before = connection.begin()
            _loosen(connection)
            key_column = next(iter(table.primary_key.columns))
            first = connection.execute(sa.select(key_column).limit(1)).scalar_one()
            connection.execute(sa.delete(table).where(key_column == first))
            assert not sealing.verify(connection).holds, table.name
            before.rollback()
            tried += 1
    assert filled.answer(sealing.verify).breaks == ()
    assert tried > 90


def _loosen(connection: sa.Connection) -> None:
    """A tamperer is not held by foreign keys."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
    else:
        connection.exec_driver_sql("SET session_replication_role = replica")


def _other(column: sa.Column[Any], old: Any) -> Any:
    if isinstance(column.type, t.UtcInstant):
        return at(0.000001) if old is None else old + timedelta(microseconds=1)
    if isinstance(column.type, sa.LargeBinary):
        return (old or b"") + b" "
    if isinstance(column.type, sa.Text):
        return (old or "") + "x"
    return (old or 0) + 1_000


def test_a_cut_tail_with_its_head_shows_by_the_checkpoint_only(filled: Casebook) -> None:
    with filled.read() as tx:
        rows = tuple(sealing.audit_rows(tx))
    checkpoints = signed(rows, [len(rows)])
    last = rows[-1]
    kind = next(kind for kind in sealing.KINDS if last.act.subject.startswith(f"{kind.name}:"))
    assert kind is sealing.EVENT
    case_id, sequence = last.act.subject.removeprefix("event:").split("/")
    with filled.engine.connect() as connection, connection.begin():
        connection.execute(
            sa.delete(t.case_event).where(
                t.case_event.c.case_id == case_id, t.case_event.c.sequence == int(sequence)
            )
        )
        connection.execute(sa.delete(t.audit).where(t.audit.c.position == last.position))
        connection.execute(sa.update(t.audit_head).values(position=last.position - 1, hash=last.previous))

    assert filled.answer(sealing.verify).breaks == ()
    [found] = filled.answer(sealing.verify, checkpoints).breaks
    assert found.what == f"checkpoint 1 signed {last.position} rows, but there are only {last.position - 1}"
