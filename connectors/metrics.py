"""What the connectors count. One object per registry; nothing is registered globally."""

from collections.abc import Iterable
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge

from schemas.dead_letter import DeadLetterReason, DeadLetterStage
from schemas.metric import PLATFORM, Known, Label, Metric

CONNECTOR = Label("connector", source="the kind of source, one a process, or intake", at_most=10)
FETCH_REASONS = (
    "timeout", "connect", "reset", "server_error", "throttled", "bad_reply", "clock",
    "invalid", "unauthorised", "not_found", "conflict", "redirect", "refused",
)  # fmt: skip
"""Those of :mod:`connectors.errors`."""

LISTINGS = Metric(
    "takin_connector_listings_total",
    "counter",
    "count",
    "Listings that a source read, by what became of them.",
    (CONNECTOR, PLATFORM, Label("result", ("published", "set_aside"))),
)
LAST_SUCCESS = Metric(
    "takin_connector_last_success_timestamp_seconds",
    "gauge",
    "timestamp",
    "When a source last read its platform to the end without an error, as Unix time.",
    (CONNECTOR, PLATFORM),
)
FAILURES = Metric(
    "takin_connector_failures_total",
    "counter",
    "count",
    "Fetches that failed, by the reason of connectors.errors.",
    (CONNECTOR, PLATFORM, Label("reason", FETCH_REASONS)),
)
CALLS_LEFT = Metric(
    "takin_connector_calls_left",
    "gauge",
    "count",
    "What is left of a source's calls of today (UTC); at 0 reading goes on tomorrow.",
    (CONNECTOR, PLATFORM),
)
INTAKE_REQUESTS = Metric(
    "takin_intake_requests_total",
    "counter",
    "count",
    "Requests to the intake by route and HTTP status.",
    (Label("route", ("listings", "reports")), Label("status", source="HTTP's status codes", at_most=40)),
)
DEAD_LETTERS = Metric(
    "takin_dead_letters_total",
    "counter",
    "count",
    "Records set aside, by the stage that did it and the reason.",
    (Label("stage", get_args(DeadLetterStage)), Label("reason", get_args(DeadLetterReason))),
)

METRICS = (LISTINGS, LAST_SUCCESS, FAILURES, CALLS_LEFT, INTAKE_REQUESTS, DEAD_LETTERS)
"""Everything that connectors and the intake count."""


class ConnectorMetrics:
    """Collectors of sources and of the intake."""

    def __init__(
        self, registry: CollectorRegistry | None = None, platforms: Iterable[str] | None = None
    ) -> None:
        """``platforms``: those of the platforms file; absent: the first few hundred that come."""
        registry = registry if registry is not None else CollectorRegistry()
        self.registry = registry
        self.platform = Known(PLATFORM, platforms)
        """What a listing's platform is called in a label."""
        self.listings = LISTINGS.make(Counter, registry)
        self.last_success = LAST_SUCCESS.make(Gauge, registry)
        self.failures = FAILURES.make(Counter, registry)
        self.calls_left = CALLS_LEFT.make(Gauge, registry)
        self.intake_requests = INTAKE_REQUESTS.make(Counter, registry)
        self.dead_letters = DEAD_LETTERS.make(Counter, registry)

    def begun(self, connector: str, platform: str) -> None:
        """Show a source at 0 before it reads anything, so that its first failure is seen as a rise."""
        name = self.platform(platform)
        for result in ("published", "set_aside"):
            self.listings.labels(connector, name, result)
        for reason in FETCH_REASONS:
            self.failures.labels(connector, name, reason)

    def opened(self) -> None:
        """Show the intake at 0 before anybody pushes anything."""
        for route in ("listings", "reports"):
            self.intake_requests.labels(route, "202")
