"""A message set aside: what was refused, why, the bytes, and how to put it back."""

import base64
from typing import Literal

from pydantic import Field

from schemas.message import Instant, Message, digest

DeadLetterReason = Literal[
    "undecodable",
    "not_json",
    "wrong_shape",
    "too_large",
    "unknown_platform",
    "from_the_future",
    "rule_failed",
    "handler_failed",
    "unknown_case",
    "illegal_transition",
    "unmapped_answer",
    "refused_by_platform",
    "undeliverable",
]
"""Closed set; also the label of the metric."""

DeadLetterStage = Literal["connector", "intake", "screening", "notices", "watchlist"]


class DeadLetter(Message):
    """Kafka key: the dead letter's id, which a second setting aside of the same record repeats."""

    dead_letter_id: str = Field(pattern=r"^x_[0-9a-f]{32}$")
    stage: DeadLetterStage
    reason: DeadLetterReason
    detail: str = Field(min_length=1, max_length=2_000)
    """One sentence a person can act on."""
    topic: str | None = None
    """Topic the record came from, or would have gone to."""
    partition: int | None = None
    offset: int | None = None
    origin: str | None = Field(default=None, max_length=1_024)
    """Where it came from when it never reached Kafka: file and line, or address."""
    record_key: str | None = Field(default=None, max_length=4_096)
    """Kafka key, base64."""
    record_value: str = ""
    """The record's bytes, base64; cut at ``schemas.dead_letter.KEEP`` bytes."""
    record_bytes: int = Field(default=0, ge=0)
    """Length of the record before any cut."""
    truncated: bool = False
    """True: the record or its key was longer than what is kept, so it cannot be put back."""
    set_aside_at: Instant
    worker: str | None = None

    @property
    def value(self) -> bytes:
        """The kept bytes of the record."""
        return base64.b64decode(self.record_value)

    @property
    def record_key_bytes(self) -> bytes | None:
        """The kept bytes of the record's Kafka key; ``None`` when it had none."""
        return None if self.record_key is None else base64.b64decode(self.record_key)

    @property
    def replayable(self) -> bool:
        """Whether ``takin dead-letters replay`` can put the record back."""
        return self.topic is not None and not self.truncated


KEEP = 600_000
"""Bytes of a record that a dead letter keeps: base64 of it stays under Kafka's 1 MB default."""

KEEP_KEY = 3_072
"""Bytes of a record's key that are kept: longer than the longest ``platform:listing_id``."""


def _tellable(text: str, limit: int) -> str:
    """Text that can be written as UTF-8 whatever it quotes, cut to ``limit`` characters."""
    return text.encode("utf-8", "backslashreplace").decode()[:limit]


def dead_letter(
    *,
    stage: DeadLetterStage,
    reason: DeadLetterReason,
    detail: str,
    value: bytes,
    now: Instant,
    topic: str | None = None,
    partition: int | None = None,
    offset: int | None = None,
    origin: str | None = None,
    key: bytes | None = None,
    worker: str | None = None,
) -> DeadLetter:
    """Set a record aside. The id depends on where the record came from, not on the time.

    Never refuses what it is given: what is too long is cut, and what cannot be written is escaped.
    """
    where = [topic or "", str(partition), str(offset), origin or ""]
    identity = digest([stage, *where, value if offset is None else b""])
    return DeadLetter(
        dead_letter_id=f"x_{identity[:32]}",
        stage=stage,
        reason=reason,
        detail=_tellable(detail, 2_000) or reason,
        topic=topic,
        partition=partition,
        offset=offset,
        origin=_tellable(origin, 1_024) if origin else None,
        record_key=base64.b64encode(key[:KEEP_KEY]).decode() if key is not None else None,
        record_value=base64.b64encode(value[:KEEP]).decode(),
        record_bytes=len(value),
        truncated=len(value) > KEEP or len(key or b"") > KEEP_KEY,
        set_aside_at=now,
        worker=worker,
    )
