"""The address to which answers to one notice come: nobody else can have it. Pure.

``takin+<20 letters of the key>.<20 letters of an HMAC>@monitor.example``: the HMAC-SHA256 is over platform
and whole key with a secret of ours, so that whoever was not sent the notice cannot answer for its platform;
100 bits of each keep the local part under 64 characters (RFC 5321, section 4.5.3.1.1). It stands in
``Reply-To`` and is the envelope's sender, to which bounces go.
"""

import base64
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import SecretStr

LETTERS = 20
_TAG = re.compile(rf"\+([a-z2-7]{{{LETTERS}}})\.([a-z2-7]{{{LETTERS}}})@", re.IGNORECASE)
_PURPOSE = b"takin mail reply\0"


@dataclass(frozen=True, slots=True)
class Tag:
    """What such an address says."""

    key_start: str
    """``n1_`` and the first letters of the notice's key."""
    proof: str


def _proof(secret: SecretStr, platform: str, key: str) -> str:
    text = _PURPOSE + platform.encode() + b"\0" + key.encode()
    mac = hmac.digest(secret.get_secret_value().encode(), text, "sha256")
    return base64.b32encode(mac).decode().lower()[:LETTERS]


def reply_address(sender: str, platform: str, key: str, secret: SecretStr) -> str:
    """The address for answers to the notice with that key."""
    local, _, domain = sender.rpartition("@")
    return f"{local}+{key.removeprefix('n1_')[:LETTERS]}.{_proof(secret, platform, key)}@{domain}"


def tags_in(addresses: Iterable[str]) -> tuple[Tag, ...]:
    """The tags of these addresses, each once."""
    found = (match for text in addresses for match in _TAG.finditer(text))
    return tuple(dict.fromkeys(Tag("n1_" + one[1].lower(), one[2].lower()) for one in found))


def proves(tag: Tag, platform: str, key: str, secrets: Sequence[SecretStr]) -> bool:
    """Whether the tag was made for this notice of this platform."""
    good = [hmac.compare_digest(tag.proof, _proof(one, platform, key)) for one in secrets]
    return key.startswith(tag.key_start) and any(good)
