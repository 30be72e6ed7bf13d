"""What an analyst wants looked for. Kafka key: the entry id; an empty value removes the entry."""

from typing import Literal

from pydantic import Field

from schemas.message import Confidence, Instant, LanguageTag, Message

EntryKind = Literal[
    "term",
    "code_word",
    "hashtag",
    "seller",
    "phone",
    "handle",
    "payment",
    "image_sha256",
    "image_pdq",
    "not_term",
    "not_seller",
]
"""``not_*`` entries are the negative list: what they match is never noticed because of a term."""


class WatchlistEntry(Message):
    """One thing to look for. The topic is compacted: the newest entry under an id is the valid one."""

    type: Literal["entry"] = "entry"
    entry_id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")
    kind: EntryKind
    value: str = Field(min_length=2, max_length=1_024)
    """The word, handle, number or hash. One letter alone would match everything and is refused."""
    language: LanguageTag | None = None
    platform: str | None = Field(default=None, max_length=64)
    """Only on this platform; absent: everywhere."""
    taxon: str | None = Field(default=None, max_length=256)
    """Scientific name of what the entry stands for, where it stands for one."""
    product: str | None = Field(default=None, max_length=128)
    """Specimen word, for example ``ivory``."""
    outcome: Literal["notify", "review", "monitor"] = "review"
    """What a match leads to at most."""
    reason: str = Field(min_length=1, max_length=2_000)
    """Why it is on the list; stands in the explanation."""
    source: str = Field(min_length=1, max_length=2_000)
    """Where that is known from."""
    added_by: str = Field(min_length=1, max_length=256)
    added_at: Instant
    expires_at: Instant | None = None
    confidence: Confidence = 1.0
    state: Literal["active", "shadow", "quarantined", "retired"] = "active"
    """``shadow`` entries count and send nothing; ``quarantined`` ones were stopped by the flood guard."""
