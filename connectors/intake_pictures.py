"""Pictures that come to the intake before the report that they belong to: kept first, then named. Pure but
for the keeping itself, which is handed in.

The answer to a picture is a text that only we can have made for this key: what was kept, what came, and a MAC
of both. The report that follows carries it: between the two only the file is remembered.
"""

import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from connectors.intake_keys import IntakeKey
from schemas.report import MOST_PICTURES, ReportPicture

MAX_PICTURE = 10 * 1024 * 1024
"""Bytes of a picture as it comes."""
PICTURE_WITHIN_S = 60.0
"""How long a sender may take for one."""
_PREFIX = "pic_"
_SIZE = 4
_MAC = 16
_PURPOSE = b"takin intake picture\0"


class NoPicture(ValueError):
    """What came is no picture that is kept."""


class BadReference(ValueError):
    """A report names a picture that did not come with its key, or too many."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        """``unknown_picture`` or ``too_many``."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A picture on the disk, drawn anew."""

    sha256: str
    size: int


Keep = Callable[[bytes], Awaitable[Kept]]
"""Draws a picture anew and keeps it; it is on the disk when this returns.

Raises :class:`NoPicture`, and ``OSError`` where it cannot be written.
"""


def reference_of(content: bytes, kept: Kept, key: IntakeKey) -> str:
    """What the report names the picture by."""
    facts = bytes.fromhex(kept.sha256) + hashlib.sha256(content).digest() + kept.size.to_bytes(_SIZE, "big")
    return _PREFIX + base64.urlsafe_b64encode(facts + _mac(facts, key)).decode().rstrip("=")


def read_references(references: tuple[str, ...], key: IntakeKey) -> tuple[ReportPicture, ...]:
    """The pictures that a report names, each once.

    Raises:
        BadReference
    """
    if len(references) > MOST_PICTURES:
        raise BadReference("too_many", f"pictures: a report may have at most {MOST_PICTURES}.")
    return tuple(dict.fromkeys(_read(one, key) for one in references))


def _read(reference: str, key: IntakeKey) -> ReportPicture:
    unknown = BadReference(
        "unknown_picture", "pictures: this was not given out for a picture sent with this key: send it again."
    )
    try:
        raw = base64.urlsafe_b64decode(reference.removeprefix(_PREFIX) + "==")
    except ValueError as error:
        raise unknown from error
    facts, mac = raw[:-_MAC], raw[-_MAC:]
    if len(facts) != 64 + _SIZE or not hmac.compare_digest(mac, _mac(facts, key)):
        raise unknown
    return ReportPicture(
        sha256=facts[:32].hex(), came_sha256=facts[32:64].hex(), size=int.from_bytes(facts[64:], "big")
    )


def _mac(facts: bytes, key: IntakeKey) -> bytes:
    return hmac.digest(key.sha256.encode(), _PURPOSE + facts, "sha256")[:_MAC]
