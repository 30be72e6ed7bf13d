"""Puts a listing's own words about law to the law table: places, claims of lawfulness, permit numbers."""

from collections.abc import Mapping, Sequence

from schemas.listing import Listing
from streams.screening.claims import Claim
from streams.screening.identifiers.permits import Permit, permits
from streams.screening.legality import Judge, Judgement, Offered
from streams.screening.places import Places, PlatformLaw


class LawDesk:
    """Asks the law table about a claim, with what the listing and the platform's entry say of places."""

    def __init__(self, judge: Judge, places: Places, platforms: Mapping[str, PlatformLaw]) -> None:
        self._judge = judge
        self._places = places
        self._platforms = platforms
        self.countries = {name: law.country for name, law in platforms.items() if law.country}

    def regions(self, listing: Listing) -> tuple[str, ...]:
        """Countries whose telephone numbers a listing may give without their code, likeliest first."""
        told = [
            self._places.country(listing.location) if listing.location else "",
            self.countries.get(listing.platform, ""),
            _LANGUAGE_REGION.get((listing.language or "").partition("-")[0].lower(), ""),
        ]
        return tuple(dict.fromkeys(code for code in told if len(code) == 2 and code not in ("EU", "WW")))

    def judge(self, claim: Claim, listing: Listing, stated: frozenset[str]) -> Judgement:
        """The answer for one claim; ``stated`` are the claims of lawfulness that the listing makes."""
        platform = self._platforms.get(listing.platform, _UNKNOWN_PLATFORM)
        support = claim.support
        own = {"antique": "antique" in support, "permit": "permit" in support}
        return self._judge.judge(
            Offered(
                appendix=claim.taxon.appendix,
                annex=claim.taxon.annex,
                group=claim.group,
                product=claim.product,
                kind=claim.kind,
                claims=stated | {name for name, made in own.items() if made},
                taxon=claim.taxon.name,
                seller=self._places.seller(listing),
                ships_to=self._places.destinations(listing),
                platform=platform.jurisdiction,
                policy_forbids=platform.policy_forbids and claim.taxon.appendix in ("I", "I/II"),
            )
        )


_LANGUAGE_REGION = {"vi": "VN", "th": "TH", "id": "ID", "ja": "JP", "hi": "IN", "ko": "KR"}
"""Languages of one country, for lack of anything better."""
_UNKNOWN_PLATFORM = PlatformLaw()


def stated_permits(originals: Sequence[str], listing: Listing) -> tuple[Permit, ...]:
    """Numbers of permits that the texts and the platform's field for them state."""
    texts = list(originals)
    # A number in the platform's field for permits needs no word before it.
    texts += [f"CITES {listing.permit_statement}"] if listing.permit_statement else []
    return tuple(one for text in texts for one in permits(text, listing.observed_at.year))


def permit_form(numbers: Sequence[Permit]) -> str:
    """``none``, ``plausible`` when every number stated could have been issued, else ``implausible``."""
    if not numbers:
        return "none"
    return "plausible" if all(one.plausible for one in numbers) else "implausible"
