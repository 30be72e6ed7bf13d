"""The committed suite of written cases, in fourteen languages: offers, near misses and disguises.

The texts were written for this project; none is a real listing.
"""

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from streams.screening.screener import build_ruleset
from streams.screening.tools import listing_from
from streams.screening.verdict import Verdict

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[3] / "data" / "screening" / "cases.jsonl")
    .read_text("utf-8")
    .splitlines()
]
LANGUAGES = {"en", "fr", "es", "pt", "de", "ru", "zh", "vi", "th", "id", "ar", "hi", "sw", "ja"}


@cache
def verdicts() -> tuple[Verdict, ...]:
    screener = build_ruleset().screener({})
    listings = [listing_from(case) for case in CASES]
    return tuple(screener.screen(listing, listing.observed_at) for listing in listings)


def judged(**wanted: Any) -> list[tuple[dict[str, Any], Verdict]]:
    return [
        (case, verdict)
        for case, verdict in zip(CASES, verdicts(), strict=True)
        if all(case[name] == value for name, value in wanted.items())
    ]


def test_who_is_not_told_why_gets_the_same_verdict() -> None:
    """A worker asks without the reasons of what comes out clear; nothing else may differ by that."""
    screener = build_ruleset().screener({})
    for case, told in zip(CASES, verdicts(), strict=True):
        listing = listing_from(case)
        untold = screener.screen(listing, listing.observed_at, told=False)
        if told.outcome == "clear":
            assert (untold.outcome, untold.entries) == ("clear", told.entries), case["id"]
            assert {one.rule_id for one in untold.rules} == {one.rule_id for one in told.rules}, case["id"]
        else:
            assert untold == told, case["id"]


def test_the_suite_is_broad() -> None:
    assert {case["lang"] for case in CASES} >= LANGUAGES
    assert len({case["id"] for case in CASES}) == len(CASES) >= 400
    for language in LANGUAGES:
        assert Counter(case["label"] for case in CASES if case["lang"] == language)[1] >= 4


def test_no_near_miss_is_noticed() -> None:
    assert [case["id"] for case, verdict in judged(label=0) if verdict.outcome == "notify"] == []


def test_no_more_than_one_near_miss_in_fifty_is_flagged() -> None:
    near = judged(label=0)
    flagged = [case["id"] for case, verdict in near if verdict.outcome in ("notify", "review")]

    assert len(flagged) <= len(near) // 50, flagged


@pytest.mark.parametrize("kind", ["offer", "post", "disguised"])
def test_at_least_nineteen_offers_in_twenty_are_flagged(kind: str) -> None:
    offers = judged(label=1, subset=kind)
    missed = [case["id"] for case, verdict in offers if verdict.outcome not in ("notify", "review")]

    assert offers
    assert len(missed) <= len(offers) // 20, missed


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_language_finds_its_offers(language: str) -> None:
    offers = judged(label=1, lang=language)
    missed = [case["id"] for case, verdict in offers if verdict.outcome not in ("notify", "review")]

    assert len(missed) <= len(offers) // 5, missed


def test_disguised_offers_say_that_they_are() -> None:
    told = [
        any(match.disguised for match in verdict.matches)
        for case, verdict in judged(label=1, subset="disguised", lang="en")
        if not case["title"].startswith(("#", "elephant-", "éléphánt"))
        and verdict.outcome in ("notify", "review")
    ]

    assert sum(told) / len(told) >= 0.8
