"""The declarations of all processes together: closed, agreeing, few enough, and written down."""

import ast
from pathlib import Path

import yaml
from prometheus_client import CollectorRegistry

from connectors.metrics import ConnectorMetrics
from deploy import catalogue, generate
from schemas.metric import Metric
from streams.notices.metrics import RESPONSE_BUCKETS, NoticeMetrics

ROOT = Path(__file__).parents[2]
UNITS = {"hours": 3_600, "days": 86_400}
MOST_SERIES = 30_000
"""Of one metric in one process. Prometheus is at ease with some hundred thousand in all."""


def test_what_is_generated_is_committed() -> None:
    assert generate.stale() == (), "run 'make observability'"


def test_metrics_that_share_a_name_agree() -> None:
    seen: dict[str, Metric] = {}
    for metrics in catalogue.declared().values():
        for metric in metrics:
            first = seen.setdefault(metric.name, metric)
            shape = (metric.kind, metric.unit, metric.buckets, [label.name for label in metric.labels])

            assert shape == (first.kind, first.unit, first.buckets, [label.name for label in first.labels])


def test_no_metric_can_make_too_many_series() -> None:
    large = {m.name: m.series for m in catalogue.by_name().values() if m.series > MOST_SERIES}

    # Rules come from packs that analysts release; 500 rules is far above what a pack review allows.
    assert set(large) <= {"takin_rule_matches_total"}


def test_every_collector_comes_from_a_declaration() -> None:
    made = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for package in ("connectors", "streams")
        for file in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"Gauge", "Histogram", "Summary", "Info", "Enum"}
    ]

    assert made == []


def test_every_promised_limit_lies_on_an_edge() -> None:
    rows = yaml.safe_load((ROOT / "streams/sla/regimes.yaml").read_text(encoding="utf-8"))["rows"]
    limits = {
        value * UNITS[row["unit"]]
        for row in rows
        if row["clock"] == "wall" and row["unit"] in UNITS
        for value in row["limits"].values()
    }

    assert limits
    assert sorted(limits - set(RESPONSE_BUCKETS)) == []


def test_what_a_connector_was_fed_cannot_grow_the_labels() -> None:
    registry = CollectorRegistry()
    metrics = ConnectorMetrics(registry)

    for number in range(5_000):
        metrics.listings.labels("file", metrics.platform(f"p{number}"), "published").inc()

    shown = [s for family in registry.collect() for s in family.samples if s.name.endswith("listings_total")]
    assert len(shown) == 200


def test_a_process_shows_what_it_declares() -> None:
    registry = CollectorRegistry()
    NoticeMetrics(registry).expect(["practice"])

    names = {family.name for family in registry.collect()}
    declared = {
        metric.name.removesuffix("_total") for metric in catalogue.declared()["streams.notices.metrics"]
    }
    assert names == declared
