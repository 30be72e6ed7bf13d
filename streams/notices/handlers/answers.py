"""A platform has said something, or was told what it had asked for."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from schemas.response import PlatformResponse
from streams.notices import timing
from streams.notices.casebook import cases, deadlines, events, inbox
from streams.notices.casebook.database import Transaction
from streams.notices.handlers.bounces import is_bounce, take_bounce
from streams.notices.handlers.deadlines import meet
from streams.notices.handlers.desk import OtherWay, no_other_way
from streams.notices.item import Happening, Item, apply_answer, claim_of


class UnknownNotice(LookupError):
    """An answer names a notice that this casebook never sent to that platform."""


def apply_response(tx: Transaction, response: PlatformResponse, *, now: datetime) -> int:
    """Apply one answer to the items it is about; returns how many of them it changed or added to.

    Raises:
        UnknownNotice: no notice of this platform has that key, or it has no such item.
    """
    return apply_responses(tx, [response], now=now)


def apply_responses(
    tx: Transaction,
    responses: Sequence[PlatformResponse],
    *,
    now: datetime,
    other_way: OtherWay = no_other_way,
) -> int:
    """:func:`apply_response` for answers to different notices, with the same few statements.

    ``other_way`` is how a notice goes on whose letter came back.

    Raises:
        UnknownNotice: of any of them; then nothing was applied.
    """
    notices = cases.notices_by_keys(tx, {one.idempotency_key for one in responses})
    known_items = cases.items_of_notices(tx, {notice.notice_id for notice in notices.values()})
    told = [about for one in responses for about in _targets(one, notices, known_items.values())]
    cases.hold_many(tx, {one.case_id for one in told})
    fresh = inbox.add_responses(tx, told)
    if not fresh:
        return 0
    ids = {one.notice_id for one in fresh}
    # Read only now that the cases are held.
    items = cases.items_of_notices(tx, ids)
    applied = [(one, items[one.notice_id, one.case_id]) for one in fresh if one.response.kind != "error"]
    folded = [(one, before, *apply_answer(before, one.response)) for one, before in applied]
    cases.save_items(tx, [after for _, _, after, _ in folded])
    running = deadlines.of_items(tx, ids)
    by_actor: dict[str, list[events.Entry]] = {}
    for one, before, after, happened in folded:
        known: Sequence[deadlines.Deadline] | None = running.get((one.notice_id, one.case_id), ())
        all_happened = list(happened)
        if claim_of(one.response) == "need_info" or after.decided_at != before.decided_at:
            all_happened += timing.reckon(tx, after, now=now)
            known = None
        all_happened += meet(tx, after, now=now, running=known)
        entry = events.Entry(one.case_id, one.notice_id, tuple(all_happened))
        by_actor.setdefault(f"platform:{one.response.platform}", []).append(entry)
    errors: dict[str, tuple[PlatformResponse, list[Item]]] = {}
    for one in fresh:
        if one.response.kind == "error":
            about = errors.setdefault(one.response.response_id, (one.response, []))
            about[1].append(items[one.notice_id, one.case_id])
    for response, theirs in errors.values():
        _not_an_answer(tx, notices[response.idempotency_key], theirs, response, other_way, now=now)
    for actor, entries in by_actor.items():
        events.append_to_many(tx, entries, now=now, actor=actor)
    decided: dict[str, bool] = {}
    after_all = {**items, **{(one.notice_id, one.case_id): after for one, _, after, _ in folded}}
    for (notice_id, _), item in after_all.items():
        decided[notice_id] = decided.get(notice_id, True) and item.decided_at is not None
    for notice_id, all_of_it in decided.items():
        if all_of_it:
            cases.save_notice(tx, notice_id, next_poll_at=None)
    return len(fresh)


def _targets(
    response: PlatformResponse, notices: Mapping[str, cases.NoticeRow], items: Iterable[Item]
) -> list[inbox.About]:
    notice = notices.get(response.idempotency_key)
    if notice is None or notice.platform != response.platform:
        raise UnknownNotice(response.idempotency_key)
    targets = [
        inbox.About(response, notice.notice_id, item.case_id)
        for item in items
        if item.notice_id == notice.notice_id and response.item_id in (None, item.item_id)
    ]
    if not targets:
        raise UnknownNotice(f"{response.idempotency_key} item {response.item_id}")
    return targets


def _not_an_answer(
    tx: Transaction,
    notice: cases.NoticeRow,
    items: Sequence[Item],
    response: PlatformResponse,
    other_way: OtherWay,
    *,
    now: datetime,
) -> None:
    """A bounce or a complaint about our mail: no desk has said anything."""
    actor = f"platform:{response.platform}"
    if is_bounce(response):
        take_bounce(tx, notice, items, response, other_way, now=now, actor=actor)
        return
    facts = {"reason": "complaint", "response_id": response.response_id, "detail": response.explanation}
    noted = (Happening("answer_noted", response.received_at, facts),)
    entries = [events.Entry(item.case_id, notice.notice_id, noted) for item in items]
    events.append_to_many(tx, entries, now=now, actor=actor)


def information_given(tx: Transaction, notice_id: str, *, given_at: datetime, sha256: str, actor: str) -> int:
    """The platform took the information it had asked for: its clock runs on, or anew.

    ``sha256`` is of the bytes that it was sent, which the outbox keeps. Returns the number of items
    whose deadlines this changed.
    """
    changed = 0
    for target in cases.items_of_notice(tx, notice_id):
        cases.hold(tx, target.case_id)
        item = cases.item_of(tx, notice_id, target.case_id)
        given = Happening("information_given", given_at, {"sha256": sha256})
        events.append(
            tx, case_id=item.case_id, happenings=[given], now=given_at, actor=actor, notice_id=notice_id
        )
        # It reads what was just recorded, so the two are written one after the other.
        happened = [*timing.reckon(tx, item, now=given_at)]
        happened += meet(tx, item, now=given_at)
        events.append(
            tx, case_id=item.case_id, happenings=happened, now=given_at, actor=actor, notice_id=notice_id
        )
        changed += bool(happened)
    return changed


def take_inbox(
    tx: Transaction,
    received: inbox.Received,
    responses: Iterable[PlatformResponse],
    *,
    now: datetime,
    other_way: OtherWay = no_other_way,
) -> str:
    """Apply what a stored answer says; returns ``applied``, ``quarantined`` or ``taken`` (by another)."""
    wanted = tuple(responses)
    unknown = [r for r in wanted if cases.notice_by_key(tx, r.idempotency_key) is None]
    if unknown:
        moved = inbox.finish(
            tx,
            received.inbox_id,
            state="quarantined",
            now=now,
            reason="unknown_case",
            detail=f"no notice has the key {unknown[0].idempotency_key}",
        )
        return "quarantined" if moved else "taken"
    if not inbox.finish(tx, received.inbox_id, state="applied", now=now):
        return "taken"
    for response in wanted:
        apply_responses(tx, [response], now=now, other_way=other_way)
    _say_who_had_it_read(tx, received, wanted, now=now)
    return "applied"


def _say_who_had_it_read(
    tx: Transaction, received: inbox.Received, responses: Sequence[PlatformResponse], *, now: datetime
) -> None:
    """In each case that an answer is about which had been set aside. The cases are held."""
    readings = inbox.readings(tx, [received.inbox_id])
    if not readings:
        return
    notices = cases.notices_by_keys(tx, {one.idempotency_key for one in responses})
    items = cases.items_of_notices(tx, {notice.notice_id for notice in notices.values()})
    about = {
        (one.case_id, one.notice_id)
        for response in responses
        for one in _targets(response, notices, items.values())
    }
    for one in readings:
        facts = {"how": "read_again", "by": one.by, "reason": one.reason, "was": one.was}
        noted = (Happening("answer_noted", one.at, facts),)
        entries = [events.Entry(case_id, notice_id, noted) for case_id, notice_id in sorted(about)]
        events.append_to_many(tx, entries, now=now, actor=f"person:{one.by}")
