"""What an analyst wants looked for, and the rule packs and reference data released besides the built-in ones.

All travel on one compacted topic and are told apart by ``type``. An empty value removes what stands
under the key: an entry id, ``pack:NAME`` (``pack:NAME:shadow`` for a pack that runs in shadow), or
``reference:taxa``.
"""

import hashlib
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, TypeAdapter, model_validator

from schemas.message import Confidence, Instant, LanguageTag, Message, Sha256

EntryKind = Literal[
    "term",
    "code_word",
    "hashtag",
    "seller",
    "phone",
    "handle",
    "payment",
    "regex",
    "image_sha256",
    "image_pdq",
    "not_term",
    "not_seller",
]
"""``regex`` is looked for in the text as the seller wrote it, upper and lower case alike (RE2: no
look-around, no back-references). ``not_*`` entries are the negative list: what they match is never
noticed because of a term."""

NAMING: frozenset[EntryKind] = frozenset({"seller", "not_seller", "phone", "handle", "payment"})
"""Kinds whose value, and so the id that was made of it, is somebody's."""


class WatchlistEntry(Message):
    """One thing to look for. The topic is compacted: the newest entry under an id is the valid one."""

    type: Literal["entry"] = "entry"
    entry_id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")
    kind: EntryKind
    value: str = Field(min_length=2, max_length=1_024)
    """The word, handle, number or hash. One letter alone would match everything and is refused."""
    distance: int | None = Field(default=None, ge=0, le=31)
    """Only of ``image_pdq``: bits of 256 in which an image may differ; absent: 31, which the makers of
    PDQ advise."""
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
    state_reason: str | None = Field(default=None, max_length=2_000)
    """Why it is in this state, where somebody or the flood guard said so."""


PACK_BYTES = 512_000
"""Largest pack, in bytes of UTF-8: written as JSON it still fits a record of Kafka's default limit."""


class RulePackRelease(Message):
    """A rule pack put in force everywhere. Under the name of a built-in pack it stands in for that one.

    A shadow release has a key of its own, so that a candidate runs beside the version in force.
    """

    type: Literal["pack"] = "pack"
    pack: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    """Name of the pack, as its text says it."""
    version: int = Field(ge=1)
    """Version of the pack, as its text says it."""
    state: Literal["active", "shadow", "retired"] = "active"
    """``shadow`` packs count and send nothing; after ``retired`` the built-in pack is in force again."""
    text: str = Field(default="", max_length=PACK_BYTES)
    """The YAML file, at most 512,000 bytes of UTF-8; empty only when retired."""
    sha256: Sha256
    """Digest of the text's UTF-8 bytes."""
    released_by: str = Field(min_length=1, max_length=256)
    released_at: Instant

    @model_validator(mode="after")
    def _text_is_whole(self) -> Self:
        raw = self.text.encode("utf-8", "surrogatepass")
        if len(raw) > PACK_BYTES:
            raise ValueError(f"the text has {len(raw):,} bytes, at most {PACK_BYTES:,} are allowed")
        if not raw and self.state != "retired":
            raise ValueError("a pack in force needs its text")
        if hashlib.sha256(raw).hexdigest() != self.sha256:
            raise ValueError("the text is not the one that sha256 was taken of")
        return self

    @property
    def key(self) -> str:
        """The Kafka key; of a retired release the key of the active one."""
        return pack_key(self.pack, shadow=self.state == "shadow")


def pack_key(pack: str, *, shadow: bool = False) -> str:
    """The Kafka key of a pack. No entry id can hold the colon.

    >>> pack_key("zero-tolerance", shadow=True)
    'pack:zero-tolerance:shadow'
    """
    return f"pack:{pack}:shadow" if shadow else f"pack:{pack}"


REFERENCE_KEY = "reference:taxa"
"""The Kafka key of the imported list of taxa. No entry id can hold the colon."""
REFERENCE_CHARACTERS = 900_000
"""Longest packed table: with its fields around it still fits a record of Kafka's default limit."""


class ReferenceRelease(Message):
    """A list of taxa that an operator imported, put in force in every worker besides the built-in list.

    The whole table travels in the record, so that every worker has the same one whatever machine it
    runs on.
    """

    type: Literal["reference"] = "reference"
    version: str = Field(pattern=r"^[0-9a-z][0-9a-z.-]{0,63}$")
    state: Literal["active", "retired"] = "active"
    """After ``retired`` only the built-in list is in force."""
    as_of: date
    """The day whose law the list states, as the operator says."""
    source: str = Field(min_length=1, max_length=256)
    """Where the operator has it from; stands in notices."""
    licence: str = Field(min_length=1, max_length=256)
    complete: bool = False
    """True: the list is the whole law, so a built-in name that it lacks is no longer listed."""
    rows: int = Field(ge=0)
    content: str = Field(default="", max_length=REFERENCE_CHARACTERS)
    """The table as CSV, packed with xz and written in base64; empty only when retired."""
    sha256: Sha256
    """Digest of the unpacked table."""
    released_by: str = Field(min_length=1, max_length=256)
    released_at: Instant

    @model_validator(mode="after")
    def _has_content(self) -> Self:
        if not self.content and self.state != "retired":
            raise ValueError("a list in force needs its content")
        return self

    @property
    def key(self) -> str:
        """The Kafka key."""
        return REFERENCE_KEY


def _kind(value: Any) -> str:
    """The first entries were written without a type."""
    return str(value.get("type", "entry")) if isinstance(value, dict) else "entry"


WatchlistMessage = Annotated[
    Annotated[WatchlistEntry, Tag("entry")]
    | Annotated[RulePackRelease, Tag("pack")]
    | Annotated[ReferenceRelease, Tag("reference")],
    Discriminator(_kind),
]
"""What a record of the topic holds."""

Told = WatchlistEntry | RulePackRelease | ReferenceRelease
_READER: TypeAdapter[Told] = TypeAdapter(WatchlistMessage)


def read_watchlist_message(raw: bytes) -> Told:
    """Read a record's value.

    Raises:
        pydantic.ValidationError: the bytes are not JSON or none of the messages; places begin with the type.
    """
    return _READER.validate_json(raw)
