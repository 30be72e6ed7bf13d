"""Two larger sets of written texts: posts of a social network, and ads of a marketplace.

They were written for this project by somebody who did not know the rules; words were added to the
reference after reading what was missed, so that the figures here are no measure for texts that
nobody has seen. What they hold is that nothing found once is lost again.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from streams.screening.screener import build_ruleset
from streams.screening.tools import listing_from

FOLDER = Path(__file__).parents[3] / "data" / "screening"


@cache
def outcomes(name: str) -> tuple[tuple[dict[str, Any], str], ...]:
    rows = [json.loads(line) for line in (FOLDER / name).read_text("utf-8").splitlines()]
    screener = build_ruleset().screener({})
    listings = [(row, listing_from(row)) for row in rows if not row["ambiguous"]]
    return tuple((row, screener.screen(one, one.observed_at).outcome) for row, one in listings)


@pytest.mark.parametrize("name", ["posts.jsonl", "ads.jsonl"])
def test_nothing_innocent_is_noticed(name: str) -> None:
    wrong = [row["id"] for row, outcome in outcomes(name) if outcome == "notify" and not row["label"]]

    assert wrong == []


@pytest.mark.parametrize(
    ("name", "precision", "recall"), [("posts.jsonl", 0.90, 0.90), ("ads.jsonl", 0.95, 0.90)]
)
def test_flagged_is_precise_and_finds_most(name: str, precision: float, recall: float) -> None:
    flagged = [row["label"] for row, outcome in outcomes(name) if outcome in ("notify", "review")]
    offers = sum(row["label"] for row, _ in outcomes(name))

    assert len(outcomes(name)) > 400
    assert offers > 150
    assert sum(flagged) / len(flagged) >= precision
    assert sum(flagged) / offers >= recall
