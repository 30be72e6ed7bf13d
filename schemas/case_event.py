"""Everything that happened to a case, in order. Kafka key: the case id."""

from typing import Any, Literal

from pydantic import Field

from schemas.message import Instant, Message, PlatformName

CaseEventType = Literal[
    "case_opened",
    "detected",
    "linked",
    "sent_to_review",
    "notice_edited",
    "approved",
    "dismissed",
    "merged",
    "quality_checked",
    "notice_queued",
    "attempt_failed",
    "notice_sent",
    "delivery_failed",
    "acknowledged",
    "information_requested",
    "information_given",
    "removal_claimed",
    "partially_restricted",
    "refused",
    "already_gone",
    "impossible",
    "countered",
    "reinstated",
    "unmapped_answer",
    "answer_noted",
    "seen_online",
    "seen_gone",
    "removal_verified",
    "claim_mismatch",
    "reappeared",
    "deadline_set",
    "deadline_met",
    "deadline_missed",
    "deadline_rescinded",
    "deadline_cancelled",
    "case_closed",
    "case_reopened",
    "follow_up_queued",
    "follow_up_sent",
    "follow_up_failed",
    "escalation_due",
    "fallback_used",
    "withdrawn",
    "hold_asked",
    "hold_confirmed",
    "hold_ended",
    "erased",
]


class CaseEvent(Message):
    """One thing that happened. The state of a case is a fold over its events."""

    event_id: str
    """UUIDv7; consumers drop what they have seen."""
    case_id: str
    sequence: int = Field(ge=1)
    """Rises by one within a case."""
    type: CaseEventType
    at: Instant
    """When it happened, by our clock."""
    recorded_at: Instant
    platform: PlatformName
    listing_id: str
    round: int = Field(ge=1)
    notice_id: str | None = None
    actor: str = Field(max_length=256)
    """Process or person."""
    data: dict[str, Any] = Field(default_factory=dict)
    """Facts of this type of event, for example ``outcome`` or ``due_at``."""
