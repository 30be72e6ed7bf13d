"""The SLA report: how long each platform took, as it says and as we saw. Pure.

Four measures, each its own: time to acknowledgement, to decision, to removal as the platform claims
it, and to removal as our own looks saw it. Quantiles are of the Kaplan-Meier curve, so that what is
still open counts; shares are of listings that are old enough, with their interval.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from schemas.response import REFUSED
from streams.notices.casebook.figures import ItemTimes
from streams.notices.item import FINAL_CLAIMS, GONE
from streams.reports.columns import Bools, Columns
from streams.reports.document import Document, Table, text_of
from streams.reports.estimates import Floats
from streams.reports.league import MINIMUM, League, league
from streams.reports.measures import (
    Sample,
    Share,
    Spread,
    Starts,
    already_gone,
    already_gone_untrue,
    left_out,
)
from streams.reports.trend import Trend, Week, trend
from streams.reports.working_time import WorkingTime
from streams.sla.calendar import Calendar

VERSION = 3
ALL = "all"


@dataclass(frozen=True, slots=True)
class PlatformFigures:
    """One platform's row."""

    platform: str
    calendar: str
    """By which business time was counted: zone and region."""
    counts: Mapping[str, int]
    """How many items: :data:`COUNTS`."""
    measures: Mapping[str, Spread]
    """Response times: :data:`MEASURES`."""
    oldest_open_s: float | None
    median_open_s: float | None


@dataclass(frozen=True, slots=True)
class SlaReport:
    """Everything the report says."""

    platforms: tuple[PlatformFigures, ...]
    whole: PlatformFigures | None
    """All platforms together, each listing weighing the same; ``None`` where there is nothing."""
    league: League
    trend: Trend


def arrived(items: Columns) -> Bools:
    """The platform had the notice: it was taken, and did not come back."""
    return items.has("sent_at") & ~items.is_in("delivery", "failed_permanent")


def is_open(items: Columns) -> Bools:
    """Sent, and neither seen removed nor ended; as :func:`streams.notices.item.is_open`."""
    return (
        arrived(items)
        & ~items.is_in("content", *GONE, "pre_gone")
        & ~items.has("reappeared_at")
        & ~items.is_in("claim", *FINAL_CLAIMS)
    )


MEASURES = ("acknowledged", "decided", "removed_claimed", "removed_seen")
COUNTS: Mapping[str, Callable[[Columns], Bools]] = {
    "notices": lambda items: np.ones(len(items), dtype=np.bool_),
    "sent": arrived,
    "undeliverable": lambda items: items.is_in("delivery", "failed_permanent"),
    "refused": lambda items: items.is_in("outcome", *REFUSED),
    "refused_lawful": lambda items: items.is_in("outcome", "refused_lawful"),
    "refused_not_hosted": lambda items: items.is_in("outcome", "refused_not_hosted"),
    "refused_insufficient": lambda items: items.is_in("outcome", "refused_insufficient"),
    "already_gone": already_gone,
    # Called gone before the notice, and seen online after it.
    "already_gone_untrue": already_gone_untrue,
    # Said to be removed, and seen online after.
    "claim_mismatch": lambda items: items.has("mismatch_at"),
    # Seen removed by two looks, whatever came after.
    "verified": lambda items: items.has("removal_verified_at"),
    "reappeared": lambda items: items.has("reappeared_at"),
    "still_open": is_open,
    # At least one deadline passed unmet.
    "late": lambda items: items.late > 0,
    # The same, and still open: what the ladder presses for.
    "overdue": lambda items: (items.late > 0) & is_open(items),
}
"""What is counted, and of which items."""


_ENDS = (
    *("decided_at", "claimed_effective_at", "last_online_at", "first_offline_at"),
    "removal_verified_at",
)


@dataclass(frozen=True, slots=True)
class _Tally:
    """What is counted over one platform's items, and can be added up."""

    counts: Mapping[str, int]
    samples: Mapping[str, Sample]
    open_ages: Floats

    @classmethod
    def of(cls, items: Columns, own: "_Own", working: WorkingTime, now: float) -> "_Tally":
        there = own.arrived
        sent = Starts.of(items.times["sent_at"][there], working)
        first = items.times["first_attempt_at"][there]
        tried = Starts.of(np.where(np.isnan(first), sent.at, first), working)
        counted = own.counted
        starts = sent.where(counted[there])
        at = {name: items.times[name][counted] for name in _ENDS}
        # Online is known up to the last look that found it so, and no further.
        online = np.where(np.isnan(at["last_online_at"]), starts.at, at["last_online_at"])
        gone_at = np.where(np.isnan(at["removal_verified_at"]), np.nan, at["first_offline_at"])
        samples = {
            "acknowledged": Sample.of(tried, items.times["acknowledged_at"][there], now, now=now),
            "decided": Sample.of(starts, at["decided_at"], now, now=now),
            "removed_claimed": Sample.of(starts, at["claimed_effective_at"], now, now=now),
            "removed_seen": Sample.of(starts, gone_at, online, now=now, bounds=True),
        }
        return cls(own.counts, samples, now - items.times["sent_at"][own.open])

    @classmethod
    def joined(cls, tallies: Sequence["_Tally"]) -> "_Tally":
        return cls(
            {name: sum(one.counts[name] for one in tallies) for name in COUNTS},
            {name: Sample.joined([one.samples[name] for one in tallies]) for name in MEASURES},
            np.concatenate([one.open_ages for one in tallies]),
        )

    def figures(self, platform: str, calendar: str) -> PlatformFigures:
        ages = np.sort(self.open_ages)
        return PlatformFigures(
            platform=platform,
            calendar=calendar,
            counts=self.counts,
            measures={name: self.samples[name].spread() for name in MEASURES},
            oldest_open_s=round(float(ages[-1]), 3) if len(ages) else None,
            median_open_s=round(float(ages[(len(ages) - 1) // 2]), 3) if len(ages) else None,
        )


@dataclass(frozen=True, slots=True)
class _Own:
    """What is one platform's own among all."""

    counts: Mapping[str, int]
    arrived: Bools
    counted: Bools
    """Arrived, and neither fast nor slow by itself."""
    open: Bools


def report(
    items: Columns | Iterable[ItemTimes],
    *,
    now: datetime,
    calendars: Mapping[str, Calendar] | None = None,
    minimum: int = MINIMUM,
    working: Callable[[Calendar], WorkingTime] = WorkingTime,
) -> SlaReport:
    """The figures as of ``now``.

    ``calendars`` are the platforms' own; of one that is not among them only Saturdays and Sundays
    (UTC) are free. ``working`` may give what it gave before, which remembers the days it has seen.
    """
    columns = items if isinstance(items, Columns) else Columns.of_items(items)
    known = calendars or {}
    holds = {name: condition(columns) for name, condition in COUNTS.items()}
    codes = columns.words["platform"]
    counts = {name: np.bincount(codes[which]) for name, which in holds.items()}
    counted = holds["sent"] & ~left_out(columns)
    tallies, rows = [], []
    for name, code, own in columns.by_platform():
        calendar = known.get(name, Calendar())
        what = _Own(
            {count: int(by_code[code]) if code < len(by_code) else 0 for count, by_code in counts.items()},
            own & holds["sent"],
            own & counted,
            own & holds["still_open"],
        )
        tally = _Tally.of(columns, what, working(calendar), now.timestamp())
        tallies.append(tally)
        rows.append(tally.figures(name, f"{calendar.zone} {calendar.region or 'weekends'}"))
    places = league([(row.platform, _within(row)) for row in rows], minimum=minimum)
    total = _Tally.joined(tallies).figures(ALL, "each platform's own") if rows else None
    weeks = trend(columns, holds, counted, now=now.timestamp())
    return SlaReport(tuple(rows), total, places, weeks)


def _within(row: PlatformFigures) -> Share:
    return next(one for one in row.measures["removed_seen"].within if one.limit == "24h")


def document(found: SlaReport, *, now: datetime, period: Mapping[str, str | None]) -> Document:
    """The report as a document in every form."""
    figures = {
        "unit": "seconds",
        "platforms": [_row(row, found.trend.platforms[row.platform]) for row in found.platforms],
        "all": _row(found.whole, found.trend.whole) if found.whole else None,
        "league": found.league.as_json(),
    }
    return Document(
        name="sla",
        title="How long each platform took",
        version=VERSION,
        period=period,
        as_of=now,
        figures=figures,
        definitions=DEFINITIONS,
        tables=tables(found),
    )


DEFINITIONS = {
    "acknowledged": "first try to deliver -> first answer of any kind, by our clock",
    "decided": "notice taken (2xx) -> first reasoned outcome, by our clock at receipt",
    "removed_claimed": "notice taken (2xx) -> the moment the platform says the listing went, by its clock",
    "removed_seen": "notice taken (2xx) -> first look that found it gone, later confirmed by another look",
    "at_least": "removed_seen, but to the last look that found it online: the truth lies between the two",
    "median_s": "Kaplan-Meier: what is open counts as watched so far; null where too little has happened",
    "business": "the same by working days of the platform's own calendar, whole days of its zone",
    "within": "of listings as old as the limit, how many were in time; low and high are Wilson's 95 %",
    "2wd": "two working days of the addressee, the day of receipt not counted",
    "left out": "of decided and removed: gone before our notice, not on this platform, or taken back by us",
    "refused": "kept by the platform; such a listing stays in removed_* as not removed",
    "late": "listings with at least one deadline that passed unmet",
    "overdue": "late, and still open",
    "weeks": "by the ISO week (UTC) in which the notice was written, the last 53 that have one",
    "still_open": "neither seen removed nor refused, ended or withdrawn",
    "league": "by the share seen removed within the limit; each listing weighs the same",
}


def _row(row: PlatformFigures, weeks: Sequence[Week]) -> dict[str, Any]:
    return {
        "platform": row.platform,
        "calendar": row.calendar,
        **row.counts,
        **{name: spread.as_json() for name, spread in row.measures.items()},
        "oldest_open_s": row.oldest_open_s,
        "median_open_s": row.median_open_s,
        "weeks": [week.as_json() for week in weeks],
    }


HEADINGS = (
    "platform",
    "sent",
    "acknowledged",
    "decided",
    "removed (said)",
    "removed (seen)",
    "refused",
    "untrue",
    "back",
    "open",
    "late",
)


def tables(found: SlaReport) -> tuple[Table, ...]:
    """What a person reads: times, what was in time, who stands where."""
    rows = [*found.platforms, *([found.whole] if found.whole and len(found.platforms) > 1 else [])]
    shares = tuple(
        (row.platform, *(_share_cell(one) for one in row.measures["removed_seen"].within)) for row in rows
    )
    return (
        Table(
            "",
            HEADINGS,
            tuple(_cells(row) for row in rows),
            "median / 90th percentile (happened of n); - where the curve has not come so far",
        ),
        Table(
            "By the platform's working days",
            ("platform", *MEASURES, "calendar"),
            tuple(
                (
                    row.platform,
                    *(
                        f"{span(spread.business.median_s)} / {span(spread.business.p90_s)}"
                        for spread in row.measures.values()
                    ),
                    row.calendar,
                )
                for row in rows
            ),
        ),
        Table(
            "Seen removed in time, of listings old enough",
            ("platform", *(one.limit for one in rows[0].measures["removed_seen"].within))
            if rows
            else ("platform",),
            shares,
        ),
        Table(
            f"Seen removed within {found.league.limit}, best first",
            ("platform", "place", "share", "n", "weight"),
            tuple(
                (
                    one.platform,
                    str(one.place) if one.place else f"fewer than {found.league.minimum}",
                    _share_cell(one.removed),
                    str(one.removed.n),
                    "-" if one.weight is None else f"{one.weight:.1%}",
                )
                for one in found.league.places
            ),
        ),
        Table(
            "By the week in which the notice was written, all platforms",
            ("week of", "notices", "sent", "late", "open", f"seen removed within {found.league.limit}"),
            tuple(
                (
                    week.monday.isoformat(),
                    *(str(week.counts[name]) for name in ("notices", "sent", "late", "still_open")),
                    _share_cell(week.removed),
                )
                for week in found.trend.whole
            ),
        ),
    )


def as_table(found: SlaReport) -> str:
    """The first table alone, for a terminal."""
    return text_of(replace(tables(found)[0], note=""))


def _cells(row: PlatformFigures) -> tuple[str, ...]:
    return (
        row.platform,
        str(row.counts["sent"]),
        *(_spread_cell(spread) for spread in row.measures.values()),
        str(row.counts["refused"]),
        str(row.counts["claim_mismatch"] + row.counts["already_gone_untrue"]),
        *(str(row.counts[name]) for name in ("reappeared", "still_open", "late")),
    )


def _share_cell(value: Share) -> str:
    if value.share is None or value.low is None or value.high is None:
        return "-"
    return f"{value.share:.0%} ({value.low:.0%}-{value.high:.0%}) of {value.n}"


def _spread_cell(value: Spread) -> str:
    if value.n == 0:
        return "-"
    of = "" if value.open == 0 else f" of {value.n + value.open}"
    return f"{span(value.median_s)} / {span(value.p90_s)} ({value.n}{of})"


def span(seconds: float | None) -> str:
    """A time for people: ``0.4s``, ``12s``, ``3m20s``, ``5h10m``, ``2d3h``."""
    if seconds is None:
        return "-"
    sign = "-" if seconds < 0 else ""
    seconds = abs(seconds)
    if seconds < 9.95:
        return f"{sign}{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{sign}{whole}s"
    if whole < 3_600:
        return f"{sign}{whole // 60}m{whole % 60:02d}s"
    if whole < 86_400:
        return f"{sign}{whole // 3_600}h{whole % 3_600 // 60:02d}m"
    return f"{sign}{whole // 86_400}d{whole % 86_400 // 3_600}h"
