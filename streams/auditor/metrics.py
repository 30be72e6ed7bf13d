"""What the auditor shows."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from schemas.metric import PARTITION, Metric

UNDECIDED = Metric(
    "takin_undecided_listings",
    "gauge",
    "records",
    "Listings older than 60 s that no progress record covers; must be 0.",
    (PARTITION,),
)
OLDEST_UNDECIDED = Metric(
    "takin_oldest_undecided_age_seconds",
    "gauge",
    "seconds",
    "Age of the oldest listing that no progress record covers; 0 when there is none.",
    (PARTITION,),
)
HOLES = Metric(
    "takin_undecided_holes",
    "gauge",
    "records",
    "Listings that lie below decided ones and are not decided themselves: passed over, not late.",
    (PARTITION,),
)
REPLAYED = Metric(
    "takin_auditor_replayed_total", "counter", "count", "Listings that the auditor published once more."
)
CHECKED_AT = Metric(
    "takin_auditor_checked_timestamp_seconds",
    "gauge",
    "timestamp",
    "When the auditor last had read everything and judged it, Unix time.",
)

METRICS = (UNDECIDED, OLDEST_UNDECIDED, HOLES, REPLAYED, CHECKED_AT)
"""Everything that the auditor shows."""


class AuditorMetrics:
    """One set per process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.undecided = UNDECIDED.make(Gauge, registry)
        self.oldest = OLDEST_UNDECIDED.make(Gauge, registry)
        self.holes = HOLES.make(Gauge, registry)
        self.replayed = REPLAYED.make(Counter, registry)
        self.checked_at = CHECKED_AT.make(Gauge, registry)
