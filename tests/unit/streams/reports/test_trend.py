"""The weeks of a report: they add up to its rows, and are those of ISO 8601 in UTC."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.notices.casebook.figures import ItemTimes
from streams.reports.period import over
from streams.reports.sla import document, report
from streams.reports.trend import COUNTED, WEEKS
from tests.support.reports import times

NOW = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)
PLATFORMS = ("bazaar", "market")


@st.composite
def items(draw: st.DrawFn) -> ItemTimes:
    """A listing of the last weeks in any state that a report tells apart."""
    queued = NOW - timedelta(minutes=draw(st.integers(0, 40 * 7 * 24 * 60)))
    sent = queued + timedelta(minutes=1) if draw(st.booleans()) else None
    gone = (
        sent + timedelta(hours=draw(st.sampled_from([-1, 0, 1, 23, 24, 25])))
        if sent and draw(st.booleans())
        else None
    )
    return times(
        platform=draw(st.sampled_from(PLATFORMS)),
        notice_id=str(draw(st.integers(0, 10**9))),
        queued_at=queued,
        sent_at=sent,
        first_attempt_at=sent,
        delivery=draw(st.sampled_from(["accepted", "failed_permanent"])),
        claim=draw(st.sampled_from(["none", "removed", "already_gone", "void"])),
        content="offline_monitoring" if gone else draw(st.sampled_from(["online", "pre_gone"])),
        first_offline_at=gone,
        removal_verified_at=gone,
        late=draw(st.integers(0, 2)),
    )


@settings(max_examples=60)
@given(st.lists(items(), max_size=30))
def test_the_weeks_of_a_row_add_up_to_it(found: list[ItemTimes]) -> None:
    made = document(report(found, now=NOW), now=NOW, period={}).figures

    for row in [*made["platforms"], *([made["all"]] if made["all"] else [])]:
        for name in COUNTED:
            assert sum(week[name] for week in row["weeks"]) == row[name], name
        within = row["removed_seen"]["within"]["24h"]
        for name in ("n", "within"):
            assert sum(week["removed_seen_24h"][name] for week in row["weeks"]) == within[name]


@settings(max_examples=15)
@given(st.permutations([times(listing_id=str(n), queued_at=NOW - timedelta(days=3 * n)) for n in range(9)]))
def test_the_order_of_listings_changes_nothing(found: list[ItemTimes]) -> None:
    weeks = document(report(found, now=NOW), now=NOW, period={}).figures["all"]["weeks"]

    assert [week["week"] for week in weeks] == ["2026-W07", "2026-W08", "2026-W09", "2026-W10", "2026-W11"]
    assert [week["notices"] for week in weeks] == [1, 3, 2, 2, 1]


def test_a_week_begins_on_monday_at_midnight_utc_also_over_new_year() -> None:
    sunday = datetime(2027, 1, 3, 23, 59, 59, tzinfo=UTC)
    found = [times(listing_id=str(n), queued_at=sunday + timedelta(seconds=n)) for n in range(2)]

    weeks = report(found, now=sunday + timedelta(days=1)).trend.whole

    assert [week.as_json()["week"] for week in weeks] == ["2026-W53", "2027-W01"]
    assert [week.monday.isoformat() for week in weeks] == ["2026-12-28", "2027-01-04"]


def test_only_the_last_weeks_are_shown_and_weeks_without_a_notice_are_not() -> None:
    found = [times(listing_id=str(n), queued_at=NOW - timedelta(weeks=n)) for n in (0, 2, WEEKS - 1, WEEKS)]

    weeks = report(found, now=NOW).trend.platforms["market"]

    assert [(weeks[-1].monday - week.monday).days // 7 for week in weeks] == [WEEKS - 1, 2, 0]


def test_nothing_has_no_weeks() -> None:
    assert report([], now=NOW).trend.whole == ()


def test_periods_that_are_over_end_before_now() -> None:
    first = datetime(2026, 1, 1, tzinfo=UTC)

    assert over(first, months=2, quarters=2) == ("2025-12", "2025-11", "2025-Q4", "2025-Q3", "2025")
    assert over(first - timedelta(seconds=1), months=1, quarters=1) == ("2025-11", "2025-Q3", "2024")
