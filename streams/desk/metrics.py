"""Metrics of the desk, declared once."""

from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Histogram

from schemas.metric import Label, Metric
from streams.notices.desk_answer import Word

LOGINS_END = ("right", "code_asked", "wrong", "wrong_code", "blocked", "sso", "sso_refused")
REPORTS_END = ("filed", "too_many")
WAYS = ("page", "link", "api")

REQUEST_SECONDS = Metric(
    "takin_desk_request_seconds",
    "histogram",
    "seconds",
    "Time to answer one request, by route (never the address itself) and class of status.",
    (
        Label("route", source="the routes of the desk, and none", at_most=100),
        Label("status", ("1xx", "2xx", "3xx", "4xx", "5xx")),
    ),
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10),
)
LOGINS = Metric(
    "takin_desk_logins_total",
    "counter",
    "count",
    "Attempts to sign in, by how they ended.",
    (Label("result", LOGINS_END),),
)
ANSWERS = Metric(
    "takin_desk_answers_total",
    "counter",
    "count",
    "Answers given at the desk, by way and word.",
    (Label("way", WAYS), Label("answer", get_args(Word))),
)
REPORTS = Metric(
    "takin_desk_reports_total",
    "counter",
    "count",
    "Reports sent by the public form, by what became of them there.",
    (Label("result", REPORTS_END),),
)

METRICS = (REQUEST_SECONDS, LOGINS, ANSWERS, REPORTS)
"""Everything that the desk shows."""


class DeskMetrics:
    """One set per process, on its own registry; what has closed labels is shown at 0 from the start."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.request_seconds = REQUEST_SECONDS.make(Histogram, registry)
        self.logins = LOGINS.make(Counter, registry)
        self.answers = ANSWERS.make(Counter, registry)
        self.reports = REPORTS.make(Counter, registry)
        for result in REPORTS_END:
            self.reports.labels(result)
        for result in LOGINS_END:
            self.logins.labels(result)
        for way in WAYS:
            for word in get_args(Word):
                self.answers.labels(way, word)
