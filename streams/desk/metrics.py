"""Metrics of the desk, declared once."""

from prometheus_client import CollectorRegistry, Counter, Histogram


class DeskMetrics:
    """One set per process, on its own registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.request_seconds = Histogram(
            "takin_desk_request_seconds",
            "Time to answer one request, by route (never the address itself) and class of status.",
            ["route", "status"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=registry,
        )
        self.logins = Counter(
            "takin_desk_logins_total",
            "Attempts to sign in, by how they ended.",
            ["result"],
            registry=registry,
        )
        self.answers = Counter(
            "takin_desk_answers_total",
            "Answers given at the desk, by way and word.",
            ["way", "answer"],
            registry=registry,
        )
        self.reports = Counter(
            "takin_desk_reports_total",
            "Reports sent by the public form, by what became of them there.",
            ["result"],
            registry=registry,
        )
