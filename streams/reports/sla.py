"""The SLA report: how long each platform took, as it says and as we saw. Pure.

Four measures, each its own: time to acknowledgement, to decision, to removal as the platform claims
it, and to removal as our own looks saw it. Quantiles are of the Kaplan-Meier curve, so that what is
still open counts; shares are of listings that are old enough, with their interval.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from schemas.response import REFUSED
from streams.notices.casebook.figures import ItemTimes
from streams.notices.item import FINAL_CLAIMS, GONE
from streams.reports.document import Document, Table, text_of
from streams.reports.league import MINIMUM, League, league
from streams.reports.measures import (
    Sample,
    Share,
    Spread,
    Start,
    already_gone,
    already_gone_untrue,
    left_out,
)
from streams.reports.working_time import WorkingTime
from streams.sla.calendar import Calendar

VERSION = 2
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


def arrived(item: ItemTimes) -> bool:
    """The platform had the notice: it was taken, and did not come back."""
    return item.sent_at is not None and item.delivery != "failed_permanent"


def is_open(item: ItemTimes) -> bool:
    """Sent, and neither seen removed nor ended; as :func:`streams.notices.item.is_open`."""
    return (
        arrived(item)
        and item.content not in GONE
        and item.content != "pre_gone"
        and item.reappeared_at is None
        and item.claim not in FINAL_CLAIMS
    )


class _Tally:
    """What is counted over one platform's items, and can be added up."""

    def __init__(self) -> None:
        self.samples = {name: Sample() for name in MEASURES}
        self.counts = dict.fromkeys(COUNTS, 0)
        self.open_ages: list[float] = []

    def add(self, item: ItemTimes, working: WorkingTime, now: float) -> None:
        for name, holds in COUNTS.items():
            self.counts[name] += holds(item)
        if item.sent_at is None or not arrived(item):
            return
        sent = Start(item.sent_at, working)
        first = Start(item.first_attempt_at, working) if item.first_attempt_at else sent
        if is_open(item):
            self.open_ages.append(now - sent.at)
        self.samples["acknowledged"].add(first, item.acknowledged_at, watched_until=now, now=now)
        if left_out(item):
            return
        for name, end in (("decided", item.decided_at), ("removed_claimed", item.claimed_effective_at)):
            self.samples[name].add(sent, end, watched_until=now, now=now)
        # Online is known up to the last look that found it so, and no further.
        online = item.last_online_at.timestamp() if item.last_online_at else sent.at
        gone_at = item.first_offline_at if item.removal_verified_at is not None else None
        seen = self.samples["removed_seen"]
        seconds = seen.add(sent, gone_at, watched_until=online, now=now)
        seen.at_least.add(min(max(0.0, online - sent.at), seconds), gone_at is not None)

    def join(self, other: "_Tally") -> None:
        for name, sample in other.samples.items():
            self.samples[name].join(sample)
        for name, count in other.counts.items():
            self.counts[name] += count
        self.open_ages += other.open_ages

    def figures(self, platform: str, calendar: str) -> PlatformFigures:
        ages = sorted(self.open_ages)
        return PlatformFigures(
            platform=platform,
            calendar=calendar,
            counts=self.counts,
            measures={
                name: sample.spread(bounds=name == "removed_seen") for name, sample in self.samples.items()
            },
            oldest_open_s=round(ages[-1], 3) if ages else None,
            median_open_s=round(ages[(len(ages) - 1) // 2], 3) if ages else None,
        )


MEASURES = ("acknowledged", "decided", "removed_claimed", "removed_seen")
COUNTS: Mapping[str, Callable[[ItemTimes], bool]] = {
    "notices": lambda item: True,  # noqa: ARG005 - every item is of a notice
    "sent": arrived,
    "undeliverable": lambda item: item.delivery == "failed_permanent",
    "refused": lambda item: item.outcome in REFUSED,
    "refused_lawful": lambda item: item.outcome == "refused_lawful",
    "refused_not_hosted": lambda item: item.outcome == "refused_not_hosted",
    "refused_insufficient": lambda item: item.outcome == "refused_insufficient",
    "already_gone": already_gone,
    # Called gone before the notice, and seen online after it.
    "already_gone_untrue": already_gone_untrue,
    # Said to be removed, and seen online after.
    "claim_mismatch": lambda item: item.mismatch_at is not None,
    # Seen removed by two looks, whatever came after.
    "verified": lambda item: item.removal_verified_at is not None,
    "reappeared": lambda item: item.reappeared_at is not None,
    "still_open": is_open,
    # At least one deadline passed unmet.
    "late": lambda item: item.late > 0,
}
"""What is counted, and of which items."""


def report(
    items: Iterable[ItemTimes],
    *,
    now: datetime,
    calendars: Mapping[str, Calendar] | None = None,
    minimum: int = MINIMUM,
) -> SlaReport:
    """The figures as of ``now``. ``items`` come sorted by platform.

    ``calendars`` are the platforms' own; of one that is not among them only Saturdays and Sundays
    (UTC) are free.
    """
    known = calendars or {}
    whole = _Tally()
    rows = []
    for name, found in groupby(items, key=lambda item: item.platform):
        calendar = known.get(name, Calendar())
        working = WorkingTime(calendar)
        tally = _Tally()
        for item in found:
            tally.add(item, working, now.timestamp())
        rows.append(tally.figures(name, f"{calendar.zone} {calendar.region or 'weekends'}"))
        whole.join(tally)
    places = league([(row.platform, _within(row)) for row in rows], minimum=minimum)
    total = whole.figures(ALL, "each platform's own") if rows else None
    return SlaReport(tuple(rows), total, places)


def _within(row: PlatformFigures) -> Share:
    return next(one for one in row.measures["removed_seen"].within if one.limit == "24h")


def document(found: SlaReport, *, now: datetime, period: Mapping[str, str | None]) -> Document:
    """The report as a document in every form."""
    figures = {
        "unit": "seconds",
        "platforms": [_row(row) for row in found.platforms],
        "all": _row(found.whole) if found.whole else None,
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
    "still_open": "neither seen removed nor refused, ended or withdrawn",
    "league": "by the share seen removed within the limit; each listing weighs the same",
}


def _row(row: PlatformFigures) -> dict[str, Any]:
    return {
        "platform": row.platform,
        "calendar": row.calendar,
        **row.counts,
        **{name: spread.as_json() for name, spread in row.measures.items()},
        "oldest_open_s": row.oldest_open_s,
        "median_open_s": row.median_open_s,
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
