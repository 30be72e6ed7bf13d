"""Values for tests of the notice service."""

from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.detection import (
    Coordinates,
    Detection,
    Match,
    RuleFinding,
    Specimen,
    TaxonRef,
    detection_id,
)
from schemas.listing import Listing
from schemas.notice import LegalBasis, Notice, SlaPromise
from schemas.response import PlatformResponse
from streams.notices.handlers import Desk
from streams.notices.item import Item
from streams.notices.policy import LookPolicy, PlatformPolicy, RetryPolicy
from streams.notices.sender import demonstration_sender

T0 = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

LAW = {
    "cites-i": LegalBasis(
        id="cites-i",
        law="Convention on International Trade in Endangered Species",
        article="Article III",
        text="Trade in specimens of Appendix I species is subject to strict regulation.",
    )
}

SLA = SlaPromise(
    policy="test-sla", source="agreement, clause 4", acknowledge_s=60, decide_s=600, remove_s=3_600
)

LOOK = LookPolicy(
    schedule=(timedelta(0), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=2)),
    gone_apart=timedelta(minutes=1),
    mismatch_after=timedelta(minutes=10),
)

ANOTHER_HASH = "a" * 64


def at(seconds: float) -> datetime:
    """``seconds`` after :data:`T0`."""
    return T0 + timedelta(seconds=seconds)


def make_listing(listing_id: str = "1", *, platform: str = "market", **changes: Any) -> Listing:
    """A listing that offers carved ivory."""
    fields: dict[str, Any] = {
        "platform": platform,
        "listing_id": listing_id,
        "url": f"https://{platform}.example/listing/{listing_id}",
        "title": "Carved ivory figure",
        "description": "Old carved elephant ivory, 120 g.",
        "observed_at": at(-30),
        "connector": "file",
        "run_id": "r1",
    }
    return Listing.sealed(**{**fields, **changes})


def make_detection(
    listing_id: str = "1",
    *,
    outcome: str = "notify",
    platform: str = "market",
    version: str = "v1",
    **changes: Any,
) -> Detection:
    """A verdict on :func:`make_listing`."""
    listing = make_listing(listing_id, platform=platform, **changes)
    return Detection(
        detection_id=detection_id(listing, version),
        platform=listing.platform,
        listing_id=listing.listing_id,
        content_hash=listing.content_hash,
        ruleset_version=version,
        outcome=outcome,
        severity="critical",
        taxon=TaxonRef(scientific_name="Elephantidae", rank="family", appendix="I/II"),
        specimen=Specimen(kind="part", product="ivory"),
        matches=(
            Match(field="title", start=7, end=12, quote="ivory", term="ivory", kind="product", ref="p1"),
        ),
        rules=(
            RuleFinding(
                rule_id="ivory",
                pack="zero",
                title="Elephant ivory",
                outcome=outcome,
                severity="critical",
                zero_tolerance=outcome == "notify",
                legal_basis=("cites-i",),
            ),
        ),
        explanation="The title says “ivory”.",
        screened_at=at(-1),
        source=Coordinates(topic="listings", partition=0, offset=0),
        listing=listing,
    )


def render(notice: Notice) -> tuple[bytes, str]:
    """The notice as JSON."""
    return notice.to_bytes(), "application/json"


def make_desk(**platform: Any) -> Desk:
    """A desk with one platform, ``market``."""
    fields: dict[str, Any] = {
        "name": "market",
        "sla": SLA,
        "look": LOOK,
        "retry": RetryPolicy((timedelta(seconds=5), timedelta(seconds=30))),
    }
    policy = PlatformPolicy(**{**fields, **platform})
    return Desk(
        platforms={policy.name: policy},
        sender=demonstration_sender(reply_base="http://127.0.0.1:1"),
        law=LAW,
        render=render,
    )


def make_item(**changes: Any) -> Item:
    """An item of a notice that was sent at :data:`T0`."""
    fields: dict[str, Any] = {
        "notice_id": "n",
        "case_id": "c",
        "item_id": "i_" + "0" * 32,
        "platform": "market",
        "listing_id": "1",
        "url": "https://market.example/listing/1",
        "content_hash": ANOTHER_HASH,
        "round": 1,
        "queued_at": at(-5),
        "first_attempt_at": at(-0.5),
        "sent_at": T0,
        "last_online_at": at(-30),
    }
    return Item(**{**fields, **changes})


def make_response(
    *,
    kind: str = "decision",
    outcome: str | None = "actioned_removed",
    received: float = 60,
    said: float | None = None,
    response_id: str | None = None,
    key: str = "n1_" + "a" * 52,
    **changes: Any,
) -> PlatformResponse:
    """An answer of ``market``, received ``received`` seconds after :data:`T0`."""
    said_at = at(received if said is None else said)
    return PlatformResponse(
        response_id=response_id or f"{kind}-{outcome}-{said_at:%H%M%S%f}",
        platform="market",
        idempotency_key=key,
        received_at=at(received),
        said_at=said_at,
        channel="webhook",
        kind=kind,
        outcome=outcome,
        raw_sha256=ANOTHER_HASH,
        parser_version="test/1",
        **changes,
    )
