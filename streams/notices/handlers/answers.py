"""A platform has said something, or was told what it had asked for."""

from collections.abc import Iterable
from datetime import datetime

from schemas.response import PlatformResponse
from streams.notices import timing
from streams.notices.casebook import cases, events, inbox
from streams.notices.casebook.database import Transaction
from streams.notices.handlers.deadlines import meet
from streams.notices.item import Happening, apply_answer, claim_of


class UnknownNotice(LookupError):
    """An answer names a notice that this casebook never sent to that platform."""


def apply_response(tx: Transaction, response: PlatformResponse, *, now: datetime) -> int:
    """Apply one answer to the items it is about; returns how many of them it changed or added to.

    Raises:
        UnknownNotice: no notice of this platform has that key, or it has no such item.
    """
    notice = cases.notice_by_key(tx, response.idempotency_key)
    if notice is None or notice.platform != response.platform:
        raise UnknownNotice(response.idempotency_key)
    targets = [
        item
        for item in cases.items_of_notice(tx, notice.notice_id)
        if response.item_id in (None, item.item_id)
    ]
    if not targets:
        raise UnknownNotice(f"{response.idempotency_key} item {response.item_id}")
    new = 0
    for target in targets:
        cases.hold(tx, target.case_id)
        if not inbox.add_response(tx, response, notice_id=notice.notice_id, case_id=target.case_id):
            continue
        new += 1
        # Read again: the case is held only now.
        before = cases.item_of(tx, notice.notice_id, target.case_id)
        after, happened = apply_answer(before, response)
        cases.save_item(tx, after)
        all_happened = list(happened)
        if claim_of(response) == "need_info" or after.decided_at != before.decided_at:
            all_happened += timing.reckon(tx, after, now=now)
        all_happened += meet(tx, after, now=now)
        events.append(
            tx,
            case_id=target.case_id,
            happenings=all_happened,
            now=now,
            actor=f"platform:{response.platform}",
            notice_id=notice.notice_id,
        )
    if new:
        items = cases.items_of_notice(tx, notice.notice_id)
        if all(item.decided_at is not None for item in items):
            cases.save_notice(tx, notice.notice_id, next_poll_at=None)
    return new


def information_given(tx: Transaction, notice_id: str, *, given_at: datetime, sha256: str, actor: str) -> int:
    """The platform took the information it had asked for: its clock runs on, or anew.

    ``sha256`` is of the text that it was given, which is not kept here. Returns the number of items
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
        apply_response(tx, response, now=now)
    return "applied"
