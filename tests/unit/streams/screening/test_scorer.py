"""The scorer: a second look that shows an ad to a person, or spares one, and never makes a notice."""

import json
from functools import cache
from typing import Any

import pytest

from schemas.listing import Listing
from streams.screening.listing_screener import ListingScreener
from streams.screening.scorer import Scorer, features, load_scorer
from streams.screening.tools import listing_from
from streams.screening.verdict import Verdict
from tests.data.screening.train_scorer import FOLDER, WEIGHTS, digest, made_anew, written
from tests.unit.streams.screening.test_offer import ruleset

TOLD: dict[str, Any] = json.loads(WEIGHTS.read_text("utf-8"))


SHIPPED = load_scorer()


@cache
def screener_with(scorer: Scorer) -> ListingScreener:
    made = ruleset().screener({})
    made._scorer = scorer
    return made


def screened_by(scorer: Scorer, listing: Listing) -> Verdict:
    return screener_with(scorer).screen(listing, listing.observed_at)


@cache
def listings() -> tuple[tuple[bool, Listing], ...]:
    rows = [
        json.loads(line)
        for file in sorted(FOLDER.glob("*.jsonl"))
        for line in file.read_text("utf-8").splitlines()
    ]
    return tuple((bool(row["label"]), listing_from(row)) for row in rows if not row.get("ambiguous"))


def test_the_weights_are_small_dated_and_belong_to_the_recipe_and_the_features() -> None:
    assert WEIGHTS.stat().st_size <= 200_000
    assert TOLD["version"] >= 1
    assert TOLD["as_of"]
    assert TOLD["recipe"] == digest(), "learn anew: python -m tests.data.screening.train_scorer"
    assert sum(TOLD["learnt_from"].values()) > 1_500


@pytest.mark.slow
def test_the_recipe_gives_the_same_weights_again() -> None:
    again = made_anew(written())["weights"]
    both = again.keys() & TOLD["weights"].keys()

    assert len(both) > 0.99 * max(len(again), len(TOLD["weights"]))
    assert max(abs(again[name] - TOLD["weights"][name]) for name in both) < 0.03


CLEARED = Scorer({}, raised_from=99, lowered_below=-99)
SHOWN = Scorer({}, raised_from=-99, lowered_below=-99)
SPARED = Scorer({}, raised_from=99, lowered_below=99)


def test_however_sure_it_is_no_text_becomes_a_notice_and_no_notice_goes_away() -> None:
    for scorer in (SHOWN, SPARED):
        for _, listing in listings()[::4]:
            before = screened_by(CLEARED, listing).outcome
            after = screened_by(scorer, listing).outcome
            assert (before == "notify") == (after == "notify"), listing.listing_id


def test_an_ad_is_only_ever_raised_and_a_post_only_taken_down() -> None:
    heavier = {"clear": 0, "monitor": 1, "review": 2, "notify": 3}
    raised = 0
    for _, listing in listings()[::4]:
        before = heavier[screened_by(CLEARED, listing).outcome]
        after = heavier[screened_by(SHOWN, listing).outcome]
        spared = heavier[screened_by(SPARED, listing).outcome]
        assert spared <= before <= after <= max(before, heavier["review"]), listing.listing_id
        raised += after > before

    assert raised > 10


AD = {
    "id": "1",
    "title": "Vintage black coral bangle, hinged, 14k, 1970s",
    "text": "Ships worldwide, some wear at the clasp. 4 cm.",
}


def test_a_word_against_does_not_take_down_what_else_reads_like_an_offer() -> None:
    rules_alone = screened_by(CLEARED, listing_from(AD))
    verdict = screened_by(SHIPPED, listing_from(AD))

    assert rules_alone.outcome in ("clear", "monitor")
    assert verdict.outcome == "review"
    assert "Weighed as a whole, the text reads like an offer (+" in verdict.explanation
    told = verdict.explanation.split("usual in offers: ")[1].split(".")[0]
    words = [word for word in told.split("‘")[1:] if "’" in word]
    assert all(word.split("’")[0] in (AD["title"] + AD["text"]).casefold() for word in words)


POST = "honest question: elephant lamp, ivory glaze, tusks chipped, what should i ask? £5 at a sale"


def test_talk_with_a_price_is_kept_in_view_and_the_reason_is_told() -> None:
    verdict = screened_by(
        Scorer(TOLD["weights"], TOLD["raised_from"], lowered_below=5), listing_from({"id": "1", "text": POST})
    )

    assert verdict.outcome == "monitor"
    assert "Weighed as a whole, the text reads like talk or another thing (" in verdict.explanation
    assert "that it is offered is doubtful" in verdict.explanation


def test_words_that_weigh_against_buy_no_innocence_for_a_sure_find() -> None:
    against = sorted(
        (weight, name.removeprefix("word "))
        for name, weight in TOLD["weights"].items()
        if name.startswith("word ")
    )
    cues = {word for term in ruleset().vocabulary.context.spellings() for word in term.split()}
    stuffing = " ".join([word for _, word in against if word not in cues and len(word) > 1][:40])
    sure = [one for _, one in listings() if screened_by(CLEARED, one).outcome == "notify"]
    bought = [
        (one.listing_id, where)
        for one in sure
        for where in (f"{stuffing} {one.description}", f"{one.description} {stuffing}")
        if screened_by(SHIPPED, one.model_copy(update={"description": where})).outcome in ("clear", "monitor")
        and screened_by(CLEARED, one.model_copy(update={"description": where})).outcome
        in ("review", "notify")
    ]

    assert len(sure) > 150
    assert bought == []


def test_who_looks_for_a_thing_and_who_denies_it_are_not_raised() -> None:
    for title in (
        "Wanted: real crocodile handbag, any size, will pay well",
        "Carved pendant, not elephant ivory, signed, 4 cm, ships worldwide",
    ):
        listing = listing_from({"id": "1", "title": title, "text": "12 cm, 40 USD"})
        assert screened_by(SHOWN, listing).outcome == screened_by(CLEARED, listing).outcome


def test_what_is_read_of_a_text_does_not_grow_with_it() -> None:
    screener: ListingScreener = ruleset().screener({})
    words = " ".join(f"word{number}" for number in range(8_000))
    text = f"{words} carved elephant ivory netsuke, not for sale {words}"
    around, made = screener.claims_of(listing_from({"id": "1", "title": "Old things", "text": text}))

    assert made
    assert len(features(made[0], 0, around)) < 400
