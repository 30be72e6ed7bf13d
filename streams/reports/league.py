"""Platforms in the order of how much they removed in time. Pure.

Each listing weighs the same, so a platform weighs by its volume in the whole; an average of platforms,
as some pledges publish, lets a tiny one outweigh a giant. Too few listings give no place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streams.reports.measures import Share

LIMIT = "24h"
"""The places are by the share seen removed within it."""
MINIMUM = 20
"""Listings below which a share says next to nothing."""


@dataclass(frozen=True, slots=True)
class Place:
    """One platform's line."""

    platform: str
    place: int | None
    """1 is best; equal shares have the same place; ``None``: fewer listings than the minimum."""
    removed: Share
    """Seen removed within the limit."""
    weight: float | None
    """Its part of all listings that are old enough."""


@dataclass(frozen=True, slots=True)
class League:
    """The table."""

    limit: str
    minimum: int
    places: tuple[Place, ...]
    """Those with a place first, by it."""

    def as_json(self) -> dict[str, Any]:
        """Numbers under stable names."""
        return {
            "measure": "removed_seen",
            "limit": self.limit,
            "minimum": self.minimum,
            "places": [
                {
                    "platform": one.platform,
                    "place": one.place,
                    "n": one.removed.n,
                    "within": one.removed.within,
                    "share": one.removed.share,
                    "low": one.removed.low,
                    "high": one.removed.high,
                    "weight": one.weight,
                }
                for one in self.places
            ],
        }


def league(shares: Sequence[tuple[str, Share]], *, limit: str = LIMIT, minimum: int = MINIMUM) -> League:
    """The table over (platform, share within ``limit``)."""
    volume = sum(share.n for _, share in shares)
    counted = [(name, share) for name, share in shares if share.n >= max(1, minimum)]
    few = [(name, share) for name, share in shares if share.n < max(1, minimum)]
    ordered = sorted(counted, key=lambda one: (-(one[1].share or 0.0), one[0]))

    def line(name: str, share: Share, place: int | None) -> Place:
        return Place(name, place, share, round(share.n / volume, 6) if volume else None)

    places = [
        line(name, share, 1 + sum((other.share or 0.0) > (share.share or 0.0) for _, other in counted))
        for name, share in ordered
    ]
    places += [line(name, share, None) for name, share in sorted(few, key=lambda one: one[0])]
    return League(limit, minimum, tuple(places))
