"""What is sent in a load run, and how a decision is seen."""

import json

import pytest

from streams.load.sending import Sent, listings, note
from streams.screening.screener import build_ruleset
from tests.support.notices import T0


@pytest.mark.parametrize(("count", "offers"), [(100, 0), (100, 1), (100, 7), (100, 100), (7, 3)])
def test_there_are_as_many_offers_as_asked_for(count: int, offers: int) -> None:
    made = list(listings(count, offers, "practice", "https://practice.example", "run"))

    assert sum(offer for _, offer in made) == offers
    assert len({listing.listing_id for listing, _ in made}) == count


def test_offers_lead_to_a_notice_and_nothing_else_does() -> None:
    screener = build_ruleset().screener({})

    for listing, offer in listings(120, 6, "practice", "https://practice.example", "run"):
        assert (screener.screen(listing, T0).outcome == "notify") == offer, listing.title


def test_a_range_of_progress_marks_its_offsets() -> None:
    sent = Sent()
    told = {
        "topic": "listings",
        "partition": 1,
        "first_offset": 3,
        "next_offset": 6,
        "decided": 3,
        "worker": "w",
        "decided_at": "2026-11-26T00:00:00Z",
    }
    note(json.dumps(told).encode(), sent)
    note(json.dumps({**told, "next_offset": 7}).encode(), sent)
    note(json.dumps({**told, "topic": "reports", "next_offset": 9}).encode(), sent)
    note(b"not json", sent)

    assert sent.decided == {(1, 3), (1, 4), (1, 5), (1, 6)}
