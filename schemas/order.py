"""What an authority's order holds beside a notice: who orders, by what power, and what must be kept quiet.

Fields follow Article 9(2) of Regulation (EU) 2022/2065 (orders to act against illegal content) and
Article 3(4) with Annex I of Regulation (EU) 2021/784 (removal orders).
"""

from typing import Literal

from pydantic import Field

from schemas.message import CountryCode, Instant, Part

Territory = tuple[str, ...]
"""ISO 3166-1 alpha-2, ``EEA`` or ``world``."""


class Authority(Part):
    """A judicial or administrative authority."""

    name: str = Field(min_length=1, max_length=256)
    country: CountryCode
    contact: str = Field(min_length=1, max_length=512)
    """Where the platform reaches it: an address, a telephone number, an e-mail address."""


class Order(Part):
    """An order of an authority, which the notice carries to the platform."""

    authority: Authority
    """Who issues it."""
    reference: str = Field(min_length=1, max_length=128)
    """The authority's own file number."""
    power: str = Field(min_length=1, max_length=512)
    """The provision that empowers the authority to order this."""
    effect_to: Authority | None = None
    """Who is told of the effect given to the order, where it is not the issuer."""
    territory: Territory = Field(default=(), max_length=60)
    """Where it holds; no further than is needed (Article 9(2)(b))."""


class Secrecy(Part):
    """The seller is not told, for a time."""

    ground: str = Field(min_length=1, max_length=1_000)
    """Why; for a removal order, public security as Article 11(3) of Regulation (EU) 2021/784 names it."""
    until: Instant
    """It ends then, if nothing else is ordered."""


class Preservation(Part):
    """What the platform is asked to keep."""

    months: int = Field(ge=1, le=60)
    data_kinds: tuple[
        Literal["content", "metadata", "account", "contact", "payment", "messages", "logs"], ...
    ] = Field(min_length=1, max_length=7)


class Signature(Part):
    """The authority's signature over the order, made outside of Takin and carried as it is."""

    algorithm: str = Field(min_length=1, max_length=64)
    key_id: str = Field(min_length=1, max_length=256)
    value: str = Field(min_length=1, max_length=16_384, pattern=r"^[A-Za-z0-9+/=_-]+$")
    """Base64 or base64url."""
    signed_at: Instant
    stamp: str | None = Field(default=None, max_length=16_384, pattern=r"^[A-Za-z0-9+/=_-]+$")
    """A qualified time stamp, where there is one."""
