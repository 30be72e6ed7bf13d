"""From what a source holds to a :class:`schemas.listing.Listing`, or to a reason why not."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from schemas.dead_letter import DeadLetterReason
from schemas.listing import Listing

OPTIONAL = frozenset(
    {
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
        "first_seen_at",
    }
)
"""Fields that a listing can do without: if one cannot be read, the rest is still worth screening."""

_KNOWN = frozenset(Listing.model_fields)

OBSERVED_AHEAD = timedelta(minutes=5)
"""How far an observation may lie ahead of our clock."""
POSTED_AHEAD = timedelta(hours=24)
"""The same for a platform's own date, which may be a local time that was taken for UTC."""


class Unusable(Exception):
    """This record cannot become a listing; it is set aside with the reason."""

    def __init__(self, reason: DeadLetterReason, detail: str) -> None:
        super().__init__(detail)
        self.reason: DeadLetterReason = reason
        self.detail = detail


def seal(fields: Mapping[str, Any], *, now: datetime, strict: bool = False) -> Listing:
    """A listing with its content hash.

    Unless ``strict``, an optional part that cannot be read is left out instead of losing the listing.

    Raises:
        Unusable: ``wrong_shape`` or ``from_the_future``.
    """
    # Only names that a listing has: a row's own keys never become keyword arguments of anything else.
    known = {name: value for name, value in fields.items() if name in _KNOWN}
    try:
        listing = Listing.sealed(**known)
    except ValidationError as error:
        broken = {str(problem["loc"][0]) for problem in error.errors() if problem["loc"]}
        if strict or not broken or not broken <= OPTIONAL:
            raise Unusable("wrong_shape", sentence(error)) from error
        rest = {name: value for name, value in known.items() if name not in broken}
        return seal(rest, now=now, strict=True)
    check_times(listing, now)
    if any(image.fetched for image in listing.images):
        # What is found at an address only Takin itself says.
        told = tuple(image.model_copy(update={"fetched": None}) for image in listing.images)
        listing = listing.model_copy(update={"images": told})
    return listing


def check_times(listing: Listing, now: datetime) -> None:
    """A listing that is dated in the future is a mistake of somebody's clock or of a date format.

    Raises:
        Unusable: ``from_the_future``
    """
    limits = (("observed_at", OBSERVED_AHEAD), ("posted_at", POSTED_AHEAD), ("first_seen_at", OBSERVED_AHEAD))
    for field, ahead in limits:
        at = getattr(listing, field)
        if at is not None and at > now + ahead:
            raise Unusable(
                "from_the_future", f"{field} is {at.isoformat()}, which is in the future: mend the date."
            )


def sentence(error: ValidationError) -> str:
    """What is wrong with the first field that is, without repeating its value."""
    problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in problem["loc"]) or "the record"
    what = str(problem["msg"]).removeprefix("Value error, ")
    return f"{where}: {what[:1].lower()}{what[1:]}."[:1_000]
