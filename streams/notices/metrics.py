"""Metrics of the notice service, declared once. Seconds; labels from closed sets."""

from collections.abc import Iterable
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from schemas.case_event import CaseEventType
from schemas.dead_letter import DeadLetterReason, DeadLetterStage
from schemas.metric import PARTITION, PLATFORM, Label, Metric

HOUR = 3_600
DAY = 86_400
RESPONSE_BUCKETS = (
    60, 300, 900, 1_800, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR,
    DAY, 1.5 * DAY, 2 * DAY, 3 * DAY, 4 * DAY, 5 * DAY, 7 * DAY, 14 * DAY, 30 * DAY,
)  # fmt: skip
"""Every limit that is promised somewhere lies on an edge, so that "within" is exact; what the platforms
file agrees on beyond these is added when the process starts."""

ATTEMPT_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30)
DUTIES = ("acknowledge", "decide", "remove")
VERDICTS = ("met", "missed", "rescinded")
ATTEMPT_RESULTS = ("accepted", "duplicate", "retry", "refused", "gone")
DUTY = Label("kind", DUTIES)

DETECTIONS = Metric(
    "takin_notice_detections_total",
    "counter",
    "count",
    "Detections taken from Kafka, by what became of them.",
    (Label("result", ("noticed", "review", "joined", "repeated", "set_aside", "erased")),),
)
REPORTS = Metric(
    "takin_notice_reports_total",
    "counter",
    "count",
    "Reports taken from Kafka, by what became of them.",
    (Label("result", ("filed", "repeated", "erased")),),
)
DEAD_LETTERS = Metric(
    "takin_dead_letters_total",
    "counter",
    "count",
    "Records set aside, by the stage that did it and the reason.",
    (Label("stage", get_args(DeadLetterStage)), Label("reason", get_args(DeadLetterReason))),
)
ATTEMPTS = Metric(
    "takin_delivery_attempts_total",
    "counter",
    "count",
    "Attempts to deliver a notice, by how they ended.",
    (PLATFORM, Label("result", ATTEMPT_RESULTS)),
)
ATTEMPT_SECONDS = Metric(
    "takin_delivery_attempt_seconds",
    "histogram",
    "seconds",
    "Duration of one delivery attempt.",
    (PLATFORM,),
    ATTEMPT_BUCKETS,
)
ANSWERS = Metric(
    "takin_answers_total",
    "counter",
    "count",
    "Answers received, by what became of them.",
    (PLATFORM, Label("result", source="what the receiver and the inbox make of an answer", at_most=20)),
)
LOOKS = Metric(
    "takin_looks_total",
    "counter",
    "count",
    "Looks at listings, by what was seen.",
    (PLATFORM, Label("state", ("online", "offline", "unknown"))),
)
EVIDENCE_LOST = Metric(
    "takin_evidence_lost_total", "counter", "count", "Pages that could not be kept as evidence."
)
AUDIT_UNSIGNED = Metric(
    "takin_audit_rows_unsigned", "gauge", "records", "Rows of the audit chain without a checkpoint."
)
AUDIT_CHECKPOINT_AT = Metric(
    "takin_audit_checkpoint_timestamp_seconds",
    "gauge",
    "timestamp",
    "When this process last signed a checkpoint, Unix time.",
)
AUDIT_BROKEN = Metric(
    "takin_audit_chain_broken",
    "gauge",
    "flag",
    "1 when the audit chain no longer follows from what was signed.",
)
RESPONSE_SECONDS = Metric(
    "takin_response_seconds",
    "histogram",
    "seconds",
    "Time from notice to a platform's response; removal_seen is by our own looks.",
    (PLATFORM, Label("measure", ("acknowledged", "decided", "removal_seen"))),
    RESPONSE_BUCKETS,
)
DEADLINES_RESOLVED = Metric(
    "takin_deadlines_resolved_total",
    "counter",
    "count",
    "Deadlines that got their verdict: met, missed, or rescinded (an earlier missed is void).",
    (PLATFORM, DUTY, Label("verdict", VERDICTS)),
)
DEADLINES_PENDING = Metric(
    "takin_deadlines_pending",
    "gauge",
    "count",
    "Deadlines whose clock runs, also those that are due and still to be proven.",
    (PLATFORM, DUTY),
)
DEADLINES_LATE = Metric(
    "takin_deadlines_late",
    "gauge",
    "count",
    "Missed deadlines of notices that are still open.",
    (PLATFORM, DUTY),
)
CASE_EVENTS = Metric(
    "takin_case_events_total",
    "counter",
    "count",
    "Events published to Kafka.",
    (Label("type", get_args(CaseEventType)),),
)
LOOP_ERRORS = Metric(
    "takin_loop_errors_total",
    "counter",
    "count",
    "Times a part of the service had to wait and try again.",
    (
        Label("part", source="the parts of the notice service", at_most=20),
        Label("reason", source="names of the errors that are waited out", at_most=20),
    ),
)
OUTBOX = Metric(
    "takin_outbox_notices",
    "gauge",
    "count",
    "Notices in the outbox.",
    (PLATFORM, Label("state", ("queued", "leased", "delivered", "dead", "void"))),
)
OUTBOX_AGE = Metric(
    "takin_outbox_oldest_age_seconds",
    "gauge",
    "seconds",
    "Age of the oldest notice not yet delivered.",
    (PLATFORM,),
)
INBOX = Metric(
    "takin_inbox_answers",
    "gauge",
    "count",
    "Answers in the inbox.",
    (Label("state", ("new", "applied", "quarantined")),),
)
INBOX_AGE = Metric(
    "takin_inbox_oldest_age_seconds", "gauge", "seconds", "Age of the oldest answer not yet applied."
)
NOTICES_OPEN = Metric(
    "takin_notices_open",
    "gauge",
    "count",
    "Notices that are still owed a removal or a decision.",
    (PLATFORM,),
)
OLDEST_OPEN = Metric(
    "takin_oldest_open_notice_age_seconds",
    "gauge",
    "seconds",
    "Age of the oldest notice that is still open.",
    (PLATFORM,),
)
DEADLINES_UNFIRED = Metric(
    "takin_deadlines_due_unfired",
    "gauge",
    "count",
    "Deadlines that are due and have not fired; above 0 for seconds only.",
)
RETENTION_OVERDUE = Metric(
    "takin_retention_overdue",
    "gauge",
    "records",
    "Things that should have been erased more than a week ago, by kind (10,000 and more show as 10,000).",
    (Label("what", source="the kinds of the retention table", at_most=10),),
)
UNPUBLISHED = Metric("takin_case_events_unpublished", "gauge", "records", "Events that wait for the relay.")
LAG = Metric(
    "takin_consumer_lag_records",
    "gauge",
    "records",
    "Records of a topic that its reader has not yet taken.",
    (Label("topic", source="the topic catalogue", at_most=20), PARTITION),
)

CHANNEL = Label("channel", ("own", "other"))
BREAKER = Metric(
    "takin_channel_breaker_state",
    "gauge",
    "count",
    "Breaker of a platform's channel: 0 closed, 1 half open (a trial is under way), 2 open.",
    (PLATFORM, CHANNEL),
)
CHANNEL_DOWN = Metric(
    "takin_channel_down_seconds",
    "gauge",
    "seconds",
    "How long a platform's channel has not worked; absent when it works.",
    (PLATFORM, CHANNEL),
)
CHANNEL_HEALTH = Metric(
    "takin_channel_health_ratio",
    "gauge",
    "ratio",
    "Health of a platform's channels in the last hour: share of answers, speed, age of what waits.",
    (PLATFORM,),
)
FALLBACKS = Metric(
    "takin_fallbacks_total",
    "counter",
    "count",
    "Notices moved to the fallback channel because the platform's own had not worked for too long.",
)
STOPS = Metric(
    "takin_sending_stops",
    "gauge",
    "count",
    "Stops of sending in force.",
    (Label("scope", ("all", "platform", "rule")),),
)
HOLDS = Metric(
    "takin_case_holds",
    "gauge",
    "count",
    "Holds on cases.",
    (Label("state", ("in_force", "waits_for_second_person")),),
)
KEPT_BACK = Metric(
    "takin_outbox_kept_back_notices",
    "gauge",
    "count",
    "Entries of the outbox that a hold or a stopped rule keeps back.",
)
CAP_LEFT = Metric(
    "takin_daily_cap_left_notices",
    "gauge",
    "count",
    "New notices that may still go to a platform today (UTC); absent where there is no cap.",
    (PLATFORM,),
)
BELOW_LINE = Metric(
    "takin_rules_below_stop_line",
    "gauge",
    "count",
    "Rules whose record with a platform sends their notices to a person.",
    (PLATFORM,),
)
TASKS = Metric("takin_escalation_tasks", "gauge", "count", "Steps that wait for a person.", (PLATFORM,))

METRICS = (
    DETECTIONS, REPORTS, DEAD_LETTERS, ATTEMPTS, ATTEMPT_SECONDS, ANSWERS, LOOKS, EVIDENCE_LOST,
    AUDIT_UNSIGNED, AUDIT_CHECKPOINT_AT, AUDIT_BROKEN, RESPONSE_SECONDS, DEADLINES_RESOLVED,
    DEADLINES_PENDING, DEADLINES_LATE, DEADLINES_UNFIRED, CASE_EVENTS, UNPUBLISHED, RETENTION_OVERDUE,
    LOOP_ERRORS, OUTBOX, OUTBOX_AGE, INBOX, INBOX_AGE, NOTICES_OPEN, OLDEST_OPEN, LAG, BREAKER, CHANNEL_DOWN,
    CHANNEL_HEALTH, FALLBACKS, STOPS, HOLDS, KEPT_BACK, CAP_LEFT, BELOW_LINE, TASKS,
)  # fmt: skip
"""Everything that the notice service shows."""


class NoticeMetrics:
    """One set per process, on its own registry."""

    def __init__(self, registry: CollectorRegistry, *, limits: Iterable[float] = ()) -> None:
        """``limits``: seconds that platforms agreed to, which become edges of the response times."""
        self.detections = DETECTIONS.make(Counter, registry)
        self.reports = REPORTS.make(Counter, registry)
        for became in ("filed", "repeated"):
            self.reports.labels(became)
        self.dead_letters = DEAD_LETTERS.make(Counter, registry)
        self.attempts = ATTEMPTS.make(Counter, registry)
        self.attempt_seconds = ATTEMPT_SECONDS.make(Histogram, registry)
        self.answers = ANSWERS.make(Counter, registry)
        self.looks = LOOKS.make(Counter, registry)
        self.evidence_lost = EVIDENCE_LOST.make(Counter, registry)
        self.audit_unsigned = AUDIT_UNSIGNED.make(Gauge, registry)
        self.audit_checkpoint_at = AUDIT_CHECKPOINT_AT.make(Gauge, registry)
        self.audit_broken = AUDIT_BROKEN.make(Gauge, registry)
        self.response_seconds = RESPONSE_SECONDS.make(Histogram, registry, edges=limits)
        self.deadlines_resolved = DEADLINES_RESOLVED.make(Counter, registry)
        self.deadlines_pending = DEADLINES_PENDING.make(Gauge, registry)
        self.deadlines_late = DEADLINES_LATE.make(Gauge, registry)
        self.deadlines_overdue = DEADLINES_UNFIRED.make(Gauge, registry)
        self.case_events = CASE_EVENTS.make(Counter, registry)
        self.retention_overdue = RETENTION_OVERDUE.make(Gauge, registry)
        self.unpublished = UNPUBLISHED.make(Gauge, registry)
        self.loop_errors = LOOP_ERRORS.make(Counter, registry)
        self.outbox = OUTBOX.make(Gauge, registry)
        self.outbox_age = OUTBOX_AGE.make(Gauge, registry)
        self.inbox = INBOX.make(Gauge, registry)
        self.inbox_age = INBOX_AGE.make(Gauge, registry)
        self.open_notices = NOTICES_OPEN.make(Gauge, registry)
        self.oldest_open = OLDEST_OPEN.make(Gauge, registry)
        self.lag = LAG.make(Gauge, registry)
        self.breaker = BREAKER.make(Gauge, registry)
        self.channel_down = CHANNEL_DOWN.make(Gauge, registry)
        self.channel_health = CHANNEL_HEALTH.make(Gauge, registry)
        self.fallbacks = FALLBACKS.make(Counter, registry)
        self.stops = STOPS.make(Gauge, registry)
        self.holds = HOLDS.make(Gauge, registry)
        self.kept_back = KEPT_BACK.make(Gauge, registry)
        self.cap_left = CAP_LEFT.make(Gauge, registry)
        self.below_line = BELOW_LINE.make(Gauge, registry)
        self.tasks = TASKS.make(Gauge, registry)

    def expect(self, platforms: Iterable[str]) -> None:
        """Show what is counted of these platforms at 0, so that the first of a kind is seen as a rise."""
        for part in ("intake", "dispatcher", "answers", "verifier", "relay"):
            self.loop_errors.labels(part, "CasebookUnavailable")
        for reason in ("clock_step", "clock_wrong"):
            self.loop_errors.labels("clock", reason)
        for platform in platforms:
            for result in ATTEMPT_RESULTS:
                self.attempts.labels(platform, result)
            for kind in DUTIES:
                for verdict in VERDICTS:
                    self.deadlines_resolved.labels(platform, kind, verdict)
