"""A listing: one offer as one platform showed it at one time."""

from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints
from pydantic_core import to_json

from schemas.message import (
    Instant,
    LanguageTag,
    Message,
    Part,
    PlatformName,
    Sha256,
    digest,
)

ListingId = Annotated[str, StringConstraints(min_length=1, max_length=512)]


class Price(Part):
    """What the seller asks."""

    amount: Decimal = Field(ge=0, max_digits=18, decimal_places=4)
    """In units of ``currency`` (not cents)."""
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")
    """ISO 4217; absent when the platform shows none."""


class Seller(Part):
    """The account behind the listing, as shown."""

    handle: str | None = Field(default=None, max_length=512)
    """The name the platform shows."""
    account_id: str | None = Field(default=None, max_length=512)
    """The platform's own id of the account."""
    profile_url: str | None = Field(default=None, max_length=4096)


class Contact(Part):
    """A way to reach the seller outside the platform, when the platform shows it as a field."""

    kind: Literal["phone", "email", "handle", "url", "payment"]
    value: str = Field(min_length=1, max_length=1024)


class Fetched(Part):
    """What Takin found at a picture's address. Not part of the content hash: the platform showed the address,
    and the same snapshot stays the same whether its pictures could be fetched or not."""

    at: Instant
    """When, by our clock."""
    sha256: Sha256
    """Of the bytes as they came."""
    perceptual_hash: str | None = Field(default=None, pattern=r"^pdq:[0-9a-f]{64}$")
    """Absent where there is too little in the picture to tell it from others."""
    media_type: str = Field(pattern=r"^image/[a-z]{3,5}$")
    """What the bytes are, whatever the server called them."""
    size: int = Field(ge=1)
    """Bytes."""
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    """In pixels, as it is meant to be seen."""


class Image(Part):
    """A picture of the listing."""

    url: str = Field(max_length=4096)
    sha256: Sha256 | None = None
    """Of the picture's bytes, where whoever published the listing knew it."""
    perceptual_hash: str | None = Field(default=None, pattern=r"^(pdq|phash):[0-9a-f]{16,64}$")
    """Scheme and hash, for example ``pdq:`` and 64 hexadecimal digits, likewise."""
    fetched: Fetched | None = None
    """What was found there; absent where nobody looked."""

    @property
    def exact(self) -> tuple[str, ...]:
        """The SHA-256 of its bytes, as told and as fetched; each once."""
        known = (self.sha256, self.fetched.sha256 if self.fetched else None)
        return tuple(dict.fromkeys(one for one in known if one))

    @property
    def perceptual(self) -> tuple[str, ...]:
        """Its perceptual hashes with their scheme, as told and as fetched; each once."""
        known = (self.perceptual_hash, self.fetched.perceptual_hash if self.fetched else None)
        return tuple(dict.fromkeys(one for one in known if one))


class Listing(Message):
    """A snapshot of one offer. Kafka key ``platform:listing_id``.

    A connector publishes a new snapshot whenever what the platform shows has changed;
    ``content_hash`` says whether two snapshots show the same.
    """

    platform: PlatformName
    listing_id: ListingId
    """The platform's own id of the listing."""
    url: str = Field(min_length=1, max_length=4096)
    """The exact address under which a person sees the listing."""
    title: str = Field(default="", max_length=4_000)
    description: str = Field(default="", max_length=200_000)
    category: str | None = Field(default=None, max_length=1_000)
    """The platform's own category path, as shown."""
    price: Price | None = None
    seller: Seller | None = None
    contacts: tuple[Contact, ...] = Field(default=(), max_length=50)
    location: str | None = Field(default=None, max_length=1_000)
    """Where the goods are, as shown."""
    ships_to: tuple[str, ...] = Field(default=(), max_length=300)
    """Countries or regions the seller ships to, as shown."""
    shipping_method: str | None = Field(default=None, max_length=1_000)
    images: tuple[Image, ...] = Field(default=(), max_length=200)
    language: LanguageTag | None = None
    """Of title and description, as the platform states it."""
    permit_statement: str | None = Field(default=None, max_length=10_000)
    """What the seller says of permits, when the platform has a field for it."""
    posted_at: Instant | None = None
    """When the platform says the listing was posted."""
    first_seen_at: Instant | None = None
    """When a Takin connector first saw it; absent when the connector keeps no memory."""
    observed_at: Instant
    """When this snapshot was taken, by our clock."""
    connector: str = Field(min_length=1, max_length=128)
    """Name of the source that published it, for example ``file`` or ``feed``."""
    run_id: str = Field(min_length=1, max_length=128)
    """The run of that source, so that one run's listings can be found again."""
    content_hash: Sha256
    """SHA-256 of what the platform showed; see :func:`content_hash`."""
    revision: str | None = Field(default=None, max_length=256)
    """The platform's own id of this state of the listing, where it has one (a CID on AT Protocol). Not part
    of the content hash: two revisions may show the same."""
    gone: Literal[True] | None = None
    """Present: the platform says that its seller took the listing away. What it showed is then left out."""

    @property
    def key(self) -> str:
        """The Kafka key: ``platform:listing_id``."""
        return f"{self.platform}:{self.listing_id}"

    @property
    def judged(self) -> str:
        """What a verdict is about: the content hash, and what was found at the pictures' addresses, where
        somebody looked. The same snapshot with and without that may get two verdicts."""
        found = [image.fetched for image in self.images if image.fetched]
        if not found:
            return self.content_hash
        return digest([self.content_hash, *(f"{one.sha256} {one.perceptual_hash}" for one in found)])

    @classmethod
    def sealed(cls, **fields: Any) -> Self:
        """Build a listing and compute its content hash.

        Raises:
            pydantic.ValidationError: a field is missing or out of bounds.
        """
        listing = cls.model_validate({**fields, "content_hash": "0" * 64})
        # Nobody has seen it yet, so that no copy is needed to complete it.
        listing.__dict__["content_hash"] = content_hash(listing)
        return listing


SHOWN = (
    "url",
    "title",
    "description",
    "category",
    "price",
    "seller",
    "contacts",
    "location",
    "ships_to",
    "shipping_method",
    "images",
    "language",
    "permit_statement",
    "posted_at",
    "gone",
)
"""The fields that a platform shows; the others say when and by whom it was seen."""
_SHOWN = set(SHOWN)


def content_hash(listing: Listing) -> str:
    """SHA-256 over the fields in :data:`SHOWN`; independent of when and by whom it was seen, and of what was
    found at the pictures' addresses."""
    if any(image.fetched for image in listing.images):
        bare = tuple(image.model_copy(update={"fetched": None}) for image in listing.images)
        listing = listing.model_copy(update={"images": bare})
    shown = listing.model_dump(mode="json", include=_SHOWN, exclude_none=True)
    # No number is among them, so that this is their canonical JSON, in a third of the time.
    return digest([listing.platform, listing.listing_id, to_json(_in_order(shown))])


def _in_order(value: Any) -> Any:
    """The same with sorted keys."""
    if isinstance(value, dict):
        return {key: _in_order(value[key]) for key in sorted(value)}
    return [_in_order(one) for one in value] if isinstance(value, list) else value
