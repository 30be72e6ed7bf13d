"""A signed statement of what the audit chain held at one moment. Kafka key: the key id."""

from pydantic import Field

from schemas.message import Instant, Message, Sha256


class AuditCheckpoint(Message):
    """The first ``size`` rows of the audit chain, in 32 bytes, signed.

    Kept outside the database, it shows what a chain alone does not: a cut tail, and a whole chain
    written anew with hashes that fit.
    """

    number: int = Field(ge=1)
    """Rises by one with each checkpoint of one log."""
    previous: Sha256
    """SHA-256 of the statement before, zeros for the first, so that a removed checkpoint shows too."""
    at: Instant
    size: int = Field(ge=0)
    """How many rows of the chain it covers; also the position of the last of them."""
    head: Sha256
    """Hash of that last row; zeros when there is none."""
    root: Sha256
    """Merkle tree hash (RFC 6962) whose leaves are the rows' 32-byte hashes in order."""
    frontier: tuple[Sha256, ...] = Field(max_length=64)
    """Roots of the full subtrees, largest first, from which the tree grows on."""
    key_id: str = Field(pattern=r"^[0-9a-f]{16}$")
    """First 16 hexadecimal digits of the SHA-256 of the raw public key."""
    signature: str = Field(min_length=86, max_length=88)
    """Ed25519 (RFC 8032) in base64, over the statement: this object without ``signature``, as JSON with
    sorted keys and no spaces, UTF-8."""
