"""The common shape of every message: frozen, versioned, UTC, one JSON object."""

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints


def _to_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        # "0001-01-01T00:00:00+14:00" is a date, its UTC is not: bad input, not a fault of ours.
        raise ValueError("the instant lies outside the years 1 to 9999 in UTC") from None


Instant = Annotated[AwareDatetime, AfterValidator(_to_utc)]
"""An aware point in time, always held in UTC. A time without a zone is refused."""

PlatformName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""A platform's short name as configured, for example ``sandbox-prompt``."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 digest, 64 lower-case hexadecimal digits."""

LanguageTag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")]
"""A BCP 47 language tag."""

CountryCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
"""An ISO 3166-1 alpha-2 code."""


class Part(BaseModel):
    """A piece of a message. Unknown fields are ignored, so that a newer producer does no harm."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class Message(Part):
    """One record of a topic: JSON, UTF-8, one model, one ``schema_version``.

    A breaking change is a new topic with a new model, never an edit of this one.
    """

    schema_version: Literal[1] = 1
    """Version of this message's shape."""

    def to_bytes(self) -> bytes:
        """The message as it is written to Kafka."""
        return self.model_dump_json(exclude_none=True).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read a message.

        Raises:
            pydantic.ValidationError: the bytes are not JSON or not this message.
        """
        return cls.model_validate_json(raw)


def digest(parts: Iterable[str | bytes]) -> str:
    """SHA-256 over length-prefixed parts, so that no two different lists of parts collide.

    >>> digest(["ab", "c"]) == digest(["a", "bc"])
    False
    """
    pieces: list[bytes] = []
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        pieces += (len(raw).to_bytes(8, "big"), raw)
    # One call for all: the audit chain makes dozens of these for each notice.
    return hashlib.sha256(b"".join(pieces)).hexdigest()


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and no spaces: equal values give equal bytes."""
    return _CANONICAL.encode(value).encode("utf-8", "surrogatepass")


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


Confidence = Annotated[float, Field(ge=0.0, le=1.0)]
"""A share between 0 and 1."""
