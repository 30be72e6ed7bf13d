"""Ids of verdicts."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.detection import Detection, detection_id
from schemas.listing import Listing


def listing(**fields: Any) -> Listing:
    shown = {
        "platform": "bazaar",
        "listing_id": "1",
        "url": "https://bazaar.example/items/1",
        "observed_at": "2026-03-09T08:00:00Z",
        "connector": "feed",
        "run_id": "run-1",
    }
    return Listing.sealed(**{**shown, **fields})


def test_reading_the_same_snapshot_again_gives_the_same_id() -> None:
    first = listing()
    replayed = Listing.from_bytes(first.to_bytes())
    seen_later = listing(observed_at="2026-04-01T00:00:00Z", run_id="run-2")

    assert detection_id(first, "rules-1") == detection_id(replayed, "rules-1")
    assert detection_id(first, "rules-1") == detection_id(seen_later, "rules-1")


def test_other_rules_other_content_and_other_listings_have_other_ids() -> None:
    ids = {
        detection_id(listing(), "rules-1"),
        detection_id(listing(), "rules-2"),
        detection_id(listing(title="Changed"), "rules-1"),
        detection_id(listing(listing_id="2"), "rules-1"),
        detection_id(listing(platform="market"), "rules-1"),
    }

    assert len(ids) == 5


@given(st.text(max_size=20))
def test_the_id_has_the_form_that_the_message_demands(ruleset: str) -> None:
    pattern = Detection.model_json_schema()["properties"]["detection_id"]["pattern"]

    assert pattern == r"^d_[0-9a-f]{40}$"
    made = detection_id(listing(), ruleset)
    assert made.startswith("d_")
    assert len(made) == 42
