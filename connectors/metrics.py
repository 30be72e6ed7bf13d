"""What the connectors count. One object per registry; nothing is registered globally."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class ConnectorMetrics:
    """Counters of sources and of the intake. Labels come from closed sets and from the configuration."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry if registry is not None else CollectorRegistry()
        self.registry = registry
        self.listings = Counter(
            "takin_connector_listings",
            "Listings that a source read, by what became of them: published or set_aside.",
            ["connector", "platform", "result"],
            registry=registry,
        )
        self.last_success = Gauge(
            "takin_connector_last_success_timestamp_seconds",
            "When a source last read its platform to the end without an error, as Unix time.",
            ["connector", "platform"],
            registry=registry,
        )
        self.failures = Counter(
            "takin_connector_failures",
            "Fetches that failed, by the reason of connectors.errors.",
            ["connector", "platform", "reason"],
            registry=registry,
        )
        self.intake_requests = Counter(
            "takin_intake_requests",
            "Requests to the intake by route and HTTP status.",
            ["route", "status"],
            registry=registry,
        )
        self.dead_letters = Counter(
            "takin_dead_letters",
            "Records set aside, by the stage that did it and the reason.",
            ["stage", "reason"],
            registry=registry,
        )
