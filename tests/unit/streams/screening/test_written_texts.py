"""Larger sets of written texts: posts of a social network, and ads of a marketplace.

``posts``, ``ads``, ``dealers`` and ``curios`` were written for this project by people who did not know the
rules, the terse ones by somebody who did; words were added to the reference after reading what was missed,
so that the figures here are no measure for texts that nobody has seen. What they hold is that nothing found
once is lost again.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from streams.screening.claims import may_claim, named
from streams.screening.surroundings import HEADING, heading_of
from streams.screening.text import Folded
from streams.screening.tools import listing_from
from tests.unit.streams.screening.test_offer import ruleset

FOLDER = Path(__file__).parents[3] / "data" / "screening"


@cache
def outcomes(name: str) -> tuple[tuple[dict[str, Any], str], ...]:
    rows = [json.loads(line) for line in (FOLDER / name).read_text("utf-8").splitlines()]
    screener = ruleset().screener({})
    listings = [(row, listing_from(row)) for row in rows if not row["ambiguous"]]
    return tuple((row, screener.screen(one, one.observed_at).outcome) for row, one in listings)


FILES = [
    "posts.jsonl",
    "ads.jsonl",
    "terse_posts.jsonl",
    "terse_ads.jsonl",
    "dealers_posts.jsonl",
    "dealers_ads.jsonl",
    "curios_posts.jsonl",
    "curios_ads.jsonl",
]


@pytest.mark.parametrize("name", FILES)
def test_nothing_innocent_is_noticed(name: str) -> None:
    wrong = [row["id"] for row, outcome in outcomes(name) if outcome == "notify" and not row["label"]]

    assert wrong == []


@pytest.mark.parametrize(
    ("name", "least", "precision", "recall"),
    [
        (FILES[0], 80, 0.90, 0.90),
        (FILES[1], 80, 0.95, 0.92),
        (FILES[2], 80, 0.90, 0.90),
        (FILES[3], 80, 0.95, 0.92),
        (FILES[4], 30, 0.85, 0.88),
        (FILES[5], 60, 0.95, 0.90),
        (FILES[6], 30, 0.95, 0.92),
        (FILES[7], 60, 0.94, 0.95),
    ],
)
def test_flagged_is_precise_and_finds_most(name: str, least: int, precision: float, recall: float) -> None:
    flagged = [row["label"] for row, outcome in outcomes(name) if outcome in ("notify", "review")]
    offers = sum(row["label"] for row, _ in outcomes(name))

    assert len(outcomes(name)) > 150
    assert offers > least
    assert sum(flagged) / len(flagged) >= precision
    assert sum(flagged) / offers >= recall


@pytest.mark.parametrize("name", FILES)
def test_what_makes_a_claim_is_never_passed_over_before_the_words_around_are_read(name: str) -> None:
    vocabulary = ruleset().vocabulary
    passed, lost = 0, []
    for row, _ in outcomes(name):
        listing = listing_from(row)
        fields = {
            field: Folded(text)
            for field, text in (("title", listing.title), ("description", listing.description))
            if text
        }
        for heading in (heading_of(fields, HEADING), None):
            names = {field: vocabulary.names.find(field, folded) for field, folded in fields.items()}
            around = {field: vocabulary.context.hits(folded.text) for field, folded in fields.items()}
            if any(names.values()) and not may_claim(names, around, vocabulary.context.roles, heading):
                passed += 1
                if named(vocabulary.read(fields), heading, fields, priced=True):
                    lost.append(row["id"])

    assert passed > 0
    assert lost == []
