"""Quantiles, shares and thresholds of a load run."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from streams.cli import app
from streams.load.judgement import Limits, Measured, Spread, document, faults
from streams.load.weighing import Burden

GOOD = Measured(
    rate=200,
    reached=199.9,
    listings=100,
    offers=2,
    late_ms=1.0,
    decided=100,
    detected_s=[0.01] * 98 + [0.05, 0.2],
    noticed_s=[0.1, 0.3],
    twice=0,
)


def test_a_run_within_its_limits_has_no_fault() -> None:
    assert faults(GOOD, Limits(drop=0.0, p99_ms=60, notice_p99_ms=300)) == ()


@pytest.mark.parametrize(
    ("measured", "limits", "words"),
    [
        (replace(GOOD, decided=99), Limits(drop=0.0), "1 listings undecided"),
        (replace(GOOD, noticed_s=[0.1]), Limits(drop=0.1), "1 offers without a notice"),
        (GOOD, Limits(p99_ms=49), "p99 to the detection is 50 ms"),
        (GOOD, Limits(notice_p99_ms=299), "p99 to the notice is 300 ms"),
        (replace(GOOD, detected_s=[]), Limits(p99_ms=1_000), "no detection at all"),
        (replace(GOOD, twice=1), Limits(), "took effect twice"),
    ],
    ids=["undecided", "unnoticed", "slow", "slow notice", "nothing", "twice"],
)
def test_what_does_not_hold_is_said(measured: Measured, limits: Limits, words: str) -> None:
    (found,) = faults(measured, limits)

    assert words in found


def test_a_share_below_the_threshold_is_let_pass() -> None:
    assert faults(replace(GOOD, decided=99), Limits(drop=0.01)) == ()


@given(st.lists(st.floats(min_value=0, max_value=1_000), min_size=1, max_size=300))
def test_quantiles_are_values_that_were_measured_and_rise(seconds: list[float]) -> None:
    spread = Spread.of(seconds)

    assert spread is not None
    shown = (spread.p50_ms, spread.p90_ms, spread.p99_ms, spread.max_ms)
    assert list(shown) == sorted(shown)
    assert set(shown) <= {round(1000 * one, 1) for one in seconds}
    assert spread.max_ms == round(1000 * max(seconds), 1)


def test_the_document_tells_what_was_asked_reached_and_found() -> None:
    told = document(GOOD, ("one fault",))

    assert told["rate"] == 200
    assert told["decided"] == 100
    assert told["detected"] == {"count": 100, "p50_ms": 10.0, "p90_ms": 10.0, "p99_ms": 50.0, "max_ms": 200.0}
    assert told["faults"] == ["one fault"]


def test_memory_that_grows_is_judged_for_our_own_services_only() -> None:
    grown = Burden(cores=0.2, first_mb=100, last_mb=130, mb_per_hour=60, starts=1)
    measured = replace(GOOD, burdens={"notices": grown, "sandbox": grown})

    (found,) = faults(measured, Limits(mb_per_hour=59))

    assert found == "notices grows by 60 MB an hour (100 to 130 MB), more than 59."
    assert faults(measured, Limits(mb_per_hour=60)) == ()


def test_a_service_that_died_meanwhile_is_said() -> None:
    (found,) = faults(replace(GOOD, burdens={"screening-1": Burden(0.2, 100, 100, 0, 3)}), Limits())

    assert found == "screening-1 was started 3 times."


def test_growth_is_not_judged_on_a_run_that_is_too_short_for_it() -> None:
    words = ["load", "--rate", "10", "--listings", "8999", "--threshold-growth-mb", "20"]
    told = CliRunner(env={"COLUMNS": "400", "TERM": "dumb"}).invoke(app, words)

    assert told.exit_code == 2
    assert "needs a run of 15 minutes" in told.output
    assert "--listings 9000" in told.output
