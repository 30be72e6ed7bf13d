"""Taking personal data out of the casebook, with a tombstone in the audit chain for each thing it was taken
from.

One piece of work is one transaction: the rows, their tombstones, the marks that keep a replay from bringing
the data back, and the list of files that go as soon as the transaction is committed.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
import uuid_utils

from schemas.case_event import CaseEvent
from schemas.detection import Detection
from schemas.notice import Notice
from schemas.report import Report
from schemas.response import PlatformResponse
from streams.notices import erasing
from streams.notices.casebook import cases, erased_marks, events, filed, sealing
from streams.notices.casebook import desk_tables as d
from streams.notices.casebook import erasure_tables as e
from streams.notices.casebook import guard_tables as g
from streams.notices.casebook import report_tables as r
from streams.notices.casebook import tables as t
from streams.notices.casebook.bytes_search import contains
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.figures import is_owed
from streams.notices.chain import ERASED, salted
from streams.notices.item import Happening

Cause = Literal["request", "retention", "encryption"]


class NotErasable(Exception):
    """Something must not be erased now; nothing was changed. The text says why, for a person."""


@dataclass(frozen=True, slots=True)
class Decision:
    """On whose decision something is erased, and why."""

    decision_id: str
    cause: Cause
    by: str
    why: str
    basis: str
    """The provision, for example ``Regulation (EU) 2016/679, Article 17(1)(a)``."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What one piece of work took away."""

    things: tuple[tuple[str, str | None], ...] = ()
    """Subject of the chain each, and the hash of what is left of it; ``None``: nothing."""
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Target:
    """Rows of a table from which something is taken. ``change`` gives a row's new values; ``None``: the row
    goes."""

    table: sa.Table
    where: sa.ColumnElement[bool]
    change: Callable[[Any], Mapping[str, Any]] | None


@dataclass(slots=True)
class _Work:
    targets: list[_Target] = field(default_factory=list)
    files: set[str] = field(default_factory=set)


def why_not(tx: Transaction, case_ids: Collection[str]) -> dict[str, str]:
    """Cases that must not be erased now, and why; those they share a notice with count as well."""
    shared = _with_shared_notices(tx, case_ids)
    found: dict[str, str] = {}
    for case_id, others in shared.items():
        for one in (case_id, *others):
            why = _why_not_one(tx, one)
            if why and case_id not in found:
                found[case_id] = why if one == case_id else f"case {one}, in the same notice, {why}"
    return found


def _with_shared_notices(tx: Transaction, case_ids: Collection[str]) -> dict[str, tuple[str, ...]]:
    mine, theirs = t.notice_item.alias(), t.notice_item.alias()
    rows = tx.execute(
        sa.select(mine.c.case_id, theirs.c.case_id)
        .join(theirs, theirs.c.notice_id == mine.c.notice_id)
        .where(mine.c.case_id.in_(case_ids), theirs.c.case_id != mine.c.case_id)
        .distinct()
    )
    found: dict[str, set[str]] = {one: set() for one in sorted(case_ids)}
    for case_id, other in rows:
        found[case_id].add(other)
    return {case_id: tuple(sorted(others)) for case_id, others in found.items()}


def _why_not_one(tx: Transaction, case_id: str) -> str | None:
    held = tx.execute(
        sa.select(e.legal_hold.c.reason, e.legal_hold.c.set_by).where(
            e.legal_hold.c.case_id == case_id, e.legal_hold.c.lifted_at.is_(None)
        )
    ).one_or_none()
    if held is not None:
        return f"is under legal hold by {held.set_by}: {held.reason}"
    return next((why for why, true in _what_is_open(tx, case_id) if true), None)


def _what_is_open(tx: Transaction, case_id: str) -> Iterator[tuple[str, bool]]:
    """What could be in the way, each asked only when nothing before it was."""
    i, o, h, due = t.notice_item.c, t.outbox.c, g.hold.c, t.deadline.c
    status = tx.execute(sa.select(t.case.c.status).where(t.case.c.case_id == case_id)).scalar_one_or_none()
    mine = i.case_id == case_id
    yield "is not there", status is None
    yield "is open: it waits for a person", status == "review"
    yield "is open: nobody has decided about it", status == "detected" and not _any(tx, t.notice_item, mine)
    yield "is open: its platform still owes a removal", _any(tx, t.notice_item, mine, is_owed())
    yield (
        "is open: its listing is still looked at",
        _any(tx, t.notice_item, mine, i.next_look_at.is_not(None)),
    )
    waiting = o.notice_id.in_(sa.select(i.notice_id).where(mine))
    yield (
        "is open: something about it waits to be sent",
        _any(tx, t.outbox, waiting, o.state.in_(["queued", "leased", "held"])),
    )
    yield "is open: a deadline runs", _any(tx, t.deadline, due.case_id == case_id, due.state == "pending")
    yield "is held back from its platform", _any(tx, g.hold, h.case_id == case_id, h.ended_at.is_(None))


def _any(tx: Transaction, table: sa.Table, *where: sa.ColumnElement[bool]) -> bool:
    return tx.execute(sa.select(sa.literal(1)).select_from(table).where(*where).limit(1)).first() is not None


def erase(
    tx: Transaction,
    decision: Decision,
    *,
    case_ids: Sequence[str] = (),
    report_ids: Sequence[str] = (),
    inbox_ids: Sequence[int] = (),
    access_ids: Sequence[int] = (),
    marks: Iterable[str] = (),
    now: datetime,
) -> Erased:
    """Take the personal data of these cases, reports, answers and lines of the access log away; the chain
    says so.

    Reports that led to one of the cases go with it. ``marks`` are kept so that what Kafka still holds does
    not come back, see :mod:`streams.notices.casebook.erased_marks`.

    Raises:
        NotErasable: a case is open or under a hold, a report waits for a person, or something was changed
            after it was sealed: an erasure must not cover that up.
    """
    cases.hold_many(tx, _all_held(tx, case_ids))
    if refused := why_not(tx, case_ids):
        raise NotErasable("; ".join(f"case {one} {why}" for one, why in refused.items()))
    reports = _reports(tx, case_ids, report_ids)
    work = _work(tx, case_ids, reports)
    if inbox_ids:
        work.targets += _of_answers(t.inbox.c.inbox_id.in_(inbox_ids))
    if access_ids:
        work.targets.append(_Target(d.access, d.access.c.access_id.in_(access_ids), None))
    things = _carry_out(tx, decision, work.targets, case_ids, now=now)
    erased_marks.keep(tx, marks, now=now)
    if not things:
        return Erased()
    happened = {"cause": decision.cause, "basis": decision.basis, "by": decision.by, "things": len(things)}
    actor = f"person:{decision.by}"
    for case_id in case_ids:
        events.append(
            tx, case_id=case_id, happenings=[Happening("erased", now, happened)], now=now, actor=actor
        )
    files = tuple(sorted(one for one in work.files if not _still_named(tx, one)))
    about = [f"case:{one}" for one in case_ids] + [f"report:{one}" for one in reports]
    _keep_tombstone(tx, decision, about, things, files, now=now)
    return Erased(tuple((subject, now_) for subject, _, now_ in things), files)


def hide_contacts(tx: Transaction, decision: Decision, reports: Sequence[Report], *, now: datetime) -> Erased:
    """Take reporters' contacts out of what the chain seals, and keep them encrypted beside it; the chain says
    so. ``reports`` are those of the casebook with their contacts encrypted.

    Raises:
        NotErasable: one of them was changed after it was sealed.
    """
    hidden = {one.report_id: one for one in reports}

    target = _Target(
        r.filed_report,
        r.filed_report.c.report_id.in_(sorted(hidden)),
        lambda row: filed.with_contact(hidden[row.report_id]),
    )
    # Under a salt: what is left still holds what they wrote, and may be erased later.
    things = _carry_out(tx, decision, [target], (), now=now, salt=sealing.fresh_salt)
    if things:
        _keep_tombstone(tx, decision, [f"report:{one}" for one in sorted(hidden)], things, (), now=now)
    return Erased(tuple((subject, left) for subject, _, left in things))


def _carry_out(
    tx: Transaction,
    decision: Decision,
    targets: Sequence[_Target],
    case_ids: Sequence[str],
    *,
    now: datetime,
    salt: Callable[[], bytes | None] = lambda: None,
) -> list[tuple[str, str, str | None]]:
    """Change the rows, seal what is left of them, and drop the salts under which they were sealed.

    Returns each thing of the chain that changed, with the hash that was sealed before and what is left.
    """
    before = _snapshot(tx, targets)
    seals = _seals(tx, before)
    for target in targets:
        _apply(tx, target)
    for case_id in case_ids:
        _forget_case(tx, case_id)
    after = _snapshot(tx, targets)
    things: list[tuple[str, str, str | None]] = []
    for subject, (kind, key, _) in before.items():
        left = after.get(subject)
        if left is not None and left[2] == before[subject][2]:
            continue
        if left is None:
            things.append((subject, seals[subject], None))
            continue
        fresh = salt()
        things.append((subject, seals[subject], salted(fresh, left[2])))
        actor = f"person:{decision.by}"
        sealing.keep(tx, kind, *key, at=now, actor=actor, act=ERASED, plain=fresh is None, salt=fresh)
    _drop_salts(tx, [subject for subject, _, _ in things])
    return things


def _all_held(tx: Transaction, case_ids: Sequence[str]) -> set[str]:
    shared = _with_shared_notices(tx, case_ids)
    return {*shared, *(one for others in shared.values() for one in others)}


def _reports(tx: Transaction, case_ids: Sequence[str], report_ids: Sequence[str]) -> tuple[str, ...]:
    f = r.filed_report.c
    wanted = sa.or_(f.report_id.in_(report_ids), f.case_id.in_(case_ids))
    rows = tx.execute(sa.select(f.report_id).where(wanted).order_by(f.report_id)).all()
    if missing := set(report_ids) - {row.report_id for row in rows}:
        raise NotErasable(f"report {min(missing)} is not there")
    if waiting := waiting_reports(tx, case_ids, report_ids):
        raise NotErasable(f"report {min(waiting)} is open: it waits for a person")
    return tuple(row.report_id for row in rows)


def waiting_reports(tx: Transaction, case_ids: Sequence[str], report_ids: Sequence[str]) -> frozenset[str]:
    """Those of the reports, and of the cases' reports, that wait for a person."""
    f = r.filed_report.c
    wanted = sa.or_(f.report_id.in_(report_ids), f.case_id.in_(case_ids))
    return frozenset(tx.execute(sa.select(f.report_id).where(wanted, f.state == "waiting")).scalars())


def _work(tx: Transaction, case_ids: Sequence[str], report_ids: Sequence[str]) -> _Work:
    work = _Work()
    if case_ids:
        _work_on_cases(tx, case_ids, work)
    if report_ids:
        f = r.filed_report.c
        for body in tx.execute(sa.select(f.body).where(f.report_id.in_(report_ids))).scalars():
            work.files.update(Report.from_bytes(body).kept)
        work.targets.append(_Target(r.filed_report, f.report_id.in_(report_ids), _report))
    return work


def _work_on_cases(tx: Transaction, case_ids: Sequence[str], work: _Work) -> None:
    i = t.notice_item.c
    items = tx.execute(sa.select(i.notice_id, i.case_id, i.listing_id).where(i.case_id.in_(case_ids))).all()
    notices = sorted({row.notice_id for row in items})
    fresh = {(row.notice_id, row.listing_id): erasing.listing_id_of(row.case_id) for row in items}
    keys = sa.select(t.outbox.c.idempotency_key).where(t.outbox.c.notice_id.in_(notices))
    theirs = tx.execute(
        sa.select(t.response.c.platform, t.response.c.body).where(t.response.c.case_id.in_(case_ids))
    ).all()
    answers = {(row.platform, PlatformResponse.from_bytes(row.body).raw_sha256) for row in theirs}
    pages = tx.execute(sa.select(t.evidence.c.sha256).where(t.evidence.c.case_id.in_(case_ids))).scalars()
    work.files.update(pages)

    def notice(row: Any) -> dict[str, Any]:
        mine = {old: new for (notice_id, old), new in fresh.items() if notice_id == row.notice_id}
        return {"body": erasing.erased_notice(Notice.from_bytes(row.body), mine).to_bytes()}

    def frozen(row: Any) -> dict[str, Any]:
        return {"items": erasing.erased_frozen_items(row.items, fresh)}

    work.targets += [
        _Target(t.detection, t.detection.c.case_id.in_(case_ids), _detection),
        _Target(t.notice, t.notice.c.notice_id.in_(notices), notice),
        _Target(t.notice_item, i.case_id.in_(case_ids), _item),
        _Target(t.outbox, t.outbox.c.notice_id.in_(notices), lambda _: {"body": b""}),
        _Target(t.attempt, t.attempt.c.idempotency_key.in_(keys), lambda _: {"reply": None}),
        _Target(t.response, t.response.c.case_id.in_(case_ids), _response),
        _Target(t.evidence, t.evidence.c.case_id.in_(case_ids), None),
        _Target(t.case_event, t.case_event.c.case_id.in_(case_ids), _event),
        _Target(g.hold, g.hold.c.case_id.in_(case_ids), lambda _: {"reason": erasing.GONE}),
        _Target(g.task, g.task.c.case_id.in_(case_ids), lambda row: {"note": row.note and erasing.GONE}),
    ]
    for platform, raw in sorted(answers):
        same = sa.and_(t.inbox.c.platform == platform, t.inbox.c.body_sha256 == raw)
        work.targets += _of_answers(same)
    if notices:
        named = sa.or_(*(contains(tx, t.frozen_report.c["items"], one.encode()) for one in notices))
        # After the change the rows name the same notices, so the condition still finds them.
        work.targets.append(_Target(t.frozen_report, named, frozen))


def _case_of(row: Any) -> str:
    return erasing.listing_id_of(row.case_id)


def _detection(row: Any) -> dict[str, Any]:
    left = erasing.erased_detection(Detection.from_bytes(row.body), _case_of(row))
    return {"body": left.to_bytes(), "content_hash": left.content_hash}


def _item(row: Any) -> dict[str, Any]:
    return {"listing_id": _case_of(row), "url": f"{erasing.GONE}:", "content_hash": erasing.NO_HASH}


def _response(row: Any) -> dict[str, Any]:
    return {"body": erasing.erased_response(PlatformResponse.from_bytes(row.body)).to_bytes()}


def _event(row: Any) -> dict[str, Any]:
    return {"body": erasing.erased_event(CaseEvent.from_bytes(row.body), _case_of(row)).to_bytes()}


def _answer(row: Any) -> dict[str, Any]:
    return {"body": b"", "headers": "{}", "detail": row.detail and erasing.GONE}


def _of_answers(which: sa.ColumnElement[bool]) -> list[_Target]:
    """Answers as they came, and why somebody had them read once more."""
    read = t.answer_reading.c.inbox_id.in_(sa.select(t.inbox.c.inbox_id).where(which))
    return [
        _Target(t.inbox, which, _answer),
        _Target(t.answer_reading, read, lambda _: {"reason": erasing.GONE}),
    ]


def _report(row: Any) -> dict[str, Any]:
    left = erasing.erased_report(Report.from_bytes(row.body))
    return {
        "url": left.url,
        "body": left.to_bytes(),
        "picture_sha256": None,
        "picture_size": None,
        "contact": None,
        "contact_key": "",
        "origin": "",
        "reason": row.reason and erasing.GONE,
    }


def _apply(tx: Transaction, target: _Target) -> None:
    table = target.table
    if target.change is None:
        tx.execute(sa.delete(table).where(target.where))
        return
    keys = list(table.primary_key.columns)
    for row in tx.execute(sa.select(table).where(target.where)).all():
        same = sa.and_(*(column == getattr(row, column.name) for column in keys))
        tx.execute(sa.update(table).where(same).values(**target.change(row)))


def _forget_case(tx: Transaction, case_id: str) -> None:
    tx.execute(
        sa.update(t.case)
        .where(t.case.c.case_id == case_id)
        .values(listing_id=erasing.listing_id_of(case_id), url=f"{erasing.GONE}:", seller=None)
    )
    tx.execute(sa.delete(t.case_mark).where(t.case_mark.c.case_id == case_id))


_Snapshot = dict[str, tuple[sealing.Kind, tuple[Any, ...], str]]


def _snapshot(tx: Transaction, targets: Iterable[_Target]) -> _Snapshot:
    """Every sealed thing of those rows: its kind, its key and the hash of its content."""
    found: _Snapshot = {}
    for target in targets:
        for kind in sealing.KINDS:
            if kind.table is not target.table:
                continue
            for row in tx.execute(kind.select().where(target.where)):
                thing = kind.thing(tuple(row))
                found[thing.subject] = (kind, tuple(row)[: len(kind.key)], thing.payload_sha256)
    return found


def _seals(tx: Transaction, found: _Snapshot) -> dict[str, str]:
    """What the chain holds of these things now.

    Raises:
        NotErasable: one of them is not what was sealed.
    """
    newest = {row.act.subject: row for row in sealing.rows_about(tx, list(found))}
    seals = {}
    for subject, (_, _, content) in found.items():
        row = newest.get(subject)
        if row is None or salted(row.salt, content) != row.act.payload_sha256:
            raise NotErasable(
                f"{subject} is not what was sealed: run `takin audit verify` first; an erasure would "
                "cover it up"
            )
        seals[subject] = row.act.payload_sha256
    return seals


def _drop_salts(tx: Transaction, subjects: Sequence[str]) -> None:
    for start in range(0, len(subjects), sealing.KEYS_AT_ONCE):
        some = subjects[start : start + sealing.KEYS_AT_ONCE]
        tx.execute(sa.update(t.audit).where(t.audit.c.subject.in_(some)).values(salt=None))


def _still_named(tx: Transaction, sha256: str) -> bool:
    return _any(tx, t.evidence, t.evidence.c.sha256 == sha256) or _any(
        tx, r.filed_report, contains(tx, r.filed_report.c.body, sha256.encode())
    )


def _keep_tombstone(
    tx: Transaction,
    decision: Decision,
    about: Sequence[str],
    things: Sequence[tuple[str, str, str | None]],
    files: Sequence[str],
    *,
    now: datetime,
) -> None:
    erasure_id = f"er_{uuid_utils.uuid7().hex}"
    tx.execute(
        sa.insert(e.erasure).values(
            erasure_id=erasure_id,
            decision_id=decision.decision_id,
            at=now,
            cause=decision.cause,
            decided_by=decision.by,
            why=decision.why,
            basis=decision.basis,
            about=json.dumps(list(about)),
            body=json.dumps(things).encode(),
            files=json.dumps(list(files)),
        )
    )
    sealing.keep(tx, sealing.ERASURE, erasure_id, at=now, actor=f"person:{decision.by}")


def files_to_remove(tx: Transaction) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Erasures whose files may still be there, and those files."""
    c = e.erasure.c
    rows = tx.execute(sa.select(c.erasure_id, c.files).where(c.files != "[]").order_by(c.erasure_id))
    return tuple(
        (row.erasure_id, tuple(one for one in json.loads(row.files) if not _still_named(tx, one)))
        for row in rows
    )


def files_removed(tx: Transaction, erasure_id: str) -> None:
    """They are gone from the disk."""
    tx.execute(sa.update(e.erasure).where(e.erasure.c.erasure_id == erasure_id).values(files="[]"))


@dataclass(frozen=True, slots=True)
class Told:
    """One decision and how much was erased on it."""

    decision_id: str
    at: datetime
    by: str
    why: str
    basis: str
    cause: str
    cases: int
    reports: int
    things: int


def decisions(tx: Transaction) -> Iterator[Told]:
    """Every decision to erase, the oldest first."""
    c = e.erasure.c
    found: dict[str, Told] = {}
    for row in tx.execute(
        sa.select(c.decision_id, c.at, c.decided_by, c.why, c.basis, c.cause, c.about, c.body).order_by(
            c.at, c.erasure_id
        )
    ):
        about, things = json.loads(row.about), len(json.loads(row.body))
        n_cases = sum(one.startswith("case:") for one in about)
        was = found.get(row.decision_id)
        found[row.decision_id] = Told(
            row.decision_id,
            was.at if was else row.at,
            *(row.decided_by, row.why, row.basis, row.cause),
            n_cases + (was.cases if was else 0),
            len(about) - n_cases + (was.reports if was else 0),
            things + (was.things if was else 0),
        )
    yield from found.values()
