"""The screening from end to end: verdicts, quotes, versions, watchlist, and hostile text."""

import dataclasses
import time
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.listing import Listing, Price, Seller
from schemas.watchlist import WatchlistEntry
from streams.screening.screener import ScreeningRuleset, build_ruleset
from streams.screening.verdict import Verdict

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@cache
def ruleset() -> ScreeningRuleset:
    return build_ruleset()


def listing(title: str = "", text: str = "", **fields: Any) -> Listing:
    return Listing.sealed(
        platform="sandbox-prompt",
        listing_id="1",
        url="https://example.org/1",
        title=title,
        description=text,
        observed_at=NOW,
        connector="test",
        run_id="test",
        **fields,
    )


def screen(title: str = "", text: str = "", **fields: Any) -> Verdict:
    return ruleset().screener({}).screen(listing(title, text, **fields), NOW)


def entry(**changes: Any) -> WatchlistEntry:
    row = {
        "entry_id": "e-1",
        "kind": "term",
        "value": "moon biscuit",
        "reason": "seen as a cover word",
        "source": "desk research",
        "added_by": "analyst",
        "added_at": NOW,
    }
    return WatchlistEntry.model_validate({**row, **changes})


def test_an_unambiguous_offer_is_noticed_with_taxon_specimen_and_rule() -> None:
    verdict = screen("Hand carved elephant ivory netsuke, 52 g", "Ships worldwide. Price 300 USD.")

    assert verdict.outcome == "notify"
    assert verdict.taxon is not None
    assert (verdict.taxon.scientific_name, verdict.taxon.rank) == ("Elephantidae", "family")
    assert verdict.specimen is not None
    assert verdict.specimen.product == "ivory"
    assert [rule.rule_id for rule in verdict.rules if rule.outcome == "notify"] == ["elephant-ivory.offered"]
    assert verdict.severity == "critical"


@pytest.mark.parametrize(
    "title",
    [
        "Ivory lace wedding dress, size 12",
        "Elephant plush toy",
        "Book about the ivory trade, hardcover",
        "Tiger lily bulbs",
        "Blue ceramic mug",
        "",
    ],
)
def test_innocent_listings_are_not_flagged(title: str) -> None:
    assert screen(title, price=Price(amount=10)).outcome in ("clear", "monitor")


@pytest.mark.parametrize(
    ("title", "quote"),
    [
        pytest.param("Carved ELEPHANT\u200b IVORY ring for sale", "ELEPHANT\u200b IVORY", id="zero width"),
        pytest.param("Vends défense d’éléphant 2 kg", "défense d’éléphant", id="marks"),
        pytest.param("出售：真品 象牙手镯 包邮", "象牙手镯", id="Han"),
        pytest.param("продам рог носорога", "рог носорога", id="Cyrillic"),
    ],
)
def test_quotes_are_the_sellers_own_characters(title: str, quote: str) -> None:
    verdict = screen(title)

    assert quote in {match.quote for match in verdict.matches}
    assert all(match.quote == title[match.start : match.end] for match in verdict.matches)


def test_spans_point_into_the_field_they_name() -> None:
    title, text = "Netsuke", "A  beautiful one of real elephant ivory, 40 g, for sale."
    verdict = screen(title, text)
    fields = {"title": title, "description": text}

    assert verdict.outcome == "notify"
    assert {m.quote: fields[m.field][m.start : m.end] for m in verdict.matches} == {
        m.quote: m.quote for m in verdict.matches
    }


def test_the_explanation_quotes_names_and_says_what_speaks_against() -> None:
    told = screen("Carved elephant ivory ring with Article 10 certificate, 20 g, price 90 USD").explanation

    for part in (
        "“elephant ivory”",
        "Elephantidae",
        "Appendix I/II",
        "elephant-ivory.offered",
        "“Article 10",
    ):
        assert part in told


def test_what_its_seller_took_away_is_not_screened() -> None:
    offer = ("Carved elephant ivory bangle", "Genuine ivory, for sale")

    assert screen(*offer).outcome == "notify"
    assert screen(*offer, gone=True).outcome == "clear"


def test_a_permit_in_the_text_takes_the_notice_to_a_person() -> None:
    assert screen("Elephant ivory bangle, CITES certificate, 300 EUR").outcome == "review"


def test_a_report_about_crime_is_no_offer() -> None:
    assert screen("", "Police seized elephant ivory tusks and arrested two smugglers.").outcome == "clear"


def test_the_same_input_gives_the_same_verdict_and_version() -> None:
    one, two = build_ruleset(), ruleset()
    sample = listing("Rhino horn cup, carved", "antique, 12 cm, price 900 USD")

    assert one.screener({}).version == two.screener({}).version
    assert one.screener({}).screen(sample, NOW) == two.screener({}).screen(sample, NOW)


def test_the_version_changes_with_the_watchlist_and_fits_the_detection() -> None:
    empty, filled = ruleset().screener({}), ruleset().screener({"e-1": entry()})
    changed = ruleset().screener({"e-1": entry(reason="another reason")})

    assert len({empty.version, filled.version, changed.version}) == 3
    assert len(filled.version) <= 128


def test_a_watchlist_term_flags_with_its_reason_and_source() -> None:
    verdict = ruleset().screener({"e-1": entry()}).screen(listing("Two Moon-Biscuits… MOON BISCUIT"), NOW)

    assert verdict.outcome == "review"
    assert [(m.kind, m.ref, m.quote) for m in verdict.matches] == [
        ("watchlist", "watchlist:e-1", "MOON BISCUIT")
    ]
    assert "seen as a cover word" in verdict.explanation
    assert "desk research" in verdict.explanation


def test_a_watchlist_term_inside_another_word_is_not_found() -> None:
    assert (
        ruleset().screener({"e-1": entry(value="oud")}).screen(listing("A cloud lamp"), NOW).outcome
        == "clear"
    )


def test_an_entry_for_another_platform_is_not_applied() -> None:
    screener = ruleset().screener({"e-1": entry(platform="elsewhere")})

    assert screener.screen(listing("moon biscuit"), NOW).outcome == "clear"


def test_a_shadow_entry_is_counted_and_changes_nothing() -> None:
    verdict = ruleset().screener({"e-1": entry(state="shadow")}).screen(listing("moon biscuit"), NOW)

    assert verdict.outcome == "clear"
    assert [rule.shadow for rule in verdict.rules] == [True]


def test_a_watched_seller_is_flagged_whatever_the_text() -> None:
    screener = ruleset().screener({"e-1": entry(kind="seller", value="Some_Seller")})

    verdict = screener.screen(listing("Blue mug", seller=Seller(handle="some_seller")), NOW)

    assert verdict.outcome == "review"
    assert verdict.matches[0].field == "seller"


def test_the_negative_list_takes_a_notice_to_a_person() -> None:
    screener = ruleset().screener({"e-1": entry(kind="not_seller", value="museum-shop")})
    offered = listing("Carved elephant ivory netsuke, 52 g, 300 USD", seller=Seller(handle="museum-shop"))

    assert ruleset().screener({}).screen(offered, NOW).outcome == "notify"
    assert screener.screen(offered, NOW).outcome == "review"


WORDS = st.sampled_from(
    [
        "ivory",
        "elephant",
        "rhino",
        "horn",
        "carved",
        "tiger",
        "skin",
        "象牙",
        "手镯",
        "งาช้าง",
        "عاج",
        "слоновая",
        "кость",
        "plush",
        "fossil",
        "sale",
        "ivory\u200b",
        "iv0ry",
        "i-v-o-r-y",
        "ivоry",
        "52",
        "g",
        "$",
        "9",
        "#",
    ]
)
HOSTILE = st.lists(
    st.one_of(WORDS, st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=6)), max_size=30
).map(" ".join)


@given(HOSTILE, HOSTILE)
@settings(max_examples=250, deadline=None)
def test_no_text_makes_it_raise_and_every_match_is_a_true_quote(title: str, text: str) -> None:
    sample = Listing.model_construct(**{**dict(listing("x")), "title": title, "description": text})
    verdict = ruleset().screener({}).screen(sample, NOW)
    fields = {"title": title, "description": text}

    assert verdict.explanation
    assert 0 <= verdict.score <= 1
    assert all(m.quote == fields[m.field][m.start : m.end][:2000] for m in verdict.matches)


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=300))
@settings(max_examples=250, deadline=None)
def test_lone_surrogates_and_control_characters_do_no_harm(text: str) -> None:
    sample = Listing.model_construct(
        **{**dict(listing("x")), "description": f"elephant ivory {text} for sale"}
    )

    ruleset().screener({}).screen(sample, NOW)


@pytest.mark.parametrize(
    "piece",
    ["ivory ", "a", "象牙", "a b c d ", "\u0301", "tiger skin plush sale stamp ", "1", "$1 "],
    ids=["term", "letter", "Han", "single letters", "marks", "many cues", "digits", "prices"],
)
def test_time_is_linear_in_the_text(piece: str) -> None:
    screener = ruleset().screener({})

    def seconds(size: int) -> float:
        sample = listing("x", (piece * size)[:size])
        best = 9.0
        for _ in range(3):
            started = time.process_time()
            screener.screen(sample, NOW)
            best = min(best, time.process_time() - started)
        return best

    small, large = seconds(10_000), seconds(160_000)

    assert large < max(0.05, small) * 40
    assert large < 3


def test_repetition_does_not_hide_what_follows() -> None:
    decoys = "owl mug. " * 8_000 + "tiger print, leopard print, parrot cage, shark vacuum. " * 500

    assert screen("", f"{decoys} For sale: real elephant ivory tusk, 3 kg").outcome in ("review", "notify")


@pytest.mark.parametrize("end", [";", "", "x"])
@pytest.mark.parametrize(
    "number", ["9" * 5_000, "0" * 5_000, "0" * 5_000 + "9", "99999999", "x" + "f" * 5_000]
)
def test_a_reference_to_no_character_hides_nothing_beside_it(number: str, end: str) -> None:
    found = screen("", f"&#{number}{end} Hand carved elephant ivory netsuke, 52 g &#{number}{end}")

    assert found.outcome in ("review", "notify")


def test_a_letter_written_as_a_number_with_many_zeros_is_read() -> None:
    zeros = "0" * 5_000

    assert screen("", f"Hand carved elephant &#{zeros}105;vory netsuke, 52 g").outcome in ("review", "notify")


def test_what_the_title_says_it_is_holds_for_the_description_too() -> None:
    text = "A soft friend for the little ones. Grey elephant with tusks of felt, 70 cm."

    assert screen("Big plush animal", text, price=Price(amount=10)).outcome in ("clear", "monitor")
    assert screen("Big old animal", text, price=Price(amount=10)).outcome == "review"


@pytest.mark.parametrize("kind", ["term", "seller", "not_term", "not_seller"])
def test_a_shadow_entry_is_counted_and_changes_nothing_else(kind: str) -> None:
    value = "seller-17" if "seller" in kind else "elephant ivory"
    shadow = entry(kind=kind, value=value, state="shadow", outcome="notify", taxon="Panthera tigris")
    screener = ruleset().screener({"e-1": shadow})
    for title in ("Hand carved elephant ivory netsuke, 52 g", "A blue mug and elephant ivory toys"):
        sample = listing(title, seller=Seller(handle="seller-17"))
        before, after = ruleset().screener({}).screen(sample, NOW), screener.screen(sample, NOW)

        assert after.entries == ("e-1",)
        assert [one for one in after.rules if not one.shadow] == list(before.rules)
        assert len(after.rules) - len(before.rules) == (0 if kind.startswith("not_") else 1)
        assert dataclasses.replace(after, rules=(), entries=()) == dataclasses.replace(before, rules=())
    alone = screener.screen(listing("", "A mug", seller=Seller(handle="seller-17")), NOW)
    assert (alone.outcome, alone.score, alone.taxon) == ("clear", 0.0, None)


def test_an_entry_that_comes_down_to_one_letter_is_refused() -> None:
    with pytest.raises(ValueError, match="one letter"):
        ruleset().screener({"e-1": entry(value="x\u200b")})
