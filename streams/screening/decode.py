"""From the bytes of a record to a listing, or to the reason why not. Pure: the time is an argument."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schemas.dead_letter import DeadLetterReason
from schemas.listing import Listing

MAX_LISTING_BYTES = 1_000_000
"""Bytes of a record's value; a larger one is set aside unread."""
OBSERVED_AHEAD = timedelta(minutes=5)
"""How far ahead of our clock ``observed_at`` may be: clocks of connectors differ a little."""
POSTED_AHEAD = timedelta(days=1)
"""How far ahead ``posted_at`` may be: platforms show local dates without a zone."""
NAMED_FIELDS = 3
"""How many fields at fault a sentence names."""
TOO_LONG = frozenset({"string_too_long", "too_long", "bytes_too_long"})


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why a record cannot be screened."""

    reason: DeadLetterReason
    sentence: str
    """For a person to act on; holds names of fields and never their content."""


def decode(
    value: bytes | None, now: datetime, *, known_platforms: frozenset[str] | None = None
) -> Listing | Rejected:
    """Read a listing. Never raises, whatever the bytes are.

    ``known_platforms``: names that are configured; ``None`` takes every well-formed name.
    """
    if not value:
        return Rejected("undecodable", "The record has no value: publish the listing as JSON.")
    if len(value) > MAX_LISTING_BYTES:
        return Rejected(
            "too_large",
            f"The record has {len(value):,} bytes, at most {MAX_LISTING_BYTES:,} are read: "
            "let the connector cut the description or leave out images.",
        )
    try:
        listing = Listing.model_validate_json(value)
    except ValidationError as error:
        return _explain(value, error)
    except RecursionError:
        return Rejected("not_json", "The JSON is nested too deeply to be a listing.")
    return _unlikely(listing, now, known_platforms) or listing


def _explain(value: bytes, error: ValidationError) -> Rejected:
    faults = error.errors(include_input=False, include_context=False, include_url=False)
    if faults[0]["type"] == "json_invalid":
        return _not_json(value)
    too_long = [fault for fault in faults if fault["type"] in TOO_LONG]
    if too_long and len(too_long) == len(faults):
        return Rejected("too_large", f"A field is larger than a listing may have: {_named(too_long)}.")
    missing_id = any(fault["loc"] == ("listing_id",) for fault in faults)
    lead = (
        "The listing has no usable listing_id, so nothing could be noticed"
        if missing_id
        else "Not the shape of a listing"
    )
    return Rejected("wrong_shape", f"{lead}: {_named(faults)}.")


def _not_json(value: bytes) -> Rejected:
    try:
        value.decode()
    except UnicodeDecodeError as error:
        return Rejected("undecodable", f"The bytes are not UTF-8: the first fault is at byte {error.start}.")
    return Rejected("not_json", "The text is not JSON: the connector wrote something else or was cut off.")


def _named(faults: list[ErrorDetails]) -> str:
    named = [f"{_path(fault['loc'])}: {fault['msg']}" for fault in faults[:NAMED_FIELDS]]
    more = len(faults) - len(named)
    return "; ".join(named) + (f"; and {more} more" if more > 0 else "")


def _path(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(step) for step in loc) or "the whole"


def _unlikely(listing: Listing, now: datetime, known_platforms: frozenset[str] | None) -> Rejected | None:
    """A well-formed listing that cannot be right."""
    if known_platforms is not None and listing.platform not in known_platforms:
        return Rejected(
            "unknown_platform",
            f"No platform {listing.platform} is configured: "
            "add it to the platforms file or mend the connector that wrote it.",
        )
    if listing.observed_at > now + OBSERVED_AHEAD:
        return Rejected(
            "from_the_future",
            f"observed_at {listing.observed_at.isoformat()} is ahead of our clock: "
            "mend the clock of the machine that observed it.",
        )
    if listing.posted_at is not None and listing.posted_at > now + POSTED_AHEAD:
        return Rejected(
            "from_the_future",
            f"posted_at {listing.posted_at.isoformat()} lies in the future: "
            "the connector reads the platform's date wrongly.",
        )
    return None
