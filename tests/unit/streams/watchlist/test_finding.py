"""Entries are found by what they say and where they stand; the address says the same again."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.watchlist import finding
from streams.watchlist.finding import Asked
from tests.support.desk import NOW
from tests.support.lists import entry

GONE, LATER = NOW - timedelta(days=1), NOW + timedelta(days=1)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({}, "live"),
        ({"expires_at": LATER}, "live"),
        ({"expires_at": NOW}, "expired"),
        ({"state": "shadow"}, "shadow"),
        ({"state": "shadow", "expires_at": GONE}, "expired"),
        ({"state": "quarantined", "expires_at": GONE}, "quarantined"),
        ({"state": "retired", "expires_at": GONE}, "retired"),
    ],
)
def test_an_entry_stands_where_workers_put_it(changes: dict[str, Any], where: str) -> None:
    assert finding.standing(entry("jelly", **changes), NOW) == where


LIST = (
    entry("white plastic", product="ivory", added_at=NOW - timedelta(hours=2)),
    entry("Jelly", state="shadow", added_by="ada", outcome="monitor"),
    entry("+84 90 123 45 67", kind="phone", platform="market", expires_at=GONE, added_at=GONE),
)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (Asked(), ["Jelly", "white plastic", "+84 90 123 45 67"]),
        (Asked(q="IVORY", order="value"), ["+84 90 123 45 67", "Jelly", "white plastic"]),
        (Asked(q="ada"), ["Jelly"]),
        (Asked(standing="live"), ["white plastic"]),
        (Asked(standing="expired", kind="phone"), ["+84 90 123 45 67"]),
        (Asked(outcome="monitor"), ["Jelly"]),
        (Asked(platform="market"), ["+84 90 123 45 67"]),
        (Asked(order="expires"), ["+84 90 123 45 67", "white plastic", "Jelly"]),
        (Asked(q="jelly", standing="live"), []),
    ],
)
def test_each_filter_keeps_what_meets_it(asked: Asked, found: list[str]) -> None:
    assert [one.value for one in finding.chosen(LIST, asked, NOW)] == found


def test_pages_hold_every_entry_once_and_a_page_beyond_the_last_is_the_last() -> None:
    many = [entry(f"word {number}") for number in range(finding.PAGE * 2 + 1)]

    pages = [finding.page(many, Asked(page=number), NOW) for number in (1, 2, 3, 4)]

    assert [len(one.lines) for one in pages] == [finding.PAGE, finding.PAGE, 1, 1]
    assert {one.entry_id for page in pages for one in page.lines} == {one.entry_id for one in many}
    assert (pages[0].count, pages[0].pages) == (len(many), 3)


@given(st.dictionaries(st.sampled_from(["q", "order", "page", "kind", "standing"]), st.text(max_size=300)))
def test_no_address_is_too_odd_to_be_read(given: dict[str, str]) -> None:
    asked = Asked.read(given)

    assert asked.page >= 0
    assert asked.order in finding.ORDERS
    finding.page(LIST, asked, NOW)


def test_counts_name_every_state_and_differences_every_field_that_differs() -> None:
    told = finding.counts(LIST, NOW)
    before, after = LIST[0], LIST[0].model_copy(update={"confidence": 0.5, "platform": "market"})

    assert (told["live"], told["shadow"], told["expired"], told["retired"]) == (1, 1, 1, 0)
    assert finding.differences(before, after) == (
        ("platform", "–", "market"),
        ("confidence", "1.0", "0.5"),
    )
