"""Ids of what platforms answer: the same fact told twice, by whichever way, gets the same id."""

import hashlib
from datetime import datetime

from connectors.platform import Receipt
from schemas.message import digest
from schemas.response import PlatformResponse


def response_id(platform: str, idempotency_key: str, *fact: str) -> str:
    """Id of one fact about one notice.

    It rests on what was said (the item, the platform's word, the time the platform gives for it) and not on
    the envelope. So a webhook sent twice, a status polled twice, and a poll that repeats what a
    webhook has told give one id; repeated envelopes are dropped earlier, by ``RawAnswer.source_id``.
    """
    return "a_" + digest([platform, idempotency_key, *fact])[:40]


def receipt_response(
    platform: str, idempotency_key: str, receipt: Receipt, received_at: datetime, *, parser_version: str
) -> PlatformResponse:
    """The reply to a submission as an answer; ``outcome`` is ``duplicate`` where the platform said so.

    A poll that says "received" for the same reference gives the same ``response_id``.
    """
    return PlatformResponse(
        response_id=response_id(platform, idempotency_key, "receipt", receipt.platform_reference or ""),
        platform=platform,
        idempotency_key=idempotency_key,
        received_at=received_at,
        channel="submit_reply",
        platform_reference=receipt.platform_reference,
        kind="receipt",
        outcome="duplicate" if receipt.duplicate else None,
        raw_sha256=hashlib.sha256(receipt.raw).hexdigest(),
        parser_version=parser_version,
    )
