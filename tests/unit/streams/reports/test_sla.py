"""The SLA report: five figures, each its own."""

import json
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import OperatorError
from streams.notices.casebook.figures import ItemTimes
from streams.reports.commands import period_start
from streams.reports.sla import as_json, as_table, figures, quantile, span
from tests.support.notices import T0, at


def times(platform: str = "market", **changes: Any) -> ItemTimes:
    fields: dict[str, Any] = {
        "platform": platform,
        "notice_id": "n",
        "reference": "TKN-AAAAA",
        "listing_id": "1",
        "url": "https://market.example/1",
        "round": 1,
        "severity": "critical",
        "queued_at": at(-5),
        "first_attempt_at": at(-2),
        "sent_at": T0,
        "delivery": "accepted",
        "claim": "none",
        "outcome": None,
        "acknowledged_at": None,
        "decided_at": None,
        "removal_claimed_at": None,
        "claimed_effective_at": None,
        "content": "online",
        "last_online_at": at(1),
        "first_offline_at": None,
        "removal_verified_at": None,
        "reappeared_at": None,
        "mismatch_at": None,
        "late": 0,
    }
    return ItemTimes(**{**fields, **changes})


REMOVED = {
    "acknowledged_at": at(1),
    "decided_at": at(10),
    "claimed_effective_at": at(8),
    "claim": "removed",
    "outcome": "actioned_removed",
    "content": "offline_monitoring",
    "first_offline_at": at(30),
    "removal_verified_at": at(90),
}


def test_what_is_said_and_what_is_seen_stand_apart() -> None:
    [row] = figures([times(**REMOVED)], now=at(100))

    assert (row.acknowledged.median_s, row.decided.median_s) == (3, 10)
    assert (row.removed_claimed.median_s, row.removed_seen.median_s) == (8, 30)
    assert (row.still_open, row.late) == (0, 0)


def test_a_claimed_removal_that_nobody_saw_is_still_open() -> None:
    liar = times(claim="removed", decided_at=at(5), claimed_effective_at=at(4), mismatch_at=at(600), late=1)

    [row] = figures([liar], now=at(1_000))

    assert (row.removed_claimed.n, row.removed_seen.n, row.removed_seen.open) == (1, 0, 1)
    assert (row.still_open, row.claim_mismatch, row.late) == (1, 1, 1)
    assert row.oldest_open_s == 1_000


def test_one_unconfirmed_look_is_no_removal() -> None:
    [row] = figures([times(content="offline_unconfirmed", first_offline_at=at(30))], now=at(100))

    assert row.removed_seen.n == 0


def test_what_was_gone_before_the_notice_is_kept_out_of_the_speed() -> None:
    [row] = figures([times(content="pre_gone", first_offline_at=at(-1))], now=at(100))

    assert (row.already_gone, row.removed_seen.n, row.removed_seen.open, row.still_open) == (1, 0, 0, 0)


def test_a_notice_not_yet_sent_is_counted_and_owes_nothing() -> None:
    [row] = figures([times(sent_at=None, delivery="queued")], now=at(100))

    assert (row.notices, row.sent, row.still_open) == (1, 0, 0)


def test_one_row_a_platform() -> None:
    rows = figures([times("a"), times("a"), times("b")], now=at(9))

    assert [(row.platform, row.sent) for row in rows] == [("a", 2), ("b", 1)]


@given(st.lists(st.floats(0, 1e6), min_size=1).map(sorted))
def test_a_quantile_lies_between_the_ends_and_rises(values: list[float]) -> None:
    found = [quantile(values, share / 10) for share in range(11)]

    assert found[0] == values[0]
    assert found[-1] == pytest.approx(values[-1])
    assert all(a <= b or b == pytest.approx(a) for a, b in pairwise(found))  # type: ignore[operator]


def test_the_checksum_is_over_the_figures_and_not_over_when_they_were_made() -> None:
    rows = figures([times(**REMOVED)], now=at(100))
    first = as_json(rows, now=at(100), period={})
    second = as_json(rows, now=at(200), period={})
    changed = as_json(figures([times(late=1)], now=at(100)), now=at(100), period={})

    assert first["checksum"] == second["checksum"] != changed["checksum"]
    assert json.loads(json.dumps(first)) == first


def test_the_table_has_a_line_for_each_platform() -> None:
    table = as_table(figures([times(**REMOVED), times("other")], now=at(100)))

    assert [line.split()[0] for line in table.splitlines()[2:]] == ["market", "other"]
    assert "30s / 30s (1)" in table


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.0s"),
        (0.44, "0.4s"),
        (9.96, "10s"),
        (59.6, "1m00s"),
        (200, "3m20s"),
        (18_600, "5h10m"),
        (183_600, "2d3h"),
        (-5, "-5.0s"),
    ],
)
def test_spans_read_well(seconds: float, shown: str) -> None:
    assert span(seconds) == shown


def test_periods() -> None:
    assert period_start("36h", at(36 * 3_600)) == T0
    assert period_start("2026-03-02T09:00:00+00:00", at(0)) == T0
    assert period_start("2026-03-02", at(0)) == datetime(2026, 3, 2, tzinfo=T0.tzinfo)
    with pytest.raises(OperatorError, match="yesterday"):
        period_start("yesterday", at(0))
