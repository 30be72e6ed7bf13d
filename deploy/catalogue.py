"""Every metric that Takin's processes declare, and the page that lists them."""

import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from schemas.metric import Label, Metric

ROOT = Path(__file__).resolve().parent.parent
PROCESS = {
    "connectors": "connector and intake",
    "streams.notices": "notices",
    "streams.screening": "screening",
    "streams.auditor": "auditor",
    "streams.desk": "desk",
    "streams.pictures": "pictures",
}
"""Where a module's metrics are shown; a module that is not named here goes by its own name."""


def modules() -> tuple[str, ...]:
    """Modules that declare metrics."""
    found = [*(ROOT / "connectors").rglob("metrics*.py"), *(ROOT / "streams").rglob("metrics.py")]
    return tuple(sorted(".".join(file.relative_to(ROOT).with_suffix("").parts) for file in found))


def declared() -> Mapping[str, tuple[Metric, ...]]:
    """What each of them declares.

    Raises:
        AttributeError: a module has no ``METRICS``.
    """
    return {name: importlib.import_module(name).METRICS for name in modules()}


def by_name() -> Mapping[str, Metric]:
    """Every metric once; what is declared by several processes stands with its first declaration."""
    found: dict[str, Metric] = {}
    for metrics in declared().values():
        for metric in metrics:
            found.setdefault(metric.name, metric)
    return found


def sample_names() -> Mapping[str, Metric]:
    """Every name that can stand in a query."""
    return {sample: metric for metric in by_name().values() for sample in metric.samples}


def page() -> str:
    """``deploy/metrics.md``."""
    parts = [
        "# Metrics",
        "",
        "Made by `make observability` from the declarations; do not edit. All times are in seconds. No label",
        "is a listing, a seller, a notice or an address. *Series* is the most that one process can make.",
    ]
    for module, metrics in declared().items():
        home = module.rpartition(".")[0]
        parts += [
            "",
            f"## {PROCESS.get(home, home)}",
            "",
            "| name | type | labels | meaning | series |",
            "|---|---|---|---|---|",
        ]
        parts += [_row(metric) for metric in metrics]
    return "\n".join(parts) + "\n"


def _row(metric: Metric) -> str:
    labels = "; ".join(_label(label) for label in metric.labels) or "–"
    meaning = metric.meaning + (f" Edges: {_edges(metric.buckets)}." if metric.buckets else "")
    return f"| `{metric.name}` | {metric.kind} | {labels} | {meaning} | {metric.series} |"


def _label(label: Label) -> str:
    if not label.values:
        return f"`{label.name}`: {label.source}"
    if len(label.values) > 8:
        return f"`{label.name}`: {len(label.values)} values"
    return f"`{label.name}`: {', '.join(label.values)}"


def _edges(edges: Iterable[float]) -> str:
    return ", ".join(f"{edge:g}" for edge in edges)
