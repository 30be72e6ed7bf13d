"""What follows a notice: a reminder, a letter to somebody above the desk, or its withdrawal.

It has a key of its own, so that it takes effect once, and the notice's reference, so that the
receiver finds the matter. Its bytes never change under one key.
"""

from typing import Literal

from pydantic import Field

from schemas.message import Instant, Message, Part, PlatformName
from schemas.notice import Notice, Party

FollowUpKind = Literal["reminder", "escalation", "withdrawal"]


class FollowUp(Message):
    """One follow-up of one notice."""

    kind: FollowUpKind
    """``escalation``: a letter to a named person above the desk, or to an authority."""
    key: str = Field(pattern=r"^[ew]1_[a-z2-7]{52}$")
    """Idempotency key of this follow-up; ``w`` for a withdrawal."""
    notice_key: str = Field(pattern=r"^n1_[a-z2-7]{52}$")
    """Idempotency key of the notice that it follows."""
    human_reference: str = Field(pattern=r"^TKN-[0-9A-Z-]{4,40}$")
    platform: PlatformName
    platform_reference: str | None = Field(default=None, max_length=512)
    """The platform's own reference, where it gave one."""
    at: Instant
    """When it was written."""
    issued_at: Instant
    """When the notice was."""
    received_at: Instant | None = None
    """When the platform had the notice; absent: it has taken it from nobody yet."""
    urls: tuple[str, ...] = Field(min_length=1, max_length=300)
    """The listings, exactly as in the notice."""
    sender: Party
    step: str | None = Field(default=None, max_length=64)
    """Which step of the ladder it is."""
    due_at: Instant | None = None
    """By when the platform was to decide."""
    promise: str | None = Field(default=None, max_length=640)
    """The agreement or law that says so."""
    reason: str | None = Field(default=None, max_length=2_000)
    """Of a withdrawal, in our words."""
    tags: tuple[str, ...] = ()


class Information(Part):
    """What a platform asked for about a notice, in a person's words.

    It has a key of its own, made of the notice's key and the text: the same words again are the same.
    """

    key: str = Field(pattern=r"^i1_[a-z2-7]{52}$")
    notice: Notice
    """The notice that was asked about."""
    platform_reference: str | None = Field(default=None, max_length=512)
    text: str = Field(min_length=1, max_length=20_000)
    at: Instant
    """When it was written."""
