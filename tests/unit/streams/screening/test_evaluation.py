"""The figures of an evaluation, against values worked out by hand."""

import pytest

from schemas.detection import Outcome
from streams.screening.evaluation import Judged, evaluate, wilson


def judged(identity: str, label: bool, outcome: Outcome, subset: str = "a", language: str = "en") -> Judged:
    return Judged(identity, subset, language, label, outcome, "because")


def test_the_interval_after_wilson() -> None:
    interval = wilson(8, 10)

    assert interval is not None
    assert interval == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_without_trials_there_is_no_interval() -> None:
    assert wilson(0, 0) is None


def test_flagged_and_notify_are_counted_apart_and_the_wrong_ones_named() -> None:
    figures = evaluate(
        [
            judged("right-notify", True, "notify"),
            judged("right-review", True, "review", subset="b"),
            judged("missed", True, "monitor"),
            judged("false", False, "review", language="fr"),
            judged("innocent", False, "clear"),
        ]
    )

    flagged, notify = figures["all"]["flagged"], figures["all"]["notify"]
    assert (flagged["precision"], flagged["recall"]) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert (notify["precision"], notify["recall"]) == (1.0, pytest.approx(1 / 3))
    assert [one["id"] for one in figures["wrong"]] == ["missed", "false"]
    assert figures["subsets"]["b"]["flagged"]["true_positive"] == 1
    assert figures["languages"]["fr"]["flagged"]["false_positive"] == 1


def test_nothing_flagged_has_no_precision() -> None:
    assert evaluate([judged("x", True, "clear")])["all"]["flagged"]["precision"] is None
