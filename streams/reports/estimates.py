"""Times of which some have not happened yet, and shares of few. Pure.

A median over finished ones alone flatters whoever leaves the hard ones open. The Kaplan-Meier
estimator (E. L. Kaplan and P. Meier, Journal of the American Statistical Association 53, 1958) counts
an open one for as long as it was watched; the interval of a share is Wilson's (E. B. Wilson, Journal
of the American Statistical Association 22, 1927), which is sound for small n and at 0 and 1.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

Z_95 = 1.959964
"""Of the normal distribution, for 95 %, two-sided."""
_ROUNDING = 1e-9
"""A product of fractions that should be 0.5 may miss it by this much."""


def survival(happened: Iterable[float], watched: Iterable[float] = ()) -> Iterator[tuple[float, float]]:
    """The Kaplan-Meier curve: each time at which something happened, and the share still waiting after.

    ``happened`` are times until it did, ``watched`` are times for which it was watched and did not.
    What was watched for exactly as long as another took counts as waiting at that moment.
    """
    times, ends = sorted(happened), sorted(watched)
    count, lost = len(times), len(ends)
    waiting, left, done = 1.0, 0, 0
    while done < count:
        now = times[done]
        while left < lost and ends[left] < now:
            left += 1
        at_risk = count + lost - done - left
        first = done
        while done < count and times[done] == now:
            done += 1
        waiting *= 1 - (done - first) / at_risk
        yield now, waiting


def quantiles(curve: Iterable[tuple[float, float]], shares: Sequence[float]) -> tuple[float | None, ...]:
    """The times by which these (rising) shares had happened; ``None``: the curve does not come so far yet."""
    found: list[float | None] = []
    wanted = [1 - share + _ROUNDING for share in shares]
    for seconds, waiting in curve:
        while len(found) < len(wanted) and waiting <= wanted[len(found)]:
            found.append(seconds)
        if len(found) == len(wanted):
            break
    return (*found, *[None] * (len(wanted) - len(found)))


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a share lies with 95 % confidence."""

    low: float
    high: float


def wilson(hits: int, n: int) -> Interval | None:
    """Wilson's score interval of ``hits`` among ``n``; ``None`` for none."""
    if n == 0:
        return None
    share = hits / n
    weight = Z_95**2 / n
    middle = (share + weight / 2) / (1 + weight)
    half = Z_95 / (1 + weight) * math.sqrt(share * (1 - share) / n + weight / (4 * n))
    # At the ends rounding could leave the interval without the share itself.
    return Interval(min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)))
