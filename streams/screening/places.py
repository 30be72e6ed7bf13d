"""Which law a place stands under, read from what a platform shows of it. Pure.

Only whole parts of the text count ("Paris, France"), never a word inside a sentence; what is not
known stays unknown.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from schemas.listing import Listing
from streams.screening.taxa import read_table
from streams.screening.text import fold

_PARTS = re.compile(r"[,;/|()\n·•–—]+")
_TEXT_LIMIT = 300
_DESTINATIONS_LIMIT = 40


@dataclass(frozen=True, slots=True)
class PlatformLaw:
    """What the law table must know of a platform."""

    jurisdiction: str = ""
    country: str = ""
    """ISO 3166 code; the region of telephone numbers without one."""
    policy_forbids: bool = False
    """Its own rules forbid specimens that the zero-tolerance rules are about."""


class Places:
    """Names of countries and of some cities, with the law they stand under."""

    def __init__(self) -> None:
        self._by_name: dict[str, str] = {}
        self._by_code: dict[str, str] = {}
        for row in read_table("places.csv"):
            self._by_code[row["code"]] = row["jurisdiction"]
            for term in row["terms"].split("|"):
                self._by_name[fold(term).strip()] = row["code"]
        self.country: Callable[[str], str] = lru_cache(maxsize=4_096)(self._country)

    def of_country(self, code: str | None) -> str:
        """The law of an ISO 3166 code; the code itself where the table has no better one."""
        return self._by_code.get(code, code) if code else ""

    def jurisdiction(self, shown: str) -> str:
        """The law that a place as shown stands under; empty when it is not known."""
        return self.of_country(self.country(shown))

    def _country(self, shown: str) -> str:
        """The code of a place as shown; the last part that is known wins, and empty means not known."""
        parts: list[str] = [part.strip() for part in _PARTS.split(shown[:_TEXT_LIMIT]) if part.strip()]
        for part in reversed(parts):
            if part in self._by_code and part.isupper():
                return part
            known: str = self._by_name.get(fold(part).strip(), "")
            if known:
                return known
        return ""

    def seller(self, listing: Listing) -> str:
        """Where the goods are."""
        return self.jurisdiction(listing.location) if listing.location else ""

    def destinations(self, listing: Listing) -> tuple[str, ...]:
        """Where they are sent, without doubles; unknown ones are left out."""
        if not listing.ships_to:
            return ()
        known = (self.jurisdiction(place) for place in listing.ships_to[:_DESTINATIONS_LIMIT])
        return tuple(dict.fromkeys(place for place in known if place))


def platform_laws(
    places: Places, platforms: Sequence[tuple[str, str | None, bool]]
) -> Mapping[str, PlatformLaw]:
    """Of ``(name, country, has clauses against it)`` of each platform."""
    return {
        name: PlatformLaw(places.of_country(country), country or "", forbids)
        for name, country, forbids in platforms
    }
