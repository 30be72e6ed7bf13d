"""The species-law matrix: place by place, claims of lawfulness, and unknown that is not no."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
import yaml

from schemas.detection import Legality
from schemas.listing import Listing
from schemas.watchlist import RulePackRelease
from streams.screening.law import load_law
from streams.screening.legality import Matrix, Offered, load_matrix, read_matrix, told_of
from streams.screening.places import Places, PlatformLaw, platform_laws
from streams.screening.screener import ScreeningRuleset, build_ruleset
from streams.screening.verdict import Verdict

NOW = datetime(2026, 11, 25, tzinfo=UTC)
IVORY = Offered("I/II", "", "elephant", "ivory", "part")
TIGER = Offered("I", "", "tiger", "skin", "part")
SCALES = Offered("I", "", "pangolin", "scales", "part")
PYTHON = Offered("II", "", "python", "leather", "part")
NOTHING = Offered("none", "", "mammoth", "mammoth ivory", "part")


@cache
def matrix() -> Matrix:
    return load_matrix(load_law())


@cache
def ruleset() -> ScreeningRuleset:
    places = Places()
    told = [("de-market", "DE", True), ("gb-market", "GB", False), ("jp-market", "JP", False)]
    return build_ruleset(platforms=platform_laws(places, told))


def screened(title: str, **fields: Any) -> Verdict:
    listing = Listing.sealed(
        **{
            "platform": "p",
            "listing_id": "1",
            "url": "https://x.example/1",
            "title": title,
            "observed_at": NOW,
            "connector": "file",
            "run_id": "r",
            **fields,
        }
    )
    return ruleset().screener({}).screen(listing, NOW)


@pytest.mark.parametrize(
    ("offered", "verdict"),
    [
        pytest.param(IVORY, "illegal", id="ivory, nobody knows where"),
        pytest.param(PYTHON, "needs_permit_check", id="Appendix II, nobody knows where"),
        pytest.param(NOTHING, "unknown", id="not listed, no law known"),
        pytest.param(replace(IVORY, seller="EU"), "illegal", id="ivory in the EU"),
        pytest.param(
            replace(IVORY, seller="EU", claims=frozenset({"antique"})), "needs_permit_check", id="EU antique"
        ),
        pytest.param(
            replace(IVORY, seller="GB", claims=frozenset({"antique"})), "needs_permit_check", id="GB antique"
        ),
        pytest.param(
            replace(IVORY, seller="CN", claims=frozenset({"antique"})), "illegal", id="China antique"
        ),
        pytest.param(replace(IVORY, seller="JP", ships_to=("JP",)), "needs_permit_check", id="within Japan"),
        pytest.param(replace(IVORY, seller="JP", ships_to=("US",)), "illegal", id="Japan to the US"),
        pytest.param(
            replace(IVORY, seller="HK", claims=frozenset({"antique"})), "needs_permit_check", id="HK antique"
        ),
        pytest.param(
            replace(IVORY, seller="GB", ships_to=("VN",), claims=frozenset({"antique"})),
            "illegal",
            id="GB antique to Viet Nam",
        ),
        pytest.param(replace(TIGER, seller="US"), "illegal", id="tiger in the US"),
        pytest.param(
            replace(TIGER, seller="US", claims=frozenset({"antique"})), "needs_permit_check", id="US antique"
        ),
        pytest.param(
            replace(SCALES, claims=frozenset({"captive-bred"})),
            "needs_permit_check",
            id="captive-bred claimed",
        ),
        pytest.param(replace(SCALES, seller="NG"), "illegal", id="no row, may cross a border"),
        pytest.param(replace(SCALES, seller="NG", ships_to=("NG",)), "unknown", id="no row, stays there"),
        pytest.param(
            replace(SCALES, seller="NG", ships_to=("NG",), policy_forbids=True),
            "policy_breach",
            id="own policy",
        ),
        pytest.param(replace(PYTHON, annex="A", seller="EU"), "illegal", id="Appendix II in Annex A"),
        pytest.param(replace(PYTHON, seller="EU"), "needs_permit_check", id="Annex B by Appendix II"),
    ],
)
def test_the_matrix_answers(offered: Offered, verdict: Legality) -> None:
    judgement = matrix().judge(offered)

    assert judgement.verdict == verdict
    assert verdict == "unknown" or judgement.basis


def test_a_claim_never_makes_an_offer_graver_and_never_lawful() -> None:
    gravity = ["lawful", "unknown", "needs_permit_check", "policy_breach", "illegal"]
    for offered in (IVORY, TIGER, SCALES, PYTHON):
        for place in matrix().places:
            for claim in ("antique", "captive-bred", "pre-convention", "permit"):
                plain = matrix().judge(replace(offered, seller=place)).verdict
                claimed = matrix().judge(replace(offered, seller=place, claims=frozenset({claim}))).verdict
                assert gravity.index(claimed) <= gravity.index(plain), (offered, place, claim)
                assert claimed != "lawful"


def test_every_row_names_provisions_and_says_whether_it_was_checked() -> None:
    law = load_law()

    assert len(matrix().rows) >= 50
    for row in matrix().rows:
        assert all(basis in law for basis in row.basis), row.id
        assert not row.checked, f"{row.id}: say in law.yaml who has read it against the text"
        assert all(law[basis].jurisdiction in (row.jurisdiction, "international") for basis in row.basis), (
            row.id
        )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"basis": ["no-such-law"]}, "no provision"),
        ({"verdict": "fine"}, "verdict"),
        ({"colour": 1}, "colour"),
    ],
)
def test_a_broken_row_is_refused(change: dict[str, Any], said: str) -> None:
    row = {
        "id": "x",
        "jurisdiction": "EU",
        "verdict": "illegal",
        "basis": ["eu-338-97-art-8"],
        "why": "w",
        "checked": False,
    }

    assert read_matrix(yaml.safe_dump([row]), load_law()).rows
    with pytest.raises(ValueError, match=said):
        read_matrix(yaml.safe_dump([{**row, **change}]), load_law())
    with pytest.raises(ValueError, match="twice"):
        read_matrix(yaml.safe_dump([row, row]), load_law())


@pytest.mark.parametrize(
    ("shown", "law"),
    [
        ("Paris, France", "EU"),
        ("80331 München, DE", "EU"),
        ("London (UK)", "GB"),
        ("Hà Nội", "VN"),
        ("กรุงเทพมหานคร", "TH"),
        ("東京", "JP"),
        ("Texas", "US"),
        ("Worldwide", "international"),
        ("my cellar", ""),
        ("in de buurt", ""),
        ("", ""),
    ],
)
def test_places_are_read_as_shown_or_stay_unknown(shown: str, law: str) -> None:
    assert Places().jurisdiction(shown) == law


def test_an_antique_where_antiques_may_be_exempt_goes_to_a_person() -> None:
    title = "Antique hand carved elephant ivory bangle, 48 g, 250 USD"

    assert screened(title).outcome == "notify"
    in_britain = screened(title, location="London, UK")
    assert in_britain.outcome == "review"
    assert "depends on papers" in in_britain.explanation
    assert [(one.jurisdiction, one.verdict) for one in in_britain.legality] == [("GB", "needs_permit_check")]
    assert screened(title, location="Shanghai, China").outcome == "notify"


@pytest.mark.parametrize(
    ("title", "verdict"),
    [
        ("Hippo ivory knife handle, hand carved, 120 GBP", "illegal"),
        ("Narwhal tusk, 1.9 m, 4,000 GBP", "illegal"),
        ("Sperm whale tooth, scrimshaw, 300 GBP", "illegal"),
        ("Walrus ivory knife handle, hand carved, 120 GBP", "unknown"),
    ],
)
def test_the_british_ban_reaches_the_ivory_it_names(title: str, verdict: str) -> None:
    assert ("GB", verdict) in [
        (one.jurisdiction, one.verdict) for one in screened(title, location="London, UK").legality
    ]


def test_unknown_law_never_sends() -> None:
    title = "Pangolin scales, dried, 3 kg"

    assert screened(title, location="Lagos, Nigeria").outcome == "notify"
    domestic = screened(title, location="Lagos, Nigeria", ships_to=["Nigeria"])
    assert domestic.outcome == "review"
    assert "unknown is not no" in domestic.explanation
    forbidden = screened(title, platform="de-market", location="Lagos, Nigeria", ships_to=["Nigeria"])
    assert forbidden.outcome == "notify"
    assert "platform" in [one.jurisdiction for one in forbidden.legality]


def test_a_lawful_market_is_not_noticed() -> None:
    title = "本象牙 根付 彫刻 48g"
    within = screened(title, platform="jp-market", location="東京", ships_to=["日本"])

    assert {one.verdict for one in within.legality} == {"needs_permit_check"}
    assert within.outcome != "notify"


def test_the_platforms_country_is_part_of_the_version() -> None:
    one = build_ruleset(platforms={"p": PlatformLaw("GB", "GB")}).screener({}).version
    other = build_ruleset(platforms={"p": PlatformLaw("EU", "FR")}).screener({}).version

    assert one != other


def test_a_taxon_that_nobody_checked_is_not_noticed_by_its_scientific_name() -> None:
    checked = screened("Genuine skull of Crocodylus siamensis, 30 cm")
    unchecked = screened("Genuine skull of Macaca sylvanus, 12 cm")

    assert checked.outcome == "notify"
    assert unchecked.outcome == "review"
    assert "nobody has checked" in unchecked.explanation


def test_the_answer_reads_as_a_sentence() -> None:
    said = told_of(matrix().judge(replace(IVORY, seller="GB")))

    assert said == (
        "By law and policy: GB: not allowed, because dealing in elephant ivory is prohibited (unchecked)."
    )


def test_a_stated_permit_number_is_judged_in_the_explanation() -> None:
    good = screened("Hand carved elephant ivory bangle, Article 10 certificate no. 562345/01, 250 GBP")
    bad = screened("Hand carved elephant ivory bangle, 250 GBP", permit_statement="permit 00000000")

    assert good.outcome == bad.outcome == "review"
    assert "562345/01 of a permit or certificate: it has the form of the United Kingdom" in good.explanation
    assert "00000000 of a permit or certificate: it repeats one digit" in bad.explanation


@pytest.mark.parametrize(
    ("condition", "title"),
    [
        (
            'legality == "illegal" && legality_basis.exists(b, b == "cites-appendix-i")',
            "Pangolin scales, 3 kg",
        ),
        ('contacts.exists(c, c == "telegram")', "Pangolin scales, 3 kg, t.me/test_seller"),
        ('permit_form == "implausible"', "Pangolin scales, 3 kg, CITES permit 0000000"),
        ('permit_form == "none" && contacts.size() == 0', "Pangolin scales, 3 kg"),
    ],
)
def test_a_rule_may_ask_for_law_permits_and_contacts(condition: str, title: str) -> None:
    text = yaml.safe_dump(
        {
            "pack": "asks",
            "version": 1,
            "title": "t",
            "rules": [
                {
                    "id": "asks.it",
                    "title": "t",
                    "description": "d",
                    "severity": "high",
                    "outcome": "monitor",
                    "groups": ["pangolin"],
                    "when": condition,
                    "tests": {
                        "must_hit": [{"title": title}],
                        "must_not_hit": [{"title": "Pangolin plush toy"}],
                    },
                }
            ],
        }
    )
    release = RulePackRelease(
        pack="asks",
        version=1,
        text=text,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        released_by="t",
        released_at=NOW,
    )
    rules = ruleset().with_packs({release.key: release})
    listing = Listing.sealed(
        platform="p",
        listing_id="1",
        url="https://x.example/1",
        title=title,
        observed_at=NOW,
        connector="c",
        run_id="r",
    )

    assert "asks.it" in [one.rule_id for one in rules.screener({}).screen(listing, NOW).rules]
