"""The provisions that notices cite, from the same table that the rules rest on."""

from collections.abc import Mapping

from schemas.notice import LegalBasis
from streams.screening.law import load_law as load_provisions


def load_law() -> Mapping[str, LegalBasis]:
    """Every provision by id, in the words of a notice."""
    return {
        one.id: LegalBasis(
            id=one.id,
            law=one.title,
            country=None if one.jurisdiction == "international" else one.jurisdiction,
            text=one.says,
        )
        for one in load_provisions().values()
    }
