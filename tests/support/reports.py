"""Values for tests of reports."""

from dataclasses import replace
from typing import Any

from streams.notices.casebook.figures import ItemTimes
from tests.support.notices import T0, at

PLAIN = ItemTimes(
    platform="market",
    notice_id="n",
    reference="TKN-AAAAA",
    listing_id="1",
    url="https://market.example/1",
    round=1,
    severity="critical",
    queued_at=at(-5),
    first_attempt_at=at(-2),
    sent_at=T0,
    delivery="accepted",
    claim="none",
    outcome=None,
    acknowledged_at=None,
    decided_at=None,
    removal_claimed_at=None,
    claimed_effective_at=None,
    content="online",
    last_online_at=at(1),
    first_offline_at=None,
    removal_verified_at=None,
    reappeared_at=None,
    mismatch_at=None,
    late=0,
)
"""Told, and online since."""


def times(platform: str = "market", **changes: Any) -> ItemTimes:
    return replace(PLAIN, platform=platform, **changes)


REMOVED = times(
    acknowledged_at=at(1),
    decided_at=at(10),
    claimed_effective_at=at(8),
    claim="removed",
    outcome="actioned_removed",
    content="offline_monitoring",
    first_offline_at=at(30),
    removal_verified_at=at(90),
)
