"""What the screening worker counts. Labels come from closed sets; no listing, seller or address."""

from collections import Counter as Counts
from collections.abc import Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from streams.screening.decision import Decision

AGE_BUCKETS_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400)
BATCH_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
OTHER = "other"


class ScreeningMetrics:
    """Counted when the outputs of a batch are acknowledged, so a repeated batch counts again."""

    def __init__(self, registry: CollectorRegistry, known_platforms: frozenset[str] | None = None) -> None:
        self._platforms = known_platforms or frozenset()
        self.screened = Counter(
            "takin_listings_screened_total",
            "Listings decided, by platform (configured ones, else 'other') and outcome.",
            ("platform", "outcome"),
            registry=registry,
        )
        self.dead_letters = Counter(
            "takin_dead_letters_total",
            "Records set aside, by stage and reason.",
            ("stage", "reason"),
            registry=registry,
        )
        self.rule_matches = Counter(
            "takin_rule_matches_total",
            "Rules that were true for a listing; those with shadow 'true' took no part in its outcome.",
            ("pack", "rule_id", "outcome", "shadow"),
            registry=registry,
        )
        self.event_age = Histogram(
            "takin_event_age_seconds",
            "Seconds from observed_at of a listing to its decision being acknowledged.",
            buckets=AGE_BUCKETS_S,
            registry=registry,
        )
        self.batch = Histogram(
            "takin_screening_batch_seconds",
            "Seconds from taking a batch to the acknowledgement of its last output.",
            buckets=BATCH_BUCKETS_S,
            registry=registry,
        )
        self.batch_failures = Gauge(
            "takin_screening_batch_failures",
            "Batches delivered again since the start, because an output was not acknowledged.",
            registry=registry,
        )
        self.lag = Gauge(
            "takin_consumer_lag_records",
            "Records of the input that are not yet decided.",
            ("topic", "partition"),
            registry=registry,
        )
        self.commit_age = Gauge(
            "takin_commit_age_seconds",
            "Seconds since a partition last had nothing left to commit.",
            ("partition",),
            registry=registry,
        )
        self.watchlist_entries = Gauge(
            "takin_watchlist_entries", "Watchlist entries in force.", registry=registry
        )
        self.quarantined = Counter(
            "takin_watchlist_quarantined_total",
            "Watchlist entries that this worker's flood guard put into quarantine.",
            registry=registry,
        )
        self.ruleset = Gauge(
            "takin_ruleset_info",
            "1 for the version of the rule set in force.",
            ("version",),
            registry=registry,
        )

    def decided(self, decisions: list[Decision], now: datetime) -> None:
        """Count the decisions of one batch."""
        outcomes: Counts[tuple[str, str]] = Counts()
        for decision in decisions:
            if decision.reason is not None:
                self.set_aside("screening", decision.reason)
            else:
                outcomes[self._label(decision.platform), decision.outcome] += 1
            if decision.observed_at is not None:
                self.event_age.observe(max(0.0, (now - decision.observed_at).total_seconds()))
            for rule in decision.rules:
                shadow = "true" if rule.shadow else "false"
                self.rule_matches.labels(rule.pack, rule.rule_id, rule.outcome, shadow).inc()
        for (platform, outcome), times in outcomes.items():
            self.screened.labels(platform, outcome).inc(times)

    def set_aside(self, stage: str, reason: str) -> None:
        """One record went to the dead letters."""
        self.dead_letters.labels(stage, reason).inc()

    def swapped(self, version: str, entries: int) -> None:
        """A new screener is in force."""
        self.ruleset.clear()
        self.ruleset.labels(version).set(1)
        self.watchlist_entries.set(entries)

    def measured(
        self, topic: str, lag: Mapping[int, int], commit_age_s: Mapping[int, float], failures: int
    ) -> None:
        """Set the gauges of the partitions that this worker has now."""
        self.lag.clear()
        self.commit_age.clear()
        for partition, records in lag.items():
            self.lag.labels(topic, str(partition)).set(records)
        for partition, seconds in commit_age_s.items():
            self.commit_age.labels(str(partition)).set(seconds)
        self.batch_failures.set(failures)

    def _label(self, platform: str | None) -> str:
        return platform if platform in self._platforms else OTHER
