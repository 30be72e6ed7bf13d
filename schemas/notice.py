"""A notice: what we ask a platform to do about listings, and why.

Our notice is the master; what a channel sends (JSON, XARF, mail, CSV) is a rendering of it.
Fields follow Article 16(2) of Regulation (EU) 2022/2065 (exact location, reasons, name and
e-mail of the notifier, good-faith statement) and what platforms' desks ask for besides.
"""

from typing import Literal

from pydantic import Field

from schemas.detection import Severity, Specimen, TaxonRef
from schemas.message import Confidence, Instant, LanguageTag, Message, Part, PlatformName, Sha256
from schemas.order import Order, Preservation, Secrecy, Signature

NoticeKind = Literal["art16", "trusted_flagger", "art9_order", "tco_order", "tos_flag", "referral"]
RequestedAction = Literal["remove", "disable", "geo_disable", "suspend_seller", "preserve", "provide_info"]
AllegationKind = Literal["illegal", "tos_incompatible", "both"]
Disguise = Literal["look_alike_letters", "signs_for_letters", "letters_apart", "masked_letters", "invisible"]
"""``look_alike_letters`` of another script; digits or ``signs_for_letters``; ``letters_apart`` by spaces or
dots; ``masked_letters`` (``iv*ry``); ``invisible`` characters between them."""


class Party(Part):
    """An organisation that reports or transmits."""

    organisation: str = Field(min_length=1, max_length=256)
    unit: str | None = Field(default=None, max_length=256)
    contact_name: str | None = Field(default=None, max_length=256)
    email: str = Field(min_length=3, max_length=320)
    country: str | None = Field(default=None, pattern=r"^[A-Z]{2}$")
    domain: str | None = Field(default=None, max_length=253)


class TrustedFlagger(Part):
    """Status under Article 22 of Regulation (EU) 2022/2065, where the sender holds it."""

    awarded_by: str = Field(max_length=256)
    """The Digital Services Coordinator."""
    area: str = Field(max_length=512)
    since: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")


class Addressee(Part):
    """The platform as addressed."""

    platform: PlatformName
    legal_entity: str | None = Field(default=None, max_length=256)
    contact_point: str | None = Field(default=None, max_length=512)
    country: str | None = Field(default=None, pattern=r"^[A-Z]{2}$")


class LegalBasis(Part):
    """One provision, or one clause of the platform's own policy."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,127}$")
    law: str = Field(max_length=512)
    article: str | None = Field(default=None, max_length=128)
    country: str | None = Field(default=None, max_length=8)
    """ISO 3166-1 alpha-2, ``EU``, or absent for a treaty or a policy."""
    policy_clause: str | None = Field(default=None, max_length=512)
    url: str | None = Field(default=None, max_length=2_048)
    text: str | None = Field(default=None, max_length=2_000)
    """What it says, in a sentence."""


class Quote(Part):
    """Words of the listing that the notice rests on."""

    field: str = Field(max_length=64)
    start: int = Field(ge=0)
    """First character in the original text of the field, in code points."""
    end: int = Field(ge=0)
    text: str = Field(max_length=2_000)
    """The seller's own characters."""
    meaning: str = Field(max_length=512)
    """What they were taken for, in English."""
    disguised: bool = False
    disguises: tuple[Disguise, ...] = ()
    """What was undone to read them so, as far as it can be told from the characters."""


class Evidence(Part):
    """Something kept that shows what was online."""

    evidence_id: str = Field(max_length=64)
    kind: Literal["snapshot", "http_exchange", "image", "screenshot"]
    sha256: Sha256
    media_type: str = Field(max_length=128)
    size: int = Field(ge=0)
    """Bytes."""
    captured_at: Instant
    captured_by: str = Field(max_length=256)
    """Connector and run, or the person."""


class NoticeItem(Part):
    """One listing that the notice is about."""

    item_id: str = Field(pattern=r"^i_[0-9a-f]{32}$")
    listing_id: str = Field(min_length=1, max_length=512)
    """The platform's own id."""
    url: str = Field(min_length=1, max_length=4_096)
    """Exact location, as observed; never rewritten."""
    content_type: Literal["product", "text", "image", "video", "chat", "account", "other"] = "product"
    title: str = Field(default="", max_length=4_000)
    seller_handle: str | None = Field(default=None, max_length=512)
    seller_account_id: str | None = Field(default=None, max_length=512)
    """The platform's own id of the seller's account, where it shows one."""
    posted_at: Instant | None = None
    first_seen_at: Instant | None = None
    last_seen_online_at: Instant
    content_hash: Sha256
    revision: str | None = Field(default=None, max_length=256)
    """The platform's own id of the state of the listing that was screened, where it has one."""
    territory_requested: tuple[str, ...] = ()
    """ISO 3166-1 alpha-2, ``EEA`` or ``world``; empty: everywhere the platform operates."""
    taxon: TaxonRef | None = None
    specimen: Specimen | None = None
    quotes: tuple[Quote, ...] = ()
    round: int = Field(ge=1)
    """Which appearance of the listing this is about; 1 = the first."""


class Reasons(Part):
    """The reasons in a further language."""

    language: LanguageTag
    text: str = Field(min_length=1, max_length=20_000)


class DetectionBasis(Part):
    """How the listing was found."""

    method: Literal["automated", "automated_and_reviewed", "human"]
    rule_ids: tuple[str, ...] = ()
    ruleset_version: str = Field(max_length=128)
    detection_ids: tuple[str, ...] = ()
    confidence: Confidence = 1.0
    reviewer: str | None = Field(default=None, max_length=128)


class GoodFaith(Part):
    """The statement of Article 16(2)(d) of Regulation (EU) 2022/2065."""

    text: str = Field(max_length=2_000)
    signed_by: str = Field(max_length=256)
    at: Instant


class SlaPromise(Part):
    """The deadlines that the notice starts, as data."""

    policy: str = Field(max_length=128)
    source: str = Field(max_length=512)
    """The clause or agreement that sets them."""
    acknowledge_s: float | None = Field(default=None, gt=0)
    """Seconds from receipt; by the business clock each 86,400 are one working day of the addressee."""
    decide_s: float | None = Field(default=None, gt=0)
    remove_s: float | None = Field(default=None, gt=0)
    clock: Literal["wall", "business"] = "wall"


class Notice(Message):
    """One notice to one platform. The body that is sent never changes under one idempotency key."""

    notice_id: str
    """UUIDv7."""
    human_reference: str = Field(pattern=r"^TKN-[0-9A-Z-]{4,40}$")
    """What a person says on the telephone."""
    idempotency_key: str = Field(pattern=r"^n1_[a-z2-7]{52}$")
    """See :func:`streams.notices.wording.notice_key`."""
    case_ids: tuple[str, ...]
    kind: NoticeKind
    issued_at: Instant
    reporter: Party
    sender: Party
    """Who transmits; may differ from the reporter."""
    trusted_flagger: TrustedFlagger | None = None
    addressee: Addressee
    language: LanguageTag = "en"
    items: tuple[NoticeItem, ...] = Field(min_length=1, max_length=300)
    legal_basis: tuple[LegalBasis, ...] = Field(min_length=1)
    allegation: AllegationKind = "illegal"
    reasons: str = Field(min_length=1, max_length=20_000)
    """Substantiated explanation, in ``language``."""
    reasons_in: tuple[Reasons, ...] = Field(default=(), max_length=5)
    """The same in the platform's language, made from the facts below by a template; where the two differ,
    ``reasons`` holds."""
    requested_action: RequestedAction = "remove"
    evidence: tuple[Evidence, ...] = ()
    detection: DetectionBasis
    good_faith: GoodFaith
    reporter_disclosure: Literal["may_disclose", "withhold"] = "may_disclose"
    redress: str | None = Field(default=None, max_length=2_000)
    order: Order | None = None
    """Of an authority; the notice's ``kind`` is then ``art9_order`` or ``tco_order``."""
    secrecy: Secrecy | None = None
    preservation: Preservation | None = None
    signature: Signature | None = None
    severity: Severity
    sla: SlaPromise | None = None
    round: int = Field(ge=1)
    revision: int = Field(ge=1)
    relisting_of: str | None = None
    """Notice id of the earlier round."""
    reply_to: str | None = Field(default=None, max_length=2_048)
    """Where signed answers are received."""
    reply_page: str | None = Field(default=None, max_length=2_048)
    """A page on which this notice can be answered without a login, until it expires; who has the address
    can answer."""
    tags: tuple[str, ...] = ()
