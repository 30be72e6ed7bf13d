"""A detection: the verdict on one snapshot under one rule-set version."""

from typing import Literal

from pydantic import Field

from schemas.listing import Listing
from schemas.message import Confidence, Instant, Message, Part, PlatformName, Sha256, digest

Outcome = Literal["notify", "review", "monitor", "clear"]
Severity = Literal["critical", "high", "normal"]
Appendix = Literal["I", "II", "III", "I/II", "II/III"]


class Match(Part):
    """A term found in the listing, with the place where the seller wrote it."""

    field: Literal["title", "description", "category", "seller", "contact", "image", "permit_statement"]
    start: int = Field(ge=0)
    """First character of the quote in the field's original text, counted in code points."""
    end: int = Field(ge=0)
    """One past the last character."""
    quote: str = Field(max_length=2_000)
    """The seller's own characters between ``start`` and ``end``."""
    term: str = Field(max_length=512)
    """The term that it was taken for."""
    kind: Literal["taxon", "common_name", "product", "code_word", "watchlist", "exclusion", "permit"]
    ref: str = Field(max_length=256)
    """Id of the term in the reference data or of the watchlist entry."""
    disguised: bool = False
    """True when the text had to be undisguised (look-alike letters, digits for letters …)."""


class TaxonRef(Part):
    """The taxon at the rank that the text supports, never narrower."""

    scientific_name: str = Field(min_length=1, max_length=256)
    rank: str = Field(max_length=64)
    appendix: Appendix | None = None
    common_name: str | None = Field(default=None, max_length=256)
    basis: str | None = Field(default=None, max_length=512)
    """Where the listing in the appendix is known from, and as of when."""


class Specimen(Part):
    """What is offered."""

    kind: Literal["live", "part", "derivative", "unclear"]
    product: str | None = Field(default=None, max_length=128)
    """The specimen word of the reference data, for example ``ivory`` or ``rhinoceros horn``."""


Legality = Literal["illegal", "policy_breach", "needs_permit_check", "lawful", "unknown"]
"""Whether the offer is allowed; ``unknown`` is neither yes nor no."""


class LegalFinding(Part):
    """What the law of one place, or the platform's own policy, says of the offer."""

    jurisdiction: str = Field(max_length=64)
    """ISO 3166 code, ``EU``, ``international``, or ``platform`` for its own policy."""
    verdict: Legality
    basis: tuple[str, ...] = ()
    """Ids of provisions in the law table."""
    why: str = Field(max_length=512)
    checked: bool = False
    """False: the row was not read against the law's text by a person."""


class RuleFinding(Part):
    """One rule that was true for the listing."""

    rule_id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,127}$")
    pack: str = Field(max_length=128)
    title: str = Field(max_length=512)
    outcome: Outcome
    severity: Severity
    zero_tolerance: bool = False
    """True: the rule's match is always a notice candidate."""
    legal_basis: tuple[str, ...] = ()
    """Ids of provisions in the law table that the rule rests on."""
    shadow: bool = False
    """True: counted only; it did not take part in the outcome."""


class Coordinates(Part):
    """Where a record stands in Kafka."""

    topic: str
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)


class Detection(Message):
    """The verdict. Kafka key ``platform:listing_id``. Reading the same snapshot again under the
    same rule set gives the same ``detection_id``.

    Snapshots whose outcome is ``clear`` are counted in :class:`~schemas.progress.ScreeningProgress`
    and not published one by one.
    """

    detection_id: str = Field(pattern=r"^d_[0-9a-f]{40}$")
    platform: PlatformName
    listing_id: str
    content_hash: Sha256
    ruleset_version: str = Field(min_length=1, max_length=128)
    """Version of reference data, packs and watchlist together."""
    outcome: Outcome
    severity: Severity
    score: Confidence = 1.0
    """How sure the screening is that a specimen of a listed taxon is offered."""
    taxon: TaxonRef | None = None
    specimen: Specimen | None = None
    matches: tuple[Match, ...] = ()
    rules: tuple[RuleFinding, ...] = ()
    legality: tuple[LegalFinding, ...] = ()
    """One a place that matters: where it is shown, where the seller is, where it is sent."""
    explanation: str = Field(max_length=8_000)
    """Sentences a person can put in a file."""
    retroactive: bool = False
    """True: found by running a new entry over listings that were kept."""
    screened_at: Instant
    source: Coordinates
    """The record that was judged."""
    listing: Listing
    """The snapshot itself, so that what is noticed is what was seen."""

    @property
    def key(self) -> str:
        """The Kafka key: ``platform:listing_id``."""
        return f"{self.platform}:{self.listing_id}"


def detection_id(listing: Listing, ruleset_version: str) -> str:
    """Deterministic id of the verdict on this snapshot, as its pictures are known, under this rule set."""
    parts = [listing.platform, listing.listing_id, listing.judged, ruleset_version]
    return f"d_{digest(parts)[:40]}"
