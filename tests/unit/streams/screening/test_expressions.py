"""Regular expressions of analysts: none stalls a worker, and bad ones are refused with a reason."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.screening.expressions import Expressions
from tests.unit.streams.screening.test_screener import NOW, entry, listing, ruleset

CATASTROPHIC = [
    r"(a+)+$",
    r"(a|aa)+$",
    r"(a|a?)+b",
    r"(.*a){20}$",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"(x+x+)+y",
    r"([a-zA-Z]+)*\d$",
]


def regex(value: str, **changes: object) -> object:
    return entry(kind="regex", value=value, **changes)


@pytest.mark.parametrize("pattern", CATASTROPHIC)
def test_a_pattern_that_would_stall_a_backtracking_engine_is_done_at_once(pattern: str) -> None:
    expressions = Expressions([regex(pattern)])  # type: ignore[list-item]

    began = time.process_time()
    list(expressions.find("description", "a" * 50_000 + "!" + "x" * 50_000))
    assert time.process_time() - began < 2.0


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(unclosed", "missing"),
        (r"(?<=a)b", "invalid"),
        (r"(a)\1", "invalid"),
        ("a{1000}{1000}", "repetition"),
        (".*", "finds every text"),
        ("(?:)|x", "finds every text"),
        (r"\S", "finds every text"),
        (r"\p{Braille}{900}\p{L}{900}x{900}", ""),
    ],
)
def test_an_expression_that_cannot_be_used_is_refused_with_the_reason(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"regular expression .*{reason}"):
        ruleset().screener({"e-1": regex(pattern)})  # type: ignore[dict-item]


def test_a_hit_is_quoted_where_it_stands_even_where_no_name_does() -> None:
    screener = ruleset().screener({"e-1": regex(r"moon\s+biscuits?\s+\d+ ?g")})  # type: ignore[dict-item]

    told = screener.screen(listing("Fine 象 MOON  Biscuits 250 g, boxed"), NOW)

    (match,) = told.matches
    assert told.outcome == "review"
    assert match.quote == "MOON  Biscuits 250 g"
    assert "Fine 象 MOON  Biscuits 250 g, boxed"[match.start : match.end] == match.quote
    assert screener.screen(listing("Moon biscuits, boxed"), NOW).outcome == "clear"


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=200))
def test_any_text_is_searched_and_places_lie_inside_it(text: str) -> None:
    for place in Expressions([regex("[a-z]x|牙")]).find("title", text):  # type: ignore[list-item]
        assert text[place.start : place.end] == place.quote
