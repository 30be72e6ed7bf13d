"""The SLA report: four measures, each its own."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from streams.notices.casebook.figures import ItemTimes
from streams.reports.sla import PlatformFigures, as_table, document, report, span
from streams.sla.calendar import Calendar
from tests.support.notices import T0, at
from tests.support.reports import REMOVED, times

HOUR = 3_600


def row(*items: ItemTimes, now: float = 100, **options: Any) -> PlatformFigures:
    [found] = report(items, now=at(now), **options).platforms
    return found


def test_what_is_said_and_what_is_seen_stand_apart() -> None:
    found = row(REMOVED)

    assert {name: one.median_s for name, one in found.measures.items()} == {
        "acknowledged": 3,
        "decided": 10,
        "removed_claimed": 8,
        "removed_seen": 30,
    }
    assert (found.counts["still_open"], found.counts["late"]) == (0, 0)


def test_a_claimed_removal_that_nobody_saw_is_still_open() -> None:
    liar = times(claim="removed", decided_at=at(5), claimed_effective_at=at(4), mismatch_at=at(600), late=1)

    found = row(liar, now=1_000)

    seen = found.measures["removed_seen"]
    assert (found.measures["removed_claimed"].n, seen.n, seen.open) == (1, 0, 1)
    assert [found.counts[name] for name in ("still_open", "claim_mismatch", "late")] == [1, 1, 1]
    assert (found.oldest_open_s, found.median_open_s) == (1_000, 1_000)


def test_one_unconfirmed_look_is_no_removal() -> None:
    assert row(times(content="offline_unconfirmed", first_offline_at=at(30))).measures["removed_seen"].n == 0


def test_open_listings_make_the_median_longer_and_then_unknown() -> None:
    def median(still: int) -> float | None:
        open_ones = [times(listing_id=f"o{n}", last_online_at=at(90)) for n in range(still)]
        gone = [replace(REMOVED, listing_id=str(n), first_offline_at=at(n)) for n in (10, 20, 30, 40)]
        return row(*gone, *open_ones).measures["removed_seen"].median_s

    assert [median(still) for still in (0, 1, 2, 4, 5)] == [20, 30, 30, 40, None]


def test_a_listing_that_is_watched_no_more_says_nothing_about_later() -> None:
    lost = [times(listing_id=str(n), last_online_at=at(5)) for n in range(20)]
    gone = replace(REMOVED, first_offline_at=at(10))

    found = row(*lost, gone).measures["removed_seen"]

    assert (found.median_s, found.n, found.open) == (10, 1, 20)


def test_the_truth_lies_between_the_last_look_online_and_the_first_offline() -> None:
    found = row(replace(REMOVED, last_online_at=at(12))).measures["removed_seen"]

    assert found.at_least is not None
    assert (found.at_least.median_s, found.median_s) == (12, 30)


@pytest.mark.parametrize(
    "changes",
    [
        {"content": "pre_gone", "first_offline_at": at(-1)},
        {"claim": "already_gone", "last_online_at": at(-30)},
        {"claim": "refused", "outcome": "refused_not_hosted"},
        {"claim": "void", "outcome": "withdrawn"},
    ],
    ids=["seen gone before", "called gone before", "not hosted", "withdrawn"],
)
def test_what_says_nothing_of_a_desks_speed_is_left_out(changes: dict[str, Any]) -> None:
    found = row(times(**changes))

    seen = found.measures["removed_seen"]
    assert (seen.n, seen.open, found.counts["still_open"]) == (0, 0, 0)
    assert all(share.n == 0 for share in row(times(**changes), now=10**7).measures["removed_seen"].within)


def test_calling_a_listing_gone_that_was_online_helps_nobody() -> None:
    found = row(times(claim="already_gone", last_online_at=at(60)))

    assert (found.counts["already_gone"], found.counts["already_gone_untrue"]) == (0, 1)
    assert found.measures["removed_seen"].open == 1


def test_a_refused_listing_stays_among_those_not_removed() -> None:
    refused = times(claim="refused", outcome="refused_lawful", decided_at=at(5), last_online_at=at(90))

    found = row(refused, REMOVED, now=2 * HOUR)

    [hour, *_] = found.measures["removed_seen"].within
    assert (hour.n, hour.within, found.counts["refused_lawful"]) == (2, 1, 1)


def test_a_share_counts_only_listings_that_are_old_enough() -> None:
    young = replace(REMOVED, listing_id="2", sent_at=at(2 * HOUR), first_offline_at=at(2 * HOUR + 9))
    old = times(listing_id="3", last_online_at=at(HOUR))

    hour, day, *_ = row(old, young, now=2.5 * HOUR).measures["removed_seen"].within

    assert (hour.limit, hour.n, hour.within, hour.share) == ("1h", 1, 0, 0.0)
    assert (day.n, day.share) == (0, None)


def test_exactly_at_the_limit_is_in_time() -> None:
    def within(seconds: float) -> int:
        item = replace(REMOVED, first_offline_at=at(seconds), removal_verified_at=at(seconds + 60))
        return row(item, now=3 * HOUR).measures["removed_seen"].within[0].within

    assert (within(HOUR), within(HOUR + 0.001)) == (1, 0)


def test_working_days_leave_the_weekend_out() -> None:
    friday, monday = T0 + timedelta(days=4), T0 + timedelta(days=7)  # T0 is a Monday, 09:00 UTC
    item = replace(REMOVED, sent_at=friday, first_offline_at=monday, removal_verified_at=monday)

    found = row(item, now=20 * 86_400).measures["removed_seen"]

    by_limit = {share.limit: share.within for share in found.within}
    assert (found.clock.median_s, found.business.median_s) == (3 * 86_400, 86_400)
    assert (by_limit["48h"], by_limit["2wd"]) == (0, 1)


def test_each_platform_has_its_own_holidays() -> None:
    maundy = T0 + timedelta(days=31)  # Thursday, 2 April 2026; Good Friday and Easter Monday follow
    tuesday = maundy + timedelta(days=5)
    item = replace(REMOVED, sent_at=maundy, first_offline_at=tuesday, removal_verified_at=tuesday)
    berlin = Calendar("Europe/Berlin", "DE")

    def business(calendars: dict[str, Calendar]) -> float | None:
        return row(item, now=10**7, calendars=calendars).measures["removed_seen"].business.median_s

    assert (business({"market": berlin}), business({})) == (86_400, 3 * 86_400)


def test_a_notice_not_yet_sent_is_counted_and_owes_nothing() -> None:
    found = row(times(sent_at=None, delivery="queued"))

    assert [found.counts[name] for name in ("notices", "sent", "still_open")] == [1, 0, 0]


def test_one_row_a_platform_and_one_for_all() -> None:
    found = report([times("a"), times("a"), replace(REMOVED, platform="b")], now=at(9))

    assert [(one.platform, one.counts["sent"]) for one in found.platforms] == [("a", 2), ("b", 1)]
    assert found.whole is not None
    assert (found.whole.counts["sent"], found.whole.measures["removed_seen"].open) == (3, 2)


def test_the_whole_weighs_each_listing_the_same() -> None:
    slow = [times("giant", listing_id=str(n), last_online_at=at(86_400)) for n in range(30)]
    quick = [replace(REMOVED, platform="tiny", listing_id=str(n)) for n in range(3)]

    found = report([*slow, *quick], now=at(3 * 86_400), minimum=10)

    assert found.whole is not None
    day = next(one for one in found.whole.measures["removed_seen"].within if one.limit == "24h")
    assert day.share == pytest.approx(3 / 33, abs=1e-6)
    assert [(one.platform, one.place) for one in found.league.places] == [("giant", 1), ("tiny", None)]
    assert sum(one.weight or 0 for one in found.league.places) == pytest.approx(1, abs=1e-5)


def test_no_notice_gives_an_empty_report() -> None:
    found = report([], now=T0)

    assert (found.platforms, found.whole, found.league.places) == ((), None, ())
    assert document(found, now=T0, period={}).figures["platforms"] == []


def test_the_table_has_a_line_for_each_platform() -> None:
    table = as_table(report([REMOVED, times("other")], now=at(100)))

    assert [line.split()[0] for line in table.splitlines()[2:]] == ["market", "other", "all"]
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
