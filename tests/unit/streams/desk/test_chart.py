"""The picture of a trend stays within its frame and says what the figures say."""

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.desk import chart
from streams.reports.estimates import wilson


@st.composite
def weeks(draw: st.DrawFn) -> list[dict[str, Any]]:
    gaps = draw(st.lists(st.integers(1, 5), min_size=2, max_size=12))
    monday, found = date(2025, 9, 1), []
    for gap in gaps:
        monday += timedelta(weeks=gap)
        sent = draw(st.integers(0, 500))
        n = draw(st.integers(0, sent))
        hits = draw(st.integers(0, n))
        interval = wilson(hits, n)
        share = {"share": hits / n if n else None, "low": None, "high": None}
        if interval:
            share |= {"low": interval.low, "high": interval.high}
        found.append(
            {
                "monday": monday.isoformat(),
                "sent": sent,
                "late": draw(st.integers(0, sent)),
                "removed_seen_24h": share,
            }
        )
    return found


@settings(max_examples=60)
@given(weeks())
def test_everything_stands_in_the_frame_and_in_order(found: list[dict[str, Any]]) -> None:
    drawn = chart.by_week(found)

    assert drawn is not None
    xs = [slot.x for slot in drawn.slots]
    assert xs == sorted(set(xs))
    assert xs[0] - drawn.bar / 2 >= chart.LEFT
    assert xs[-1] + drawn.bar / 2 <= chart.WIDTH
    assert all(later - earlier >= drawn.bar - 0.2 for earlier, later in pairwise(xs))
    for slot, week in zip(drawn.slots, found, strict=True):
        assert chart.SENT_TOP <= slot.sent_y <= slot.late_y <= chart.SENT_BOTTOM
        one = week["removed_seen_24h"]
        assert (slot.share_y is None) == (one["share"] is None)
        if slot.share_y is not None and slot.low_y is not None and slot.high_y is not None:
            assert chart.SHARE_TOP <= slot.high_y <= slot.share_y <= slot.low_y <= chart.SHARE_BOTTOM
    assert min(slot.sent_y for slot in drawn.slots) == chart.SENT_TOP or drawn.most == 1


def test_a_line_joins_only_weeks_that_follow_each_other() -> None:
    def week(monday: str, share: float | None) -> dict[str, Any]:
        one = {"share": share, "low": share, "high": share}
        return {"monday": monday, "sent": 4, "late": 0, "removed_seen_24h": one}

    drawn = chart.by_week(
        [week("2026-01-05", 0.0), week("2026-01-12", 1.0), week("2026-01-26", 0.5), week("2026-02-02", None)]
    )

    assert drawn is not None
    [line] = drawn.lines
    assert [point.split(",")[1] for point in line.split()] == ["112.0", "12.0"]


def test_one_week_is_no_trend() -> None:
    assert chart.by_week([]) is None
    assert chart.by_week([{"monday": "2026-01-05"}]) is None
