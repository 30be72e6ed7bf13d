"""What the verdicts on a case say of its listing's pictures. Pure.

Nothing here is a picture: those are not kept. A verdict holds the snapshot that was judged and is sealed
whole, so what was found at a picture's address, or that nothing was, is sealed with it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from schemas.detection import Detection
from schemas.listing import Fetched, Image
from streams.notices.erasing import NO_HASH


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture as one state of the listing named it."""

    listing_id: str
    url: str
    content_hash: str
    """Of the state of the listing."""
    observed_at: datetime
    detection_id: str
    """The verdict in which it stands so."""
    told_sha256: str | None
    """What whoever published the listing said of its bytes; likewise the next."""
    told_perceptual_hash: str | None
    fetched: Fetched | None
    """What was found at its address; absent: nobody looked, or there was none to be had."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """What some verdicts say."""

    verdicts: int
    erased: int
    """Verdicts whose listing was erased: nobody can tell what it named."""
    rows: tuple[Picture, ...]
    """In the order of the verdicts and of the listing."""

    @property
    def fetched(self) -> int:
        """How many of the rows say what was found."""
        return sum(row.fetched is not None for row in self.rows)


def pictures_of(verdicts: Iterable[Detection]) -> Pictures:
    """Every picture that the verdicts' listings name, once for each state of the listing.

    A picture whose bytes were found to be others later has a row for each; one that some verdict on that
    state knows stands not also as absent.
    """
    count = erased = 0
    rows: dict[tuple[str, str, str], dict[str | None, Picture]] = {}
    for verdict in verdicts:
        count += 1
        if verdict.content_hash == NO_HASH:
            erased += 1
            continue
        for image in verdict.listing.images:
            row = _row(verdict, image)
            found = rows.setdefault((row.listing_id, row.content_hash, row.url), {})
            found.setdefault(row.fetched.sha256 if row.fetched else None, row)
    for found in rows.values():
        if len(found) > 1:
            found.pop(None, None)
    return Pictures(count, erased, tuple(row for found in rows.values() for row in found.values()))


def _row(verdict: Detection, image: Image) -> Picture:
    return Picture(
        verdict.listing_id,
        image.url,
        verdict.content_hash,
        verdict.listing.observed_at,
        verdict.detection_id,
        image.sha256,
        image.perceptual_hash,
        image.fetched,
    )
