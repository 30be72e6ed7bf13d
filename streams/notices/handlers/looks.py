"""A listing was looked at."""

from datetime import datetime

from streams.notices.casebook import cases, deadlines, events, looks, outbox
from streams.notices.casebook.database import Transaction
from streams.notices.handlers.deadlines import cancel, meet
from streams.notices.handlers.desk import Desk
from streams.notices.handlers.detection import write
from streams.notices.item import GONE, Happening, Look, apply_look, next_look


def take_look(
    tx: Transaction,
    due: looks.LookDue,
    look: Look,
    desk: Desk,
    *,
    now: datetime,
    http_status: int | None,
    body_sha256: str | None,
    observer: str,
) -> tuple[Happening, ...]:
    """Record one look at a listing and what follows from it; plans the next one."""
    case = cases.hold(tx, due.case_id)
    policy = desk.platforms[due.platform]
    looks.record(
        tx,
        notice_id=due.notice_id,
        case_id=due.case_id,
        at=look.at,
        state=look.state,
        reason=look.reason,
        http_status=http_status,
        body_sha256=body_sha256,
        observer=observer,
    )
    before = cases.item_of(tx, due.notice_id, due.case_id)
    after, happened = apply_look(before, look, policy.look)
    cases.save_item(tx, after)
    gone_before = after.content == "pre_gone" and before.content != "pre_gone"
    all_happened = list(happened)
    if gone_before:
        all_happened += cancel(tx, after, ("acknowledge", "decide", "remove"), "pre_gone", now=now)
        if outbox.void(tx, due.notice_id):
            cases.save_notice(tx, due.notice_id, delivery="void")
        cases.save_notice(tx, due.notice_id, next_poll_at=None)
    all_happened += meet(tx, after, now=now)
    events.append(
        tx,
        case_id=due.case_id,
        happenings=all_happened,
        now=now,
        actor=observer,
        notice_id=due.notice_id,
    )
    if gone_before:
        cases.set_status(tx, due.case_id, "closed", now=now, reason="pre_gone")
    if after.closed_at is not None and before.closed_at is None:
        cases.set_status(tx, due.case_id, "closed", now=now, reason="verified_removed")
    planned = next_look(after, now, policy.look, last=look)
    still = [d.due_at for d in deadlines.of_item(tx, due.notice_id, due.case_id) if d.kind == "remove"]
    upcoming = [at for at in still if at > now]
    if planned is not None and upcoming:
        planned = min([planned, *upcoming])
    looks.plan(tx, due.notice_id, due.case_id, planned)
    if after.content == "reappeared" and before.content in GONE and not before.withdrawn:
        detection = cases.latest_detection(tx, due.case_id)
        seen = detection.model_copy(
            update={"listing": detection.listing.model_copy(update={"observed_at": look.at})}
        )
        write(tx, case, seen, desk, now=now, number=case.round + 1, previous=after)
    return tuple(all_happened)
