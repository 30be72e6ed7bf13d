"""What Kafka's case events say that a restored casebook does not know; pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from schemas.case_event import CaseEvent

ANSWERED = frozenset(
    {
        "acknowledged",
        "information_requested",
        "removal_claimed",
        "partially_restricted",
        "refused",
        "already_gone",
        "impossible",
        "countered",
        "reinstated",
        "unmapped_answer",
    }
)
"""What a platform told us. The casebook has its words; the events have only that it came."""
BY_PEOPLE = frozenset(
    {
        "dismissed",
        "merged",
        "quality_checked",
        "withdrawn",
        "information_given",
        "hold_asked",
        "hold_confirmed",
    }
)
SENT_BESIDE = frozenset({"follow_up_sent", "fallback_used"})


@dataclass(frozen=True, slots=True)
class Sent:
    """A notice that a platform took after the backup was made."""

    event_id: str
    idempotency_key: str
    reference: str
    platform: str
    listing_id: str
    at: datetime
    platform_reference: str | None
    body_sha256: str
    """Of the bytes that it took."""


@dataclass(frozen=True, slots=True)
class Tail:
    """What was lost."""

    events: int
    """How many events the casebook does not have."""
    sent: tuple[Sent, ...]
    to_look_at: Mapping[str, int]
    """Further events by type that only a person or the platform can bring back."""


def lost_tail(events: Iterable[CaseEvent], known: Collection[str]) -> Tail:
    """What the events say beyond those in ``known`` (ids). Repeats count once, order does not matter."""
    every = {event.event_id: event for event in events}
    queued = {
        event.notice_id: event.data
        for event in every.values()
        if event.type == "notice_queued" and event.notice_id is not None
    }
    lost = [event for event_id, event in every.items() if event_id not in known]
    sent = [
        Sent(
            event_id=event.event_id,
            idempotency_key=queued[event.notice_id]["idempotency_key"],
            reference=queued[event.notice_id]["reference"],
            platform=event.platform,
            listing_id=event.listing_id,
            at=event.at,
            platform_reference=event.data.get("platform_reference"),
            body_sha256=queued[event.notice_id]["body_sha256"],
        )
        for event in lost
        if event.type == "notice_sent" and event.notice_id in queued
    ]
    others = Counter(event.type for event in lost if event.type in ANSWERED | BY_PEOPLE | SENT_BESIDE)
    return Tail(
        len(lost),
        tuple(sorted(sent, key=lambda one: (one.at, one.idempotency_key))),
        dict(sorted(others.items())),
    )
