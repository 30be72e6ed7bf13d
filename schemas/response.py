"""What a platform answered, one record per item, append-only."""

from typing import Literal

from pydantic import Field

from schemas.message import Instant, Message, PlatformName, Sha256

ResponseKind = Literal[
    "receipt",
    "need_info",
    "decision",
    "status",
    "counter_notice",
    "appeal",
    "reinstated",
    "impossible",
    "error",
]
ResponseOutcome = Literal[
    "actioned_removed",
    "actioned_disabled",
    "actioned_geo",
    "actioned_partial",
    "account_action_only",
    "refused_lawful",
    "refused_not_hosted",
    "refused_insufficient",
    "already_gone",
    "need_info",
    "impossible",
    "duplicate",
    "expired_no_answer",
    "withdrawn",
    "void",
    "unknown",
]
Measure = Literal[
    "visibility_removed",
    "visibility_disabled",
    "visibility_demoted",
    "visibility_age_restricted",
    "visibility_interaction_restricted",
    "visibility_labelled",
    "visibility_other",
    "monetary",
    "provision",
    "account",
]
"""The kinds of restriction that the DSA Transparency Database knows."""
AnswerChannel = Literal["submit_reply", "webhook", "poll", "email", "desk"]

ACTED: frozenset[str] = frozenset({"actioned_removed", "actioned_disabled"})
"""Outcomes that claim the listing is gone everywhere."""
REFUSED: frozenset[str] = frozenset({"refused_lawful", "refused_not_hosted", "refused_insufficient"})


class PlatformResponse(Message):
    """One answer about one item of one notice.

    The same answer arriving twice has the same ``response_id``; what the platform *claims* stays
    apart from what our own probes see.
    """

    response_id: str = Field(min_length=1, max_length=256)
    """The sender's own id of this answer (webhook id), or a hash of its content."""
    platform: PlatformName
    idempotency_key: str = Field(max_length=128)
    """Of the notice that is answered."""
    item_id: str | None = None
    """Absent: the answer is about every item."""
    received_at: Instant
    """By our clock, when the bytes were in."""
    said_at: Instant | None = None
    """When the platform says it answered, by its clock. Answers are put in order by it."""
    channel: AnswerChannel
    platform_reference: str | None = Field(default=None, max_length=512)
    kind: ResponseKind
    outcome: ResponseOutcome | None = None
    """Present when ``kind`` is ``decision`` or ``status``."""
    ground: Literal["law", "tos"] | None = None
    measures: tuple[Measure, ...] = ()
    territory: tuple[str, ...] = ()
    effective_at: Instant | None = None
    """When the platform says the measure took effect: its claim, by its clock."""
    impossible_ground: Literal["force_majeure", "manifest_error", "insufficient_info"] | None = None
    automated: bool | None = None
    """Whether a person was involved in the decision, as the platform states it."""
    explanation: str | None = Field(default=None, max_length=20_000)
    redress_info: str | None = Field(default=None, max_length=4_000)
    raw_sha256: Sha256
    """Of the bytes as received, which the inbox keeps."""
    parser_version: str = Field(max_length=64)
    """Name and version of the mapping that read it."""
