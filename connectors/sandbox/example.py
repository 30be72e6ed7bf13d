"""A first notice for whoever tries the contract: the body, and a script that signs and sends it."""

import base64
import hashlib
from datetime import datetime
from typing import Any

from connectors.sandbox.assignment import listing_url
from connectors.sandbox.practice_platform import PracticePlatform
from schemas.message import digest

_SCRIPT = r"""#!/usr/bin/env bash
# Sends one example notice to a Takin desk API. Needs curl and openssl.
set -euo pipefail
BASE=@BASE@
: "${SECRET:?set SECRET to the whsec_... of the scenario file}"
[ -s notice.json ] || curl -sf "$BASE/example-notice.json" -o notice.json
KEY=$(sed -n 's/.*"idempotency_key": *"\([^"]*\)".*/\1/p' notice.json | head -n 1)
NOW=$(date +%s)
HEXKEY=$(printf %s "${SECRET#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
SIGNATURE=$({ printf '%s.%s.' "$KEY" "$NOW"; cat notice.json; } \
  | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$HEXKEY" -binary | openssl base64 -A)
curl -si "$BASE/desk/v1/notices" \
  -H 'content-type: application/json' -H "idempotency-key: $KEY" -H "webhook-id: $KEY" \
  -H "webhook-timestamp: $NOW" -H "webhook-signature: v1,$SIGNATURE" \
  --data-binary @notice.json
"""


def script(base_url: str) -> str:
    """A bash script that fetches, signs and sends the example; the notice is kept as notice.json."""
    return _SCRIPT.replace("@BASE@", base_url)


def _key(platform: str, listing_id: str) -> str:
    """Any text of up to 128 characters would do, if it is the same whenever the notice is."""
    raw = hashlib.sha256(digest(["example", platform, listing_id]).encode()).digest()
    return "n1_" + base64.b32encode(raw).decode().rstrip("=").lower()


def notice(platform: PracticePlatform, now: datetime) -> dict[str, Any] | None:
    """A notice about the newest listing that is online and not under an open notice; ``None``: none is."""
    state, name = platform.state, platform.config.name
    free = (
        (listing_id, offer)
        for listing_id, offer in state.online_before(None)
        if state.open_notice_on(listing_id, 1) is None
    )
    found = next(free, None)
    if found is None:
        return None
    listing_id, offer = found
    row = offer.row()
    body: dict[str, Any] = {
        "schema_version": 1,
        "notice_id": f"example-{digest([name, listing_id])[:12]}",
        "human_reference": f"TKN-EXAMPLE-{digest([name, listing_id])[:6].upper()}",
        "idempotency_key": _key(name, listing_id),
        "case_ids": ["example"],
        "kind": "art16",
        "issued_at": now.isoformat(),
        "reporter": {"organisation": "Example Wildlife Trust", "email": "notices@example.org"},
        "sender": {"organisation": "Example Wildlife Trust", "email": "notices@example.org"},
        "addressee": {"platform": name},
        "items": [
            {
                "item_id": "i_" + digest([name, listing_id, "1"])[:32],
                "listing_id": listing_id,
                "url": listing_url(platform.base_url, listing_id),
                "title": row.title,
                "last_seen_online_at": now.isoformat(),
                "content_hash": digest([row.title, row.description]),
                "round": 1,
            }
        ],
        "legal_basis": [{"id": "cites", "law": "CITES, Article II(1) and Appendix I"}],
        "reasons": "An example, to try the desk API: this is not a real notice.",
        "requested_action": "remove",
        "detection": {"method": "human", "ruleset_version": "none"},
        "good_faith": {
            "text": "I believe in good faith that this example is accurate.",
            "signed_by": "Example Wildlife Trust",
            "at": now.isoformat(),
        },
        "severity": "normal",
        "round": 1,
        "revision": 1,
        "tags": ["lifecycle:test"],
    }
    return body
