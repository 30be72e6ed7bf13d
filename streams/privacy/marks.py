"""By which marks an erased offer, seller or report would be known again. Pure."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from schemas.listing import Listing, Seller
from schemas.report import Report
from streams.privacy.keys import PrivacyKeys


def marks_of_offer(keys: PrivacyKeys, platform: str, listing_id: str, url: str) -> Iterator[str]:
    """Of one offer, however often it was seen."""
    yield from keys.marks("listing", platform, listing_id)
    yield from keys.marks("url", url)


def marks_of_seller(keys: PrivacyKeys, platform: str, seller: Seller) -> Iterator[str]:
    """Of an account, by each name that the platform shows of it."""
    for kind, value in (
        ("account", seller.account_id),
        ("handle", seller.handle and same(seller.handle)),
        ("profile", seller.profile_url),
    ):
        if value:
            yield from keys.marks(kind, platform, value)


def marks_of_listing(keys: PrivacyKeys, listing: Listing) -> Iterator[str]:
    """Of a snapshot: its offer and its seller."""
    yield from marks_of_offer(keys, listing.platform, listing.listing_id, listing.url)
    if listing.seller is not None:
        yield from marks_of_seller(keys, listing.platform, listing.seller)


def marks_of_report(keys: PrivacyKeys, report: Report) -> Iterator[str]:
    """Of what a report is about."""
    yield from keys.marks("url", report.url)
    if report.listing is not None:
        yield from marks_of_listing(keys, report.listing)


def same(handle: str) -> str:
    """A handle as everybody who writes it differently means it."""
    return unicodedata.normalize("NFKC", handle).casefold().strip()


def is_of(seller: Seller | None, name: str) -> bool:
    """Whether an account is the one that somebody names: by its id, its handle or its profile's address."""
    if seller is None:
        return False
    return name in (seller.account_id, seller.profile_url) or (
        seller.handle is not None and same(seller.handle) == same(name)
    )


def came_back(marks: Iterable[str], erased: Mapping[str, datetime], seen_at: datetime) -> bool:
    """Whether this is a copy of what was erased: it bears its mark and is from before.

    What is seen later is a new offer, which the one who erased the old one has not decided about.
    """
    return any(mark in erased and seen_at <= erased[mark] for mark in marks)
