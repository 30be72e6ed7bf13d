"""Response times as samples: what was waited for, from when, until when. Pure.

Four measures, each its own. A listing that is still online is no missing value: it was watched for
as long as it was seen, and counts so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.reports.columns import Bools, Columns
from streams.reports.estimates import Floats, quantiles, survival, wilson
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


def already_gone(items: Columns) -> Bools:
    """Gone before the notice: no merit and no fault of the platform's desk.

    What the platform calls gone and we saw online after it had the notice was not.
    """
    return items.is_in("content", "pre_gone") | (items.is_in("claim", "already_gone") & ~_seen_after(items))


def already_gone_untrue(items: Columns) -> Bools:
    """The platform says it was gone before, and we saw it online after it had the notice."""
    return items.is_in("claim", "already_gone") & ~items.is_in("content", "pre_gone") & _seen_after(items)


def _seen_after(items: Columns) -> Bools:
    # Where one of the two is missing it is NaN, which is greater than nothing.
    found: Bools = items.times["last_online_at"] > items.times["sent_at"]
    return found


def left_out(items: Columns) -> Bools:
    """Neither fast nor slow: not there any more, not on this platform, or taken back by us."""
    return already_gone(items) | items.is_in("claim", "void") | items.is_in("outcome", "refused_not_hosted")


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


@dataclass(frozen=True, slots=True)
class Starts:
    """Instants from which times are counted, with all that depends on them alone."""

    at: Floats
    worked: Floats
    due: tuple[Floats, ...]
    """By :data:`LIMITS`, when each is over."""
    working: WorkingTime

    @classmethod
    def of(cls, at: Floats, working: WorkingTime) -> "Starts":
        """The instants with what follows from them."""
        due = tuple(
            at + amount if unit == "hours" else working.reach_each(at, int(amount))
            for _, amount, unit in LIMITS
        )
        return cls(at, working.worked_each(at), due, working)

    def where(self, wanted: Bools) -> "Starts":
        """Those alone."""
        due = tuple(one[wanted] for one in self.due)
        return Starts(self.at[wanted], self.worked[wanted], due, self.working)


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds until something happened, and seconds for which it was watched and did not; both rising."""

    happened: Floats
    watched: Floats

    @classmethod
    def of(cls, seconds: Floats, happened: Bools) -> "Times":
        """One entry a listing."""
        return cls(np.sort(seconds[happened]), np.sort(seconds[~happened]))

    @classmethod
    def joined(cls, times: Sequence["Times"]) -> "Times":
        """Several as one: parts that rise are merged, which a stable sort does quickly."""
        parts = ([one.happened for one in times], [one.watched for one in times])
        return cls(*(np.sort(np.concatenate(one), kind="stable") for one in parts))

    def quantiles(self) -> Quantiles:
        """Of the curve."""
        found = quantiles(survival(self.happened, self.watched), (0.5, 0.75, 0.9, 0.95))
        return Quantiles(*(_rounded(one) for one in found))


@dataclass(frozen=True, slots=True)
class Sample:
    """What was waited for: one entry a listing."""

    clock: Times
    business: Times
    old_enough: tuple[int, ...]
    within: tuple[int, ...]
    at_least: Times | None = None
    """Of the removal as seen, by the last look that found it online."""

    @classmethod
    def of(
        cls, starts: Starts, end: Floats, watched_until: Floats | float, *, now: float, bounds: bool = False
    ) -> "Sample":
        """From each start to its ``end``, or open (NaN) when it was last looked after.

        With ``bounds``, also to the last time at which it was watched.
        """
        happened = ~np.isnan(end)
        until = np.maximum(starts.at, np.where(happened, end, watched_until))
        over = [due <= now for due in starts.due]
        in_time = [happened & (until <= due) for due in starts.due]
        seconds = until - starts.at
        least = np.minimum(np.maximum(0.0, watched_until - starts.at), seconds) if bounds else None
        return cls(
            Times.of(seconds, happened),
            Times.of(starts.working.worked_each(until) - starts.worked, happened),
            tuple(int(one.sum()) for one in over),
            tuple(int((one & hit).sum()) for one, hit in zip(over, in_time, strict=True)),
            None if least is None else Times.of(least, happened),
        )

    @classmethod
    def joined(cls, samples: Sequence["Sample"]) -> "Sample":
        """Those of several platforms as one."""
        bounds = [one.at_least for one in samples if one.at_least is not None]
        return cls(
            Times.joined([one.clock for one in samples]),
            Times.joined([one.business for one in samples]),
            tuple(map(sum, zip(*(one.old_enough for one in samples), strict=True))),
            tuple(map(sum, zip(*(one.within for one in samples), strict=True))),
            Times.joined(bounds) if bounds else None,
        )

    def spread(self) -> Spread:
        """The figures."""
        return Spread(
            n=len(self.clock.happened),
            open=len(self.clock.watched),
            clock=self.clock.quantiles(),
            business=self.business.quantiles(),
            within=tuple(
                share_of(name, n, hits)
                for (name, _, _), n, hits in zip(LIMITS, self.old_enough, self.within, strict=True)
            ),
            at_least=None if self.at_least is None else self.at_least.quantiles(),
        )


def share_of(limit: str, n: int, hits: int) -> Share:
    """``hits`` of ``n`` with Wilson's interval; of none there is no share."""
    interval = wilson(hits, n)
    if interval is None:
        return Share(limit, 0, 0, None, None, None)
    return Share(limit, n, hits, round(hits / n, 6), round(interval.low, 6), round(interval.high, 6))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
