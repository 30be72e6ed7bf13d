"""Times of which some have not happened yet, and shares of few. Pure.

A median over finished ones alone flatters whoever leaves the hard ones open. The Kaplan-Meier
estimator (E. L. Kaplan and P. Meier, Journal of the American Statistical Association 53, 1958) counts
an open one for as long as it was watched; the interval of a share is Wilson's (E. B. Wilson, Journal
of the American Statistical Association 22, 1927), which is sound for small n and at 0 and 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Z_95 = 1.959964
"""Of the normal distribution, for 95 %, two-sided."""
_ROUNDING = 1e-9
"""A product of fractions that should be 0.5 may miss it by this much."""


def survival(happened: Floats, watched: Floats) -> tuple[Floats, Floats]:
    """The Kaplan-Meier curve: each time at which something happened, and the share still waiting after.

    ``happened`` are times until it did, ``watched`` are times for which it was watched and did not; both
    rising. What was watched for exactly as long as another took counts as waiting at that moment.
    """
    firsts = np.flatnonzero(np.diff(happened, prepend=-np.inf))
    times, at_once = happened[firsts], np.diff(firsts, append=len(happened))
    at_risk = len(happened) - firsts + len(watched) - np.searchsorted(watched, times, side="left")
    return times, np.cumprod(1 - at_once / at_risk)


def quantiles(curve: tuple[Floats, Floats], shares: Sequence[float]) -> tuple[float | None, ...]:
    """The times by which these shares had happened; ``None``: the curve does not come so far yet."""
    times, waiting = curve
    # The curve falls; turned round it rises, and the first place that is low enough can be looked up.
    places = np.searchsorted(-waiting, [-(1 - share + _ROUNDING) for share in shares], side="left")
    return tuple(float(times[place]) if place < len(times) else None for place in places)


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
