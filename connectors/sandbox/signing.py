"""Standard Webhooks signatures, by the public library, in both directions."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SignatureFault = Literal["no_signature", "bad_signature", "old"]


def signature_fault(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> SignatureFault | None:
    """Why a request's signature does not hold; ``None`` when one of the secrets made it.

    The time stamp may be off by 300 seconds (the library's clock is the machine's).
    """
    if not all(headers.get(f"webhook-{part}") for part in ("id", "timestamp", "signature")):
        return "no_signature"
    fault: SignatureFault = "bad_signature"
    for secret in secrets:
        try:
            Webhook(secret).verify(body, dict(headers), json_parse=False)
        except WebhookVerificationError as error:
            if "too old" in str(error) or "too new" in str(error):
                fault = "old"
        except ValueError:
            # The library lets malformed base64, a signature without a comma and a body that is
            # not UTF-8 through as ValueError.
            continue
        else:
            return None
    return fault


def signed_headers(message_id: str, body: bytes, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """The three headers; several secrets give several signatures, as in a rotation."""
    text = body.decode()
    signatures = [Webhook(secret).sign(message_id, now, text) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
