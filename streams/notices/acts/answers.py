"""What a platform said where no channel carries its answer: by telephone, on paper, in a portal."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from schemas.message import canonical_json, digest
from schemas.response import PlatformResponse, ResponseKind, ResponseOutcome
from streams.notices.acts.people import ActRefused, person_named
from streams.notices.casebook import cases, inbox
from streams.notices.casebook.database import Transaction
from streams.notices.handlers.answers import apply_response

PARSER = "entered-by-a-person/1"

ENTERED: Mapping[str, tuple[ResponseKind, ResponseOutcome | None]] = MappingProxyType(
    {
        "received": ("receipt", None),
        "in-review": ("status", None),
        "needs-information": ("need_info", "need_info"),
        "removed": ("decision", "actioned_removed"),
        "disabled": ("decision", "actioned_disabled"),
        "restricted-in-territory": ("decision", "actioned_geo"),
        "restricted-in-part": ("decision", "actioned_partial"),
        "seller-only": ("decision", "account_action_only"),
        "kept-lawful": ("decision", "refused_lawful"),
        "kept-insufficient": ("decision", "refused_insufficient"),
        "not-hosted": ("decision", "refused_not_hosted"),
        "already-gone": ("decision", "already_gone"),
        "impossible": ("impossible", None),
        "counter-notice": ("counter_notice", None),
        "appeal": ("appeal", None),
        "reinstated": ("reinstated", None),
    }
)
"""What a person can enter, and what it is for us."""


def enter_answer(
    tx: Transaction,
    notice_id: str,
    word: str,
    *,
    by: str,
    now: datetime,
    said_at: datetime | None = None,
    explanation: str | None = None,
    item_id: str | None = None,
    platform_reference: str | None = None,
) -> int:
    """Record what a platform said about a notice, with whose word we have it from.

    ``word`` is one of :data:`ENTERED`; ``said_at``: when it said so, if not just now. The same entry
    twice changes nothing. It is kept in the inbox like every answer, as channel ``desk``.

    Returns the number of items that it changed or added to.

    Raises:
        ActRefused: ``unknown``: there is no such word, or the notice was never sent.
    """
    person = person_named(by)
    if word not in ENTERED:
        raise ActRefused("unknown", f"There is no answer {word!r}: use one of {', '.join(ENTERED)}.")
    notice = cases.notice_by_id(tx, notice_id)
    if notice.first_attempt_at is None:
        raise ActRefused(
            "unknown", f"{notice.human_reference} was never sent, so its platform cannot have answered it."
        )
    kind, outcome = ENTERED[word]
    said = min(said_at, now) if said_at else now
    entered = {
        "entered_by": person,
        "reference": notice.human_reference,
        "word": word,
        "said_at": said.isoformat(),
        "item_id": item_id,
        "explanation": explanation,
        "platform_reference": platform_reference,
    }
    raw = canonical_json(entered)
    response_id = "p_" + digest([notice.idempotency_key, raw])[:40]
    fresh = inbox.store(
        tx,
        platform=notice.platform,
        channel="desk",
        source_id=response_id,
        received_at=now,
        body=raw,
        headers={"content-type": "application/json"},
    )
    if not fresh:
        return 0
    inbox.finish_stored(tx, notice.platform, response_id, now=now)
    response = PlatformResponse(
        response_id=response_id,
        platform=notice.platform,
        idempotency_key=notice.idempotency_key,
        item_id=item_id,
        received_at=now,
        said_at=said,
        channel="desk",
        platform_reference=platform_reference,
        kind=kind,
        outcome=outcome,
        automated=False,
        explanation=explanation,
        raw_sha256=hashlib.sha256(raw).hexdigest(),
        parser_version=PARSER,
    )
    return apply_response(tx, response, now=now)
