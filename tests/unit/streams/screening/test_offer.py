"""What is offered: the two questions, answered from words that can be shown."""

from datetime import UTC, datetime
from functools import cache

import pytest

from streams.screening.claims import Answer, Claim
from streams.screening.offer import claims, is_prose, survey
from streams.screening.screener import ScreeningRuleset, build_ruleset
from streams.screening.text import Folded

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@cache
def ruleset() -> ScreeningRuleset:
    return build_ruleset()


def claims_of(text: str, *, priced: bool = False) -> tuple[Claim, ...]:
    folded = Folded(text)
    found = ruleset().vocabulary.read({"title": folded})
    return claims(survey(found, {"title": (text, folded.text)}, priced=priced))


def claim_of(text: str, *, priced: bool = False) -> Claim:
    made = claims_of(text, priced=priced)
    assert len(made) == 1, [one.taxon.name for one in made]
    return made[0]


@pytest.mark.parametrize(
    ("text", "real"),
    [
        ("elephant ivory netsuke", Answer.YES),
        ("hand carved ivory netsuke okimono", Answer.YES),
        ("carved ivory", Answer.LIKELY),
        ("ivory", Answer.UNLIKELY),
        ("ivory lace dress", Answer.NO),
        ("faux ivory bangle carved", Answer.NO),
        ("genuine crocodile leather belt", Answer.YES),
        ("crocodile belt", Answer.LIKELY),
        ("crocodile skull resin", Answer.NO),
        (
            "crocodile skull, 20 cm, a nice hiding place for geckos in the warm terrarium, made from resin",
            Answer.NO,
        ),
        ("crocodile skull, not an alligator's", Answer.LIKELY),
        ("fossil crocodile tooth", Answer.NO),
        ("leopard skin skirt", Answer.NO),
        ("this is not rhino horn", Answer.NO),
        ("meringue elephant tusk, box of twelve", Answer.NO),
        ("postcard of a crocodile skull", Answer.NO),
        ("tiger shark tooth", Answer.UNLIKELY),
        ("tiger shark tooth, modern", Answer.LIKELY),
    ],
)
def test_is_it_real(text: str, real: Answer) -> None:
    made = claims_of(text)

    assert max((one.real for one in made), default=Answer.NO) is real


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("rhino horn for sale", Answer.YES),
        ("rhino horn", Answer.LIKELY),
        ("my grandfather told me that he once saw a rhino horn in the house", Answer.UNLIKELY),
        ("two men were arrested with rhino horn by customs officers", Answer.NO),
        ("wanted: rhino horn", Answer.NO),
    ],
)
def test_is_it_offered(text: str, offered: Answer) -> None:
    assert claim_of(text).offered is offered


def test_a_price_field_is_an_offer() -> None:
    assert claim_of("rhino horn", priced=True).offered is Answer.YES


@pytest.mark.parametrize(
    ("text", "taxon"),
    [
        ("Varanus salvator skull", "Varanus salvator"),
        ("monitor lizard skull", "Varanus"),
        ("crocodile skull", "Crocodylia"),
        ("tiger shark jaw", "Galeocerdo cuvier"),
        ("snow leopard skin", "Panthera uncia"),
    ],
)
def test_the_taxon_is_as_narrow_as_the_text_and_no_narrower(text: str, taxon: str) -> None:
    assert taxon in {one.taxon.name for one in claims_of(text)}


@pytest.mark.parametrize(
    "text", ["tiger moth wing", "leopard gecko skull", "crocodile clip leather", "elk skull"]
)
def test_other_animals_and_things_of_like_name_make_no_claim(text: str) -> None:
    assert claims_of(text) == ()


def test_the_specimen_belongs_to_the_nearest_animal() -> None:
    assert claims_of("crocodile green goatskin leather") == ()


def test_what_decided_stands_in_the_claim() -> None:
    claim = claim_of("hand carved ivory netsuke, faux")

    assert "not-sham" in claim.against
    assert "craft" in claim.support


def test_sentences_are_told_from_headings() -> None:
    assert is_prose(" they were told that the elephants of the park are not safe ")
    assert not is_prose(" genuine crocodile leather belt brown size 36 new with tags ")
