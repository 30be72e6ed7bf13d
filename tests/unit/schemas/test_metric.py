"""A metric's declaration refuses what would make it useless, wrong or endless."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from schemas.metric import FORBIDDEN, Known, Label, Metric

PLATFORMS = Label("platform", source="the platforms file", at_most=3)


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        ({"name": "takin_things", "kind": "counter"}, "_total"),
        ({"name": "takin_things_total", "kind": "gauge"}, "_total"),
        ({"name": "things_total", "kind": "counter"}, "lower-case words"),
        ({"name": "takin_age", "unit": "seconds"}, "_seconds"),
        ({"name": "takin_last_seconds", "unit": "timestamp"}, "_timestamp_seconds"),
        ({"name": "takin_age_seconds", "kind": "histogram", "unit": "seconds"}, "buckets"),
        ({"name": "takin_age_seconds", "kind": "histogram", "unit": "seconds", "buckets": (2, 1)}, "rising"),
        ({"name": "takin_things", "meaning": "Things"}, "sentence"),
        ({"name": "takin_things", "labels": (PLATFORMS, PLATFORMS)}, "twice"),
    ],
    ids=lambda value: str(value.get("name")) if isinstance(value, dict) else value,
)
def test_a_declaration_that_would_mislead_is_refused(declared: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Metric(**{"kind": "gauge", "unit": "count", "meaning": "Things.", **declared})


@pytest.mark.parametrize("name", sorted(FORBIDDEN))
def test_nothing_is_labelled_by_a_listing_or_a_person(name: str) -> None:
    with pytest.raises(ValueError, match="no end"):
        Label(name, ("a",))


def test_a_label_says_where_its_values_come_from() -> None:
    with pytest.raises(ValueError, match="name its values"):
        Label("result")


def test_a_collector_is_what_was_declared() -> None:
    metric = Metric("takin_things_total", "counter", "count", "Things.", (Label("result", ("a", "b")),))
    registry = CollectorRegistry()

    metric.make(Counter, registry).labels("a").inc()

    assert registry.get_sample_value("takin_things_total", {"result": "a"}) == 1
    with pytest.raises(TypeError, match="declared as a counter"):
        metric.make(Gauge, registry)


def test_an_agreed_limit_becomes_an_edge() -> None:
    metric = Metric("takin_age_seconds", "histogram", "seconds", "Age.", (), (60, 3600))
    registry = CollectorRegistry()

    metric.make(Histogram, registry, edges=[1800.0, 60]).observe(1800)

    assert registry.get_sample_value("takin_age_seconds_bucket", {"le": "60.0"}) == 0
    assert registry.get_sample_value("takin_age_seconds_bucket", {"le": "1800.0"}) == 1


def test_the_series_of_a_metric_are_counted() -> None:
    labels = (PLATFORMS, Label("result", ("a", "b")))

    assert Metric("takin_things", "gauge", "count", "Things.", labels).series == 6
    edges = Metric("takin_age_seconds", "histogram", "seconds", "Age.", labels, (1, 2))
    assert edges.series == 6 * (2 + 3)


def test_a_label_has_no_more_values_than_declared_whatever_comes() -> None:
    known = Known(PLATFORMS)

    seen = {known(f"platform-{number}") for number in range(1_000)}

    assert seen == {"platform-0", "platform-1", "other"}
    assert known("platform-1") == "platform-1"
    assert known(None) == "other"


def test_with_a_closed_set_everything_else_is_other() -> None:
    known = Known(PLATFORMS, {"here"})

    assert [known("here"), known("there")] == ["here", "other"]
