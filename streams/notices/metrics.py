"""Metrics of the notice service, declared once. Seconds; labels from closed sets."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

DAY = 86_400
RESPONSE_BUCKETS = (
    60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200,
    DAY, 1.5 * DAY, 2 * DAY, 3 * DAY, 5 * DAY, 7 * DAY, 14 * DAY, 30 * DAY,
)  # fmt: skip
"""Every limit that is promised somewhere lies on an edge, so that "within" is exact."""

ATTEMPT_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30)


class NoticeMetrics:
    """One set per process, on its own registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.detections = Counter(
            "takin_notice_detections_total",
            "Detections taken from Kafka, by what became of them.",
            ["result"],
            registry=registry,
        )
        self.dead_letters = Counter(
            "takin_dead_letters_total", "Records set aside.", ["stage", "reason"], registry=registry
        )
        self.attempts = Counter(
            "takin_delivery_attempts_total",
            "Attempts to deliver a notice, by how they ended.",
            ["platform", "result"],
            registry=registry,
        )
        self.attempt_seconds = Histogram(
            "takin_delivery_attempt_seconds",
            "Duration of one delivery attempt.",
            ["platform"],
            buckets=ATTEMPT_BUCKETS,
            registry=registry,
        )
        self.answers = Counter(
            "takin_answers_total",
            "Answers received, by what became of them.",
            ["platform", "result"],
            registry=registry,
        )
        self.looks = Counter(
            "takin_looks_total",
            "Looks at listings, by what was seen.",
            ["platform", "state"],
            registry=registry,
        )
        self.evidence_lost = Counter(
            "takin_evidence_lost_total", "Pages that could not be kept as evidence.", registry=registry
        )
        self.audit_unsigned = Gauge(
            "takin_audit_rows_unsigned", "Rows of the audit chain without a checkpoint.", registry=registry
        )
        self.audit_checkpoint_at = Gauge(
            "takin_audit_checkpoint_timestamp_seconds",
            "When this process last signed a checkpoint, Unix time.",
            registry=registry,
        )
        self.audit_broken = Gauge(
            "takin_audit_chain_broken",
            "1 when the audit chain no longer follows from what was signed.",
            registry=registry,
        )
        self.response_seconds = Histogram(
            "takin_response_seconds",
            "Time from notice to a platform's response; removal_seen is by our own looks.",
            ["platform", "measure"],
            buckets=RESPONSE_BUCKETS,
            registry=registry,
        )
        self.deadlines_missed = Counter(
            "takin_deadlines_missed_total",
            "Deadlines that passed unmet.",
            ["platform", "kind"],
            registry=registry,
        )
        self.case_events = Counter(
            "takin_case_events_total", "Events published to Kafka.", ["type"], registry=registry
        )
        self.loop_errors = Counter(
            "takin_loop_errors_total",
            "Times a part of the service had to wait and try again.",
            ["part", "reason"],
            registry=registry,
        )
        self.outbox = Gauge(
            "takin_outbox_notices", "Notices in the outbox.", ["platform", "state"], registry=registry
        )
        self.outbox_age = Gauge(
            "takin_outbox_oldest_age_seconds",
            "Age of the oldest notice not yet delivered.",
            ["platform"],
            registry=registry,
        )
        self.inbox = Gauge("takin_inbox_answers", "Answers in the inbox.", ["state"], registry=registry)
        self.inbox_age = Gauge(
            "takin_inbox_oldest_age_seconds", "Age of the oldest answer not yet applied.", registry=registry
        )
        self.open_notices = Gauge(
            "takin_notices_open",
            "Notices that are still owed a removal or a decision.",
            ["platform"],
            registry=registry,
        )
        self.oldest_open = Gauge(
            "takin_oldest_open_notice_age_seconds",
            "Age of the oldest notice that is still open.",
            ["platform"],
            registry=registry,
        )
        self.deadlines_overdue = Gauge(
            "takin_deadlines_due_unfired",
            "Deadlines that are due and have not fired; above 0 for seconds only.",
            registry=registry,
        )
        self.breaker = Gauge(
            "takin_channel_breaker_state",
            "Breaker of a platform's channel: 0 closed, 1 half open (a trial is under way), 2 open.",
            ["platform", "channel"],
            registry=registry,
        )
        self.channel_down = Gauge(
            "takin_channel_down_seconds",
            "How long a platform's channel has not worked; absent when it works.",
            ["platform", "channel"],
            registry=registry,
        )
        self.channel_health = Gauge(
            "takin_channel_health_ratio",
            "Health of a platform's channels in the last hour: share of answers, speed, age of what waits.",
            ["platform"],
            registry=registry,
        )
        self.fallbacks = Counter(
            "takin_fallbacks_total",
            "Notices moved to the fallback channel because the platform's own had not worked for too long.",
            registry=registry,
        )
        self.stops = Gauge("takin_sending_stops", "Stops of sending in force.", ["scope"], registry=registry)
        self.holds = Gauge("takin_case_holds", "Holds on cases.", ["state"], registry=registry)
        self.kept_back = Gauge(
            "takin_outbox_kept_back_notices",
            "Entries of the outbox that a hold or a stopped rule keeps back.",
            registry=registry,
        )
        self.cap_left = Gauge(
            "takin_daily_cap_left_notices",
            "New notices that may still go to a platform today (UTC).",
            ["platform"],
            registry=registry,
        )
        self.below_line = Gauge(
            "takin_rules_below_stop_line",
            "Rules whose record with a platform sends their notices to a person.",
            ["platform"],
            registry=registry,
        )
        self.tasks = Gauge(
            "takin_escalation_tasks", "Steps that wait for a person.", ["platform"], registry=registry
        )
        self.unpublished = Gauge(
            "takin_case_events_unpublished", "Events that wait for the relay.", registry=registry
        )
        self.lag = Gauge(
            "takin_consumer_lag_records",
            "Records not yet taken.",
            ["topic", "partition"],
            registry=registry,
        )
