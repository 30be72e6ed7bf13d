"""What became of the notices of each week. Pure.

A week is that of ISO 8601 (Monday to Sunday, UTC) in which the notice was written, as a period is; so the
weeks of a platform add up to its row, while there are no more than :data:`WEEKS` of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.reports.columns import Bools, Columns
from streams.reports.estimates import Floats
from streams.reports.measures import DAY_S, Share, share_of

WEEKS = 53
"""So many, the last ones in which something was written."""
WEEK_S = 7 * DAY_S
FIRST_MONDAY_S = 4 * DAY_S
"""5 January 1970."""
COUNTED = ("notices", "sent", "verified", "late", "still_open")
"""What is counted in a week, of :data:`streams.reports.sla.COUNTS`."""
LIMIT = "24h"
LIMIT_S = DAY_S

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Week:
    """One week of one platform, or of all; weeks without a notice are not there."""

    monday: date
    counts: Mapping[str, int]
    """:data:`COUNTED`."""
    removed: Share
    """Seen removed within 24 hours, of those that are old enough."""

    def as_json(self) -> dict[str, Any]:
        """Numbers under stable names."""
        year, week, _ = self.monday.isocalendar()
        one = self.removed
        return {
            "week": f"{year}-W{week:02d}",
            "monday": self.monday.isoformat(),
            **self.counts,
            "removed_seen_24h": {
                "n": one.n,
                "within": one.within,
                "share": one.share,
                "low": one.low,
                "high": one.high,
            },
        }


@dataclass(frozen=True, slots=True)
class Trend:
    """The weeks of each platform, and of all together."""

    platforms: Mapping[str, tuple[Week, ...]]
    whole: tuple[Week, ...]


def trend(items: Columns, holds: Mapping[str, Bools], counted: Bools, *, now: float) -> Trend:
    """By week; ``holds`` says of which items each of :data:`COUNTED` holds, ``counted`` which ones arrived
    and are neither fast nor slow by themselves; ``now`` in POSIX seconds."""
    if not len(items):
        return Trend({}, ())
    weeks = np.floor((items.times["queued_at"] - FIRST_MONDAY_S) / WEEK_S).astype(np.int64)
    first = max(int(weeks.min()), int(weeks.max()) - WEEKS + 1)
    many, platforms = int(weeks.max()) - first + 1, len(items.names["platform"])
    recent = weeks >= first
    place = items.words["platform"].astype(np.int64) * many + (weeks - first)
    old, hit = _within(items, counted, now)

    def cells(which: Bools) -> Counts:
        found: Counts = np.bincount(place[which & recent], minlength=platforms * many)
        return found.reshape(platforms, many)

    tables = {name: cells(holds[name]) for name in COUNTED}
    n, hits = cells(old), cells(hit)

    def line(pick: Any) -> tuple[Week, ...]:
        counts = {name: pick(table) for name, table in tables.items()}
        of, in_time = pick(n), pick(hits)
        return tuple(
            Week(
                _monday(first + int(week)),
                {name: int(counts[name][week]) for name in COUNTED},
                share_of(LIMIT, int(of[week]), int(in_time[week])),
            )
            for week in np.flatnonzero(counts["notices"])
        )

    return Trend(
        {name: line(lambda table, at=code: table[at]) for name, code, _ in items.by_platform()},
        line(lambda table: table.sum(axis=0)),
    )


def _within(items: Columns, counted: Bools, now: float) -> tuple[Bools, Bools]:
    """Which are as old as the limit, and which of those were seen removed in time."""
    sent: Floats = items.times["sent_at"]
    due = sent + LIMIT_S
    gone = np.where(items.has("removal_verified_at"), items.times["first_offline_at"], np.nan)
    old: Bools = counted & (due <= now)
    # Where it was never seen gone it is NaN, which is not within anything.
    hit: Bools = old & (np.maximum(sent, gone) <= due)
    return old, hit


def _monday(week: int) -> date:
    return (datetime.fromtimestamp(FIRST_MONDAY_S, UTC) + timedelta(weeks=week)).date()
