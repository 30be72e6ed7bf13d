"""What is sent in a load run, and how a decision is seen."""

import asyncio
import json

import pytest

from streams.load import run
from streams.load.run import Load
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


async def test_it_is_said_again_and_again_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    load, sent, told = Load(10.0, 2_000, 0.1, 1, 60.0), Sent(), list[str]()
    sent.decided |= {(0, at) for at in range(30 + 1_500)}  # the first 30 warmed up
    sent.due |= {(0, at): 0.0 for at in range(30, 1_630)}
    sent.offers, sent.detected, sent.late_s = {"a": 0.0, "b": 0.0}, {"a": 0.1, "warm-up": 0.0}, 0.0123
    monkeypatch.setattr(run, "TELL_S", 0.01)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(run.tell_again(load, sent, told.append), 0.5)

    assert len(told) >= 2
    assert set(told) == {"1,600 of 2,000 sent, 1,500 decided, 1 of 2 offers detected, at most 12 ms behind"}
