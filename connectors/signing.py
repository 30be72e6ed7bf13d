"""Standard Webhooks 1.0.0: sign what we send, check what comes in.

The signature itself comes from the public ``standardwebhooks`` library. Its ``verify`` is not used:
it reads the system clock and raises plain ``ValueError`` on a malformed header, while a receiver
must be told the time and must give every forged message the same kind of answer.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import SecretStr
from standardwebhooks import Webhook

from connectors.errors import ForgedAnswer

TOLERANCE_S = 300
"""How far a time stamp may be from our clock, either way (Standard Webhooks' own default)."""
ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"
MIN_SECRET_BYTES = 24
"""Standard Webhooks asks for 24 to 64 bytes."""

# No full stop: it separates id, time stamp and body in what is signed.
_ID = re.compile(r"[!-\-/-~]{1,256}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_MOST_SIGNATURES = 16


@dataclass(frozen=True, slots=True)
class Signed:
    """An incoming message that is what it says."""

    message_id: str
    """``webhook-id``: the same when the sender sends it again."""
    sent_at: datetime
    """``webhook-timestamp``: of this delivery, by the sender's clock."""


def check_secret(secret: SecretStr) -> None:
    """Refuse a secret that is not ``whsec_`` and base64 of at least 24 bytes.

    Raises:
        ValueError: with a sentence that does not repeat the secret.
    """
    text = secret.get_secret_value()
    if not text.startswith("whsec_"):
        raise ValueError("a signing secret starts with whsec_ (Standard Webhooks)")
    try:
        raw = base64.b64decode(text.removeprefix("whsec_") + "==", validate=False)
    except binascii.Error:
        raise ValueError("a signing secret is base64 after whsec_") from None
    if len(raw) < MIN_SECRET_BYTES:
        raise ValueError(f"a signing secret holds at least {MIN_SECRET_BYTES} bytes")


def sign(secrets: Sequence[SecretStr], message_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """The three headers for one delivery, signed with every secret (two while one is replaced).

    Raises:
        ValueError: no secret, an id with a full stop, or a body that is not UTF-8.
    """
    if not secrets:
        raise ValueError("there is no secret to sign with")
    if not _ID.fullmatch(message_id):
        raise ValueError("a message id is 1 to 256 visible ASCII characters without a full stop")
    stamp = int(now.timestamp())
    signatures = [_signature(secret, message_id, stamp, body.decode()) for secret in secrets]
    return {
        ID_HEADER: message_id,
        TIMESTAMP_HEADER: str(stamp),
        SIGNATURE_HEADER: " ".join(signatures),
    }


def verify(
    secrets: Sequence[SecretStr],
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
    *,
    tolerance_s: int = TOLERANCE_S,
) -> Signed:
    """Check a message over its raw bytes. Any of ``secrets`` may have signed it.

    Raises:
        ForgedAnswer: ``no_signature`` (a header is missing or unreadable), ``old`` (its time stamp is
            more than ``tolerance_s`` away, either way), ``bad_signature``.
    """
    given = {name.lower(): value for name, value in headers.items()}
    message_id = given.get(ID_HEADER, "")
    stamp_text = given.get(TIMESTAMP_HEADER, "")
    signature_text = given.get(SIGNATURE_HEADER, "")
    if not _ID.fullmatch(message_id) or not _TIMESTAMP.fullmatch(stamp_text) or not signature_text:
        raise ForgedAnswer("no_signature", "webhook-id, webhook-timestamp or webhook-signature is missing")
    stamp = int(stamp_text)
    if abs(now.timestamp() - stamp) > tolerance_s:
        raise ForgedAnswer("old", f"the time stamp is more than {tolerance_s} s from our clock")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise ForgedAnswer("bad_signature", "the body is not UTF-8") from error
    expected = [_decoded(_signature(secret, message_id, stamp, text)) for secret in secrets]
    offered = [_decoded(one) for one in signature_text.split(" ")[:_MOST_SIGNATURES]]
    # Every pair is compared, so that the time taken does not tell which secret or signature came near.
    holds = False
    for mine in expected:
        for theirs in offered:
            holds |= theirs is not None and mine is not None and hmac.compare_digest(mine, theirs)
    if not holds:
        raise ForgedAnswer("bad_signature", "no signature holds for this platform's secrets")
    return Signed(message_id, datetime.fromtimestamp(stamp, UTC))


def _signature(secret: SecretStr, message_id: str, stamp: int, text: str) -> str:
    hook = Webhook(secret.get_secret_value())
    return hook.sign(message_id, datetime.fromtimestamp(stamp, UTC), text)


def _decoded(signature: str) -> bytes | None:
    version, _, value = signature.partition(",")
    if version != "v1":
        return None
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
