"""Which practice platform a listing belongs to when its row does not say, and where it is shown."""

from collections.abc import Sequence
from urllib.parse import quote

from schemas.message import digest


def assign_platform(listing_id: str, names: Sequence[str]) -> str:
    """One of ``names``, always the same for the same id and the same set of names.

    The sandbox and the file source both ask here, so that a listing read from a file lives on the
    platform that shows its page. The order of ``names`` does not matter.

    Raises:
        ValueError: there is no name to choose from.
    """
    if not names:
        raise ValueError("there is no platform to assign a listing to")
    ordered = sorted(set(names))
    return ordered[int(digest([listing_id])[:16], 16) % len(ordered)]


def listing_url(base_url: str, listing_id: str) -> str:
    """Where a listing of a practice platform is shown."""
    return f"{base_url}/listing/{quote(listing_id, safe='')}"


def share_of(*parts: str) -> float:
    """A number in [0, 1) that looks random but depends on nothing but ``parts``."""
    return int(digest(parts)[:13], 16) / float(1 << 52)
