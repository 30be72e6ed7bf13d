"""Which offsets of an input topic have been decided."""

from pydantic import Field

from schemas.message import Instant, Message


class ScreeningProgress(Message):
    """A run of decided offsets of one partition. Kafka key: the partition number.

    The ranges of one partition tile the input: together they prove that nothing was passed over.
    """

    topic: str
    partition: int = Field(ge=0)
    first_offset: int = Field(ge=0)
    next_offset: int = Field(ge=0)
    """One past the last decided offset."""
    decided: int = Field(ge=0)
    """Records decided in this range."""
    notify: int = Field(default=0, ge=0)
    review: int = Field(default=0, ge=0)
    monitor: int = Field(default=0, ge=0)
    clear: int = Field(default=0, ge=0)
    set_aside: int = Field(default=0, ge=0)
    """Sent to ``dead-letters``."""
    ruleset_versions: tuple[str, ...] = ()
    worker: str
    decided_at: Instant
