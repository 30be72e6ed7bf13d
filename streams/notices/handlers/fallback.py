"""A notice goes its platform's other way: the same notice under the same key, by another channel."""

from datetime import datetime

from streams.notices.casebook import cases, channels, events, kept_back, outbox
from streams.notices.casebook.database import Transaction
from streams.notices.handlers.desk import Desk, OtherWay
from streams.notices.handlers.follow_ups import errand_key
from streams.notices.item import Happening


def is_closed_way(result: outbox.AttemptResult) -> bool:
    """Whether a failure says that the channel is closed, not that the notice is wrong.

    The endpoint is gone or is not there, or every try has failed. What was refused for its content or
    our rights would be refused by another channel as well, and a person has to look.
    """
    return result.result in ("gone", "retry") or result.reason == "not_found"


def fallback_key(notice_key: str) -> str:
    """Key of the outbox's entry by which a notice goes its platform's other way."""
    return errand_key("f", notice_key, "fallback")


def go_other_way(
    tx: Transaction, notice_id: str, platform: str, by: OtherWay, *, why: str, now: datetime, actor: str
) -> bool:
    """Queue the notice on the fallback channel; ``False``: there is none, or it was used before.

    The notice's own entry of the outbox is dead already, so that it goes one way only.
    """
    notice = cases.notice_body(tx, notice_id)
    rendered = by(notice)
    if rendered is None:
        return False
    body, content_type = rendered
    fresh = outbox.add(
        tx,
        idempotency_key=fallback_key(notice.idempotency_key),
        notice_id=notice_id,
        platform=platform,
        purpose="fallback",
        recipient=None,
        body=body,
        content_type=content_type,
        now=now,
    )
    if not fresh:
        return False
    cases.save_notice(tx, notice_id, delivery="fallback_channel")
    for item in cases.items_of_notice(tx, notice_id):
        cases.hold(tx, item.case_id)
        events.append(
            tx,
            case_id=item.case_id,
            happenings=[Happening("fallback_used", now, {"why": why})],
            now=now,
            actor=actor,
            notice_id=notice_id,
        )
    return True


def leave_dead_channels(tx: Transaction, desk: Desk, *, now: datetime, limit: int = 100) -> int:
    """Move what waits for a channel that has not worked for long to the platform's other one."""
    moved = 0
    for (platform, channel), found in channels.breakers(tx).items():
        policy = desk.platforms.get(platform)
        if channel != channels.OWN or policy is None or policy.fallback_after is None:
            continue
        if found.opened_at is None or now - found.opened_at < policy.fallback_after:
            continue
        for entry in kept_back.waiting_notices(tx, platform, limit=limit):
            rendered = desk.fallback(cases.notice_body(tx, entry.notice_id))
            if rendered is None or not kept_back.give_up(tx, entry.idempotency_key, why="channel_dead"):
                continue
            why = f"its channel has not worked since {found.opened_at:%Y-%m-%d %H:%M:%S} UTC"
            moved += go_other_way(
                tx, entry.notice_id, platform, desk.fallback, why=why, now=now, actor=desk.actor
            )
    return moved
