"""Response times as samples: what was waited for, from when, until when. Pure.

Four measures, each its own. A listing that is still online is no missing value: it was watched for
as long as it was seen, and counts so.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from streams.notices.casebook.figures import ItemTimes
from streams.reports.estimates import quantiles, survival, wilson
from streams.reports.working_time import WorkingTime

HOUR_S = 3_600
DAY_S = 86_400
LIMITS: tuple[tuple[str, float, str], ...] = (
    ("1h", HOUR_S, "hours"),
    ("24h", DAY_S, "hours"),
    ("48h", 2 * DAY_S, "hours"),
    ("2wd", 2, "working_days"),
    ("7d", 7 * DAY_S, "hours"),
    ("30d", 30 * DAY_S, "hours"),
)
"""Limits that laws and pledges use: name, amount, unit."""


def already_gone(item: ItemTimes) -> bool:
    """Gone before the notice: no merit and no fault of the platform's desk.

    What the platform calls gone and we saw online after it had the notice was not.
    """
    if item.content == "pre_gone":
        return True
    return item.claim == "already_gone" and not _seen_after_notice(item)


def already_gone_untrue(item: ItemTimes) -> bool:
    """The platform says it was gone before, and we saw it online after it had the notice."""
    return item.claim == "already_gone" and item.content != "pre_gone" and _seen_after_notice(item)


def _seen_after_notice(item: ItemTimes) -> bool:
    return item.sent_at is not None and item.last_online_at is not None and item.last_online_at > item.sent_at


def left_out(item: ItemTimes) -> bool:
    """Neither fast nor slow: not there any more, not on this platform, or taken back by us."""
    return already_gone(item) or item.claim == "void" or item.outcome == "refused_not_hosted"


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of the Kaplan-Meier curve, in seconds; ``None``: not reached yet."""

    median_s: float | None = None
    p75_s: float | None = None
    p90_s: float | None = None
    p95_s: float | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """How many were in time, of those whose time is over."""

    limit: str
    n: int
    """Items that are as old as the limit; younger ones may still be in time and are not counted."""
    within: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Spread:
    """One measure of one platform."""

    n: int
    """For how many it happened."""
    open: int
    """For how many it has not."""
    clock: Quantiles
    business: Quantiles
    """The same by the addressee's working days."""
    within: tuple[Share, ...]
    at_least: Quantiles | None = None
    """Of the removal as seen: by the last look that found it online, so that the truth lies between."""

    @property
    def median_s(self) -> float | None:
        return self.clock.median_s

    @property
    def p90_s(self) -> float | None:
        return self.clock.p90_s

    def as_json(self) -> dict[str, Any]:
        """Numbers under stable names."""
        found: dict[str, Any] = {
            "n": self.n,
            "open": self.open,
            **_quantiles(self.clock),
            "business": _quantiles(self.business),
            "within": {
                one.limit: {
                    "n": one.n,
                    "within": one.within,
                    "share": one.share,
                    "low": one.low,
                    "high": one.high,
                }
                for one in self.within
            },
        }
        if self.at_least is not None:
            found["at_least"] = _quantiles(self.at_least)
        return found


def _quantiles(value: Quantiles) -> dict[str, float | None]:
    return {
        "median_s": value.median_s,
        "p75_s": value.p75_s,
        "p90_s": value.p90_s,
        "p95_s": value.p95_s,
    }


class Start:
    """An instant from which times are counted, with all that depends on it alone."""

    __slots__ = ("at", "due", "worked", "working")

    def __init__(self, at: datetime, working: WorkingTime) -> None:
        self.at = at.timestamp()
        self.working = working
        self.worked = working.worked(self.at)
        self.due = tuple(
            self.at + amount if unit == "hours" else working.reach(at, int(amount))
            for _, amount, unit in LIMITS
        )


@dataclass(slots=True)
class Times:
    """Seconds until something happened, and seconds for which it was watched and did not."""

    happened: list[float] = field(default_factory=list)
    watched: list[float] = field(default_factory=list)

    def add(self, seconds: float, happened: bool) -> None:
        """One item."""
        (self.happened if happened else self.watched).append(seconds)

    def join(self, other: "Times") -> None:
        """Take in others."""
        self.happened += other.happened
        self.watched += other.watched

    def quantiles(self) -> Quantiles:
        """Of the curve."""
        found = quantiles(survival(self.happened, self.watched), (0.5, 0.75, 0.9, 0.95))
        return Quantiles(*(_rounded(one) for one in found))


class Sample:
    """What was waited for: one entry an item."""

    __slots__ = ("at_least", "business", "clock", "old_enough", "within")

    def __init__(self) -> None:
        self.clock, self.business, self.at_least = Times(), Times(), Times()
        self.old_enough = [0] * len(LIMITS)
        self.within = [0] * len(LIMITS)

    def add(self, start: Start, end: datetime | None, *, watched_until: float, now: float) -> float:
        """One item: to its ``end``, or open when it was last looked after; returns its seconds."""
        happened = end is not None
        until = max(start.at, end.timestamp() if end is not None else watched_until)
        seconds = until - start.at
        self.clock.add(seconds, happened)
        self.business.add(start.working.worked(until) - start.worked, happened)
        for place, due in enumerate(start.due):
            if due <= now:
                self.old_enough[place] += 1
                if happened and until <= due:
                    self.within[place] += 1
        return seconds

    def join(self, other: "Sample") -> None:
        """Take in another platform's items."""
        self.clock.join(other.clock)
        self.business.join(other.business)
        self.at_least.join(other.at_least)
        self.old_enough = [mine + more for mine, more in zip(self.old_enough, other.old_enough, strict=True)]
        self.within = [mine + more for mine, more in zip(self.within, other.within, strict=True)]

    def spread(self, *, bounds: bool = False) -> Spread:
        """The figures; with ``bounds`` also those by the last look before."""
        return Spread(
            n=len(self.clock.happened),
            open=len(self.clock.watched),
            clock=self.clock.quantiles(),
            business=self.business.quantiles(),
            within=tuple(
                _share(name, n, hits)
                for (name, _, _), n, hits in zip(LIMITS, self.old_enough, self.within, strict=True)
            ),
            at_least=self.at_least.quantiles() if bounds else None,
        )


def _share(limit: str, n: int, hits: int) -> Share:
    interval = wilson(hits, n)
    if interval is None:
        return Share(limit, 0, 0, None, None, None)
    return Share(limit, n, hits, round(hits / n, 6), round(interval.low, 6), round(interval.high, 6))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
