"""What is offered: the two questions, answered from words that can be shown."""

from datetime import UTC, datetime
from functools import cache

import pytest

from streams.screening.claims import Answer, Claim
from streams.screening.offer import claims
from streams.screening.screener import ScreeningRuleset, build_ruleset
from streams.screening.surroundings import is_post, is_prose, survey
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
        ("carved elephant ivory pendant", Answer.YES),
        ("carved bone pendant, elephant ivory colour", Answer.NO),
        ("ivory bracelet", Answer.YES),
        ("ivory bracelet with pearls for a wedding, gift for a bridesmaid", Answer.NO),
        ("antique ivory bracelet with pearls, a wedding present to a bridesmaid", Answer.YES),
        ("งาช้าง 3 กิโล", Answer.LIKELY),
        ("ชุดสีงาช้าง 3 กิโล", Answer.NO),
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


def posted(text: str) -> Claim:
    folded = Folded(text)
    fields = {"description": (text, folded.text)}
    made = claims(survey(ruleset().vocabulary.read({"description": folded}), fields, priced=False, post=True))
    return max(made, key=lambda one: (one.real, one.offered))


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("elephant ivory bangle, DM me", Answer.YES),
        ("elephant ivory bangle £40", Answer.YES),
        ("elephant ivory bangle sold for £40", Answer.NO),
        ("£400 of elephant ivory bangles", Answer.UNLIKELY),
        ("elephant ivory bangle", Answer.UNLIKELY),
        ("antique elephant ivory bangle, 7 cm", Answer.LIKELY),
        ("elephant ivory bangle auction", Answer.LIKELY),
        ("whoever is bidding on that elephant ivory bangle, I hope they are all ashamed", Answer.NO),
        ("I get why they want to sell elephant ivory and it is not that simple", Answer.UNLIKELY),
        ("elephant ivory bangle on display in the new gallery", Answer.NO),
        ("elephant ivory worth $3 million to be incinerated, officials say", Answer.NO),
    ],
)
def test_in_a_post_mere_mention_is_the_rule(text: str, offered: Answer) -> None:
    assert posted(text).offered is offered


@pytest.mark.parametrize(
    ("title", "description", "post"),
    [
        ("", "ivory bangle, dm me", True),
        ("ivory bangle #etsy", "", True),
        ("Ivory bangle", "", False),
        ("Ivory bangle", "From an estate, see https://example.com", False),
        ("", "ivory " * 200, False),
    ],
)
def test_what_counts_as_a_post(title: str, description: str, post: bool) -> None:
    assert is_post(title, description) is post


def headed(title: str, description: str) -> tuple[Claim, ...]:
    fields = {"title": Folded(title), "description": Folded(description)}
    texts = {name: (folded.original, folded.text) for name, folded in fields.items()}
    return claims(survey(ruleset().vocabulary.read(fields), texts, priced=False))


@pytest.mark.parametrize(
    ("title", "description", "claimed"),
    [
        (
            "Emperor scorpion, big adult",
            "Eats two roaches a month, docile, comes with tub",
            {("Pandinus imperator", "live")},
        ),
        ("Ariocarpus retusus 15 cm", "Bare root, ready to pot.", {("Ariocarpus retusus", "unclear")}),
        ("Parrot cage on castors", "Four feeders, swing doors. No bird included.", set()),
        ("Emperor scorpion poster", "From an estate.", set()),
    ],
)
def test_a_heading_names_what_is_kept_or_grown(
    title: str, description: str, claimed: set[tuple[str, str]]
) -> None:
    made = {(one.taxon.name, one.kind) for one in headed(title, description) if one.real >= Answer.LIKELY}

    assert made == claimed


def test_a_denied_word_inside_a_phrase_does_not_speak_against() -> None:
    assert claim_of("African ivory bangle, not plastic").real is Answer.YES
    assert claim_of("African ivory bangle, plastic").real is Answer.NO


def test_the_words_of_an_address_are_no_talk() -> None:
    offer = "Antique carved ivory okimono, signed, 14 cm, 240 EUR"
    there = claims_of(f"{offer} https://shop.example/rules/news/okimono")[0]

    assert not {"not-talk", "not-news"} & set(there.against)
    assert "not-news" in claims_of(f"{offer} seized by police")[0].against


def test_words_of_colour_keep_even_genuine_ivory_from_being_sure() -> None:
    assert "not-colour" in claim_of("Genuine ivory pearl finish snare").against


@pytest.mark.parametrize("mark", [" & ", " / ", "; ", ", ", ". ", " | "])
def test_words_that_a_mark_parts_are_not_a_sure_name(mark: str) -> None:
    assert claims_of(f"elephant{mark}tusk pub quiz")[0].sure is False
    assert claims_of("elephant-tusk knife")[0].sure is True
    assert claims_of("elephant.tusk knife")[0].sure is True


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


@pytest.mark.parametrize("sign", [" & ", ", ", ". ", " / ", "? ", ": "])
def test_a_name_written_across_such_a_sign_is_not_a_sure_one(sign: str) -> None:
    assert claim_of("elephant ivory").sure
    assert not any(one.sure for one in claims_of(f"the elephant{sign}ivory"))


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("The Ivory Tusks play on Friday, £5", Answer.LIKELY),
        ("Real elephant ivory netsuke, £500", Answer.YES),
    ],
)
def test_in_a_post_a_sum_alone_is_not_yet_a_sure_offer(text: str, offered: Answer) -> None:
    folded = Folded(text)
    found = ruleset().vocabulary.read({"description": folded})
    (claim,) = claims(survey(found, {"description": (text, folded.text)}, priced=False, post=True))

    assert claim.offered is offered
