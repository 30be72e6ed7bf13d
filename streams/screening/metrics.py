"""What the screening worker counts. Labels come from closed sets; no listing, seller or address."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import accumulate
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from schemas.dead_letter import DeadLetterReason, DeadLetterStage
from schemas.detection import Outcome
from schemas.metric import PARTITION, PLATFORM, Known, Label, Metric
from streams.screening.decision import Reckoning
from streams.screening.verdict import RuleInForce

AGE_BUCKETS_S = (0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400)
BATCH_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
OUTCOMES = get_args(Outcome)
Ended = Literal["signal", "exit"]
"""How a process ended: by a signal that it was sent or caused, or by an exit of its own."""

OUTCOME = Label("outcome", OUTCOMES)
PACK = Label("pack", source="rule packs in force, with their versions, and watchlist", at_most=100)
RULE = Label("rule_id", source="rules of the packs in force", at_most=500)
SHADOW = Label("shadow", ("true", "false"))
TOPIC = Label("topic", source="the topic catalogue", at_most=20)

SCREENED = Metric(
    "takin_listings_screened_total",
    "counter",
    "count",
    "Listings decided, by platform (configured ones, else 'other') and outcome.",
    (PLATFORM, OUTCOME),
)
DEAD_LETTERS = Metric(
    "takin_dead_letters_total",
    "counter",
    "count",
    "Records set aside, by stage and reason.",
    (Label("stage", get_args(DeadLetterStage)), Label("reason", get_args(DeadLetterReason))),
)
RULE_MATCHES = Metric(
    "takin_rule_matches_total",
    "counter",
    "count",
    "Rules that were true for a listing; those with shadow 'true' took no part in its outcome. A rule in "
    "force that matched nothing stands at 0.",
    (PACK, RULE, OUTCOME, SHADOW),
)
EVENT_AGE = Metric(
    "takin_event_age_seconds",
    "histogram",
    "seconds",
    "Seconds from observed_at of a listing to its decision being acknowledged.",
    (),
    AGE_BUCKETS_S,
)
PARTITION_AGE = Metric(
    "takin_partition_event_age_seconds",
    "gauge",
    "seconds",
    "Age of the newest decided record of a partition while there is more to decide, else 0: how far behind "
    "the worker is in time.",
    (TOPIC, PARTITION),
)
BATCH = Metric(
    "takin_screening_batch_seconds",
    "histogram",
    "seconds",
    "Seconds from taking a batch to the acknowledgement of its last output.",
    (),
    BATCH_BUCKETS_S,
)
BATCH_FAILURES = Metric(
    "takin_screening_batch_failures",
    "gauge",
    "count",
    "Batches delivered again since the start, because an output was not acknowledged.",
)
DECIDERS_DIED = Metric(
    "takin_screening_deciders_died_total",
    "counter",
    "count",
    "Processes that decide listings and ended unasked: by a signal, or by an exit of their own.",
    (Label("ended", get_args(Ended)),),
)
LAG = Metric(
    "takin_consumer_lag_records",
    "gauge",
    "records",
    "Records of the input that are not yet decided.",
    (TOPIC, PARTITION),
)
COMMIT_AGE = Metric(
    "takin_commit_age_seconds",
    "gauge",
    "seconds",
    "Seconds since a partition last had nothing left to commit.",
    (PARTITION,),
)
PARTITIONS = Metric(
    "takin_screening_partitions", "gauge", "count", "Partitions of the input that this worker has now."
)
WATCHLIST_ENTRIES = Metric("takin_watchlist_entries", "gauge", "count", "Watchlist entries in force.")
QUARANTINED = Metric(
    "takin_watchlist_quarantined_total",
    "counter",
    "count",
    "Watchlist entries that this worker's flood guard put into quarantine.",
)
RULESET = Metric(
    "takin_ruleset_info",
    "gauge",
    "flag",
    "1 for the version of the rule set in force.",
    (Label("version", source="the rule set in force, one at a time", at_most=1),),
)

METRICS = (
    SCREENED, DEAD_LETTERS, RULE_MATCHES, EVENT_AGE, PARTITION_AGE, BATCH, BATCH_FAILURES,
    DECIDERS_DIED, LAG, COMMIT_AGE, PARTITIONS, WATCHLIST_ENTRIES, QUARANTINED, RULESET,
)  # fmt: skip
"""Everything that a screening worker shows."""


class Tallied(Collector):
    """A histogram without labels that takes a batch at once.

    ``Histogram.observe`` takes two locks for each amount, which a worker that decides more than ten
    thousand listings a second feels. Filled and read on one thread.
    """

    def __init__(self, metric: Metric, registry: CollectorRegistry) -> None:
        self._metric = metric
        self._counts = [0] * (len(metric.buckets) + 1)
        self._sum = 0.0
        registry.register(self)

    def observe_all(self, amounts: Iterable[float]) -> None:
        """Count them; an amount on an edge counts below it, as Prometheus has it."""
        as_they_came, below = list(amounts), 0
        ordered = sorted(as_they_came)
        for number, edge in enumerate(self._metric.buckets):
            reached = bisect_right(ordered, edge)
            self._counts[number] += reached - below
            below = reached
        self._counts[-1] += len(ordered) - below
        for amount in as_they_came:
            self._sum += amount

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """What was counted so far."""
        edges = [*map(floatToGoString, self._metric.buckets), "+Inf"]
        counted = list(zip(edges, accumulate(self._counts), strict=True))
        yield HistogramMetricFamily(self._metric.name, self._metric.meaning, counted, self._sum)


class ScreeningMetrics:
    """Counted when the outputs of a batch are acknowledged, so a repeated batch counts again."""

    def __init__(self, registry: CollectorRegistry, known_platforms: frozenset[str] | None = None) -> None:
        self._platform = Known(PLATFORM, known_platforms or frozenset())
        self._rule = Known(RULE)
        self.screened = SCREENED.make(Counter, registry)
        self.dead_letters = DEAD_LETTERS.make(Counter, registry)
        self.rule_matches = RULE_MATCHES.make(Counter, registry)
        self.event_age = Tallied(EVENT_AGE, registry)
        self.partition_age = PARTITION_AGE.make(Gauge, registry)
        self.batch = BATCH.make(Histogram, registry)
        self.batch_failures = BATCH_FAILURES.make(Gauge, registry)
        self.deciders_died = DECIDERS_DIED.make(Counter, registry)
        self.lag = LAG.make(Gauge, registry)
        self.commit_age = COMMIT_AGE.make(Gauge, registry)
        self.partitions = PARTITIONS.make(Gauge, registry)
        self.watchlist_entries = WATCHLIST_ENTRIES.make(Gauge, registry)
        self.quarantined = QUARANTINED.make(Counter, registry)
        self.ruleset = RULESET.make(Gauge, registry)
        self._reached_at: dict[int, float] = {}
        for stage in ("screening", "watchlist"):
            for reason in get_args(DeadLetterReason):
                self.dead_letters.labels(stage, reason)
        for ended in get_args(Ended):
            self.deciders_died.labels(ended)
        for platform in known_platforms or ():
            for outcome in OUTCOMES:
                self.screened.labels(platform, outcome)

    def decided(self, reckoning: Reckoning, now: datetime) -> None:
        """Count the decisions of one batch."""
        at = now.timestamp()
        self.event_age.observe_all([at - then if then < at else 0.0 for then in reckoning.observed])
        for (platform, outcome), times in reckoning.outcomes.items():
            if outcome != "set_aside":
                self.screened.labels(self._platform(platform), outcome).inc(times)
        for one in reckoning.told:
            if one.reason is not None:
                self.set_aside("screening", one.reason)
            for pack, rule_id, outcome, shadow in one.rules:
                said = "true" if shadow else "false"
                self.rule_matches.labels(pack, self._rule(rule_id), outcome, said).inc()

    def set_aside(self, stage: str, reason: str) -> None:
        """One record went to the dead letters."""
        self.dead_letters.labels(stage, reason).inc()

    def decider_died(self, ended: Ended) -> None:
        """A process that decides ended though the worker had not let it go. Counted when it is seen."""
        self.deciders_died.labels(ended).inc()

    def reached(self, partition: int, record_ms: int) -> None:
        """Everything up to a record of that time (Kafka's, in ms since 1970) is decided."""
        self._reached_at[partition] = record_ms / 1000

    def swapped(self, version: str, entries: int, rules: Iterable[RuleInForce] = ()) -> None:
        """A new screener is in force; its rules are shown at 0 before anything matches them."""
        for pack, rule_id, outcome, shadow in rules:
            self.rule_matches.labels(pack, self._rule(rule_id), outcome, "true" if shadow else "false")
        self.ruleset.clear()
        self.ruleset.labels(version).set(1)
        self.watchlist_entries.set(entries)

    def measured(
        self,
        topic: str,
        lag: Mapping[int, int],
        commit_age_s: Mapping[int, float],
        failures: int,
        *,
        now: datetime,
    ) -> None:
        """Set the gauges of the partitions that this worker has now."""
        self.lag.clear()
        self.commit_age.clear()
        self.partition_age.clear()
        self.partitions.set(len(commit_age_s))
        for partition, records in lag.items():
            self.lag.labels(topic, str(partition)).set(records)
            reached = self._reached_at.get(partition)
            behind = max(0.0, now.timestamp() - reached) if records and reached is not None else 0.0
            self.partition_age.labels(topic, str(partition)).set(behind)
        for partition, seconds in commit_age_s.items():
            self.commit_age.labels(str(partition)).set(seconds)
        self.batch_failures.set(failures)
