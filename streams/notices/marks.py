"""What two listings share when one seller is behind both: the account, a contact, a picture. Pure.

A mark is short and says nothing by itself: the digest of a normalised value. Equal marks join cases; near
pictures are joined by the distance of their perceptual hashes.

Sources: X. Dang and others, "PDQ & TMK + PDQF" (2019), section on matching: two PDQ hashes of 256 bits
are of one picture when at most 31 bits differ.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from schemas.listing import Contact, Listing
from schemas.message import digest

Joins = Literal["seller", "contact", "picture"]
"""What joins two cases."""

MOST_PICTURES = 12
MOST_CONTACTS = 12
NEAR_BITS = 31
_BAND = 4
"""Hexadecimal digits of one band: 16 bits. Two hashes that differ in up to 15 bits share a band for certain
(there are 16); of those that differ in 16 to 31, most do."""

_TELLING = 4
"""Different digits that a hash has at least; a blank picture has fewer, and many are blank."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing that a case can share with another."""

    value: str
    """Kind and digest, at most 80 characters."""
    joins: Joins
    near: str | None = None
    """The whole perceptual hash, where ``value`` is one band of it."""


def marks_of(listing: Listing) -> tuple[Mark, ...]:
    """The marks of a listing, each once."""
    return tuple(
        dict.fromkeys((*_of_seller(listing), *_of_contacts(listing.contacts), *_of_pictures(listing)))
    )


def _of_seller(listing: Listing) -> Iterator[Mark]:
    seller = listing.seller
    if seller is None:
        return
    # A name means an account on its own platform only; the address of a profile is the account itself.
    if seller.account_id:
        yield Mark("account:" + digest([listing.platform, seller.account_id]), "seller")
    if seller.handle and (handle := _plain(seller.handle)):
        yield Mark("handle:" + digest([listing.platform, handle]), "seller")
    if seller.profile_url and (address := _address(seller.profile_url)):
        yield Mark("profile:" + digest(address), "seller")


def _of_contacts(contacts: Iterable[Contact]) -> Iterator[Mark]:
    found = 0
    for contact in contacts:
        value = _reach(contact)
        if value and found < MOST_CONTACTS:
            found += 1
            yield Mark(f"{contact.kind}:" + digest(value), "contact")


def _reach(contact: Contact) -> str:
    """The contact as everybody who writes it differently means it; empty: too little to tell people apart."""
    if contact.kind == "phone":
        digits = "".join(str(unicodedata.digit(one, "")) for one in contact.value)
        digits = digits.removeprefix("00")
        return digits if 7 <= len(digits) <= 15 else ""  # ITU-T E.164: at most 15
    if contact.kind == "url":
        return _address(contact.value)
    value = _plain(contact.value).removeprefix("mailto:").lstrip("@")
    return value if len(value) >= 3 else ""


def _of_pictures(listing: Listing) -> Iterator[Mark]:
    for image in listing.images[:MOST_PICTURES]:
        for sha256 in image.exact:
            yield Mark("image:" + sha256, "picture")
        for perceptual in image.perceptual:
            yield from _bands(perceptual)


def _bands(perceptual: str) -> Iterator[Mark]:
    scheme, _, digits = perceptual.partition(":")
    if scheme != "pdq" or len(digits) != 64 or len(set(digits)) < _TELLING:
        return
    for start in range(0, len(digits), _BAND):
        yield Mark(f"{scheme}{start // _BAND:02d}:{digits[start : start + _BAND]}", "picture", digits)


def alike(one: str, other: str) -> bool:
    """Whether two PDQ hashes (64 hexadecimal digits) are of one picture."""
    return (int(one, 16) ^ int(other, 16)).bit_count() <= NEAR_BITS


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()


def _address(url: str) -> str:
    """Host and path of an address; empty: it has neither."""
    try:
        parts = urlsplit(url.strip())
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return ""
    path = parts.path.rstrip("/")
    query = f"?{parts.query}" if parts.query else ""
    return f"{host}{path}{query}" if host and (path or query) else ""
