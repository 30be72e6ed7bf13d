"""Kaplan-Meier and Wilson against published tables and another algorithm."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.reports import estimates
from streams.reports.estimates import Floats, quantiles, wilson

# Weeks of remission under 6-mercaptopurine: E. J. Freireich et al., Blood 21 (1963), 699-716, the example
# of Cox and Oakes, Analysis of Survival Data (1984), table 1.1; here with its product-limit estimate.
HAPPENED = (6, 6, 6, 7, 10, 13, 16, 22, 23)
CENSORED = (6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35)
CURVE = {6: 0.8571, 7: 0.8067, 10: 0.7529, 13: 0.6902, 16: 0.6275, 22: 0.5378, 23: 0.4482}


Sample = tuple[list[float], list[float]]
"""Times until it happened, and times for which it was watched and did not."""


def survival(happened: Sequence[float], watched: Sequence[float] = ()) -> tuple[Floats, Floats]:
    return estimates.survival(np.array(sorted(happened), float), np.array(sorted(watched), float))


whole_weeks = st.lists(st.integers(0, 30).map(float), max_size=25)


def test_the_curve_is_the_published_one() -> None:
    found = dict(zip(*survival(HAPPENED, CENSORED), strict=True))

    assert found == pytest.approx(CURVE, abs=5e-5)


def test_the_published_median_is_found_and_what_was_not_reached_is_not_guessed() -> None:
    assert quantiles(survival(HAPPENED, CENSORED), (0.25, 0.5, 0.75)) == (13, 23, None)


def redistributed(sample: Sample) -> dict[float, float]:
    """Efron's redistribution to the right: the weight of a censored one goes to all that outlast it."""
    order = sorted([(one, 0) for one in sample[0]] + [(one, 1) for one in sample[1]])
    weights = [1 / len(order)] * len(order)
    left, waiting = {}, 1.0
    for place, (seconds, censored) in enumerate(order):
        if not censored:
            waiting -= weights[place]
            left[seconds] = waiting
        elif (after := len(order) - place - 1) > 0:
            for later in range(place + 1, len(order)):
                weights[later] += weights[place] / after
    return left


@given(st.tuples(whole_weeks.filter(bool), whole_weeks))
def test_the_curve_equals_redistribution_to_the_right(sample: Sample) -> None:
    found = dict(zip(*survival(*sample), strict=True))

    assert found == pytest.approx(redistributed(sample), abs=1e-9)


@given(st.tuples(whole_weeks, whole_weeks))
def test_the_curve_equals_a_walk_along_it_to_the_last_digit(sample: Sample) -> None:
    times, ends = sorted(sample[0]), sorted(sample[1])
    walked, waiting = [], 1.0
    for seconds in sorted(set(times)):
        at_risk = len(times) - bisect_left(times, seconds) + len(ends) - bisect_left(ends, seconds)
        waiting *= 1 - times.count(seconds) / at_risk
        walked.append((seconds, waiting))

    assert list(zip(*survival(*sample), strict=True)) == walked


@given(st.lists(st.integers(0, 50).map(float), min_size=1, max_size=60), st.floats(0.01, 0.99))
def test_where_nothing_is_open_a_quantile_is_the_plain_one(times: list[float], share: float) -> None:
    [found] = quantiles(survival(times), [share])

    assert found is not None
    assert sum(one <= found for one in times) / len(times) >= share - 1e-9
    assert sum(one < found for one in times) / len(times) < share + 1e-9


@given(st.tuples(whole_weeks, whole_weeks))
def test_quantiles_rise(sample: Sample) -> None:
    shares = (0.1, 0.5, 0.75, 0.9, 0.95)
    found = quantiles(survival(*sample), shares)

    reached = [one for one in found if one is not None]
    assert found == (*reached, *[None] * (len(shares) - len(reached)))
    assert all(a <= b for a, b in pairwise(reached))


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_the_published_one(hits: int, n: int, low: float, high: float) -> None:
    found = wilson(hits, n)

    assert found is not None
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_none_of_none_has_no_interval() -> None:
    assert wilson(0, 0) is None


@given(st.integers(1, 500), st.data())
def test_the_interval_holds_the_share(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    found = wilson(hits, n)

    assert found is not None
    assert 0 <= found.low <= hits / n <= found.high <= 1
