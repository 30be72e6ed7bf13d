"""What the dashboards show: seven boards, each panel with a unit, a sentence and the runbook it leads to.

In an expression ``@`` stands for the matchers of job and instance that every query has.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel."""

    title: str
    sentence: str
    unit: str
    """Grafana's name of the unit."""
    queries: tuple[tuple[str, str], ...]
    """Expression and legend."""
    runbook: str
    """Name of the alert whose runbook says what to do."""
    kind: str = "lines"
    """``lines``, ``number`` or ``table``."""
    width: int = 8


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard."""

    uid: str
    title: str
    sentence: str
    panels: tuple[Panel, ...]
    platforms: bool = False
    """Whether it can be narrowed to platforms."""


RATE = "$__rate_interval"

SLA = Board(
    "takin-sla",
    "Takin: takedown SLA",
    "What each platform owes, how old it is, and which promises were kept. Figures for law come from `takin report sla`.",
    (
        Panel("Open notices", "Notices that are neither seen removed nor refused.", "short",
              (('sum by (platform) (takin_notices_open{@,platform=~"$platform"})', "{{platform}}"),), "NoticeForgotten"),
        Panel("Oldest open notice", "Age of the oldest notice that is still open.", "s",
              (('max by (platform) (takin_oldest_open_notice_age_seconds{@,platform=~"$platform"})', "{{platform}}"),),
              "NoticeForgotten"),
        Panel("Late now", "Missed deadlines of notices that are still open, by duty.", "short",
              (('sum by (platform, kind) (takin_deadlines_late{@,platform=~"$platform"})', "{{platform}} {{kind}}"),),
              "PlatformSilent"),
        Panel("Share of deadlines missed", "Missed, less those rescinded, of all deadlines judged in the range shown.",
              "percentunit",
              (('clamp_min(sum by (platform) (increase(takin_deadlines_resolved_total{@,platform=~"$platform",'
                'verdict="missed"}[$__range])) - sum by (platform) (increase(takin_deadlines_resolved_total{@,'
                'platform=~"$platform",verdict="rescinded"}[$__range])), 0) / (sum by (platform) '
                '(increase(takin_deadlines_resolved_total{@,platform=~"$platform",verdict=~"met|missed"}'
                '[$__range])) > 0)', "{{platform}}"),), "PlatformMissesDeadlines", "table"),
        Panel("Time to acknowledge", "Median of the times from notice to acknowledgement.", "s",
              (('histogram_quantile(0.5, sum by (le, platform) (rate(takin_response_seconds_bucket{@,'
                f'platform=~"$platform",measure="acknowledged"}}[{RATE}])))', "{{platform}}"),), "PlatformSilent"),
        Panel("Time to removal, as we see it", "90th percentile from notice to the first look that found it gone.", "s",
              (('histogram_quantile(0.9, sum by (le, platform) (rate(takin_response_seconds_bucket{@,'
                f'platform=~"$platform",measure="removal_seen"}}[{RATE}])))', "{{platform}}"),),
              "PlatformMissesDeadlines"),
        Panel("Deadlines running", "Deadlines whose clock runs.", "short",
              (('sum by (kind) (takin_deadlines_pending{@,platform=~"$platform"})', "{{kind}}"),), "DeadlinesDoNotFire"),
        Panel("Said or seen", "What our own looks at noticed listings found, a second.", "cps",
              ((f'sum by (state) (rate(takin_looks_total{{@,platform=~"$platform"}}[{RATE}]))', "{{state}}"),),
              "PlatformMissesDeadlines", width=16),
    ),
    platforms=True,
)  # fmt: skip

PIPELINE = Board(
    "takin-pipeline",
    "Takin: pipeline",
    "From a listing's publication to its decision: how many, how late, and whether any was passed over.",
    (
        Panel("Undecided listings", "Listings older than 60 s that nobody is proven to have decided; must be 0.", "short",
              (("sum(takin_undecided_listings{@})", "undecided"),), "ListingsUndecided", "number"),
        Panel("Passed over", "Of them, those that lie below decided ones.", "short",
              (("sum(takin_undecided_holes{@})", "passed over"),), "ListingsUndecided", "number"),
        Panel("Auditor's last look", "How long ago the auditor last judged the whole log.", "s",
              (("time() - max(takin_auditor_checked_timestamp_seconds{@})", "ago"),), "AuditorSilent", "number"),
        Panel("Listings decided", "Decisions a second, by outcome.", "cps",
              ((f"sum by (outcome) (rate(takin_listings_screened_total{{@}}[{RATE}]))", "{{outcome}}"),),
              "ScreeningBehind"),
        Panel("Age of listings when decided", "From a listing's observation to the acknowledgement of its decision.", "s",
              ((f"histogram_quantile(0.5, sum by (le) (rate(takin_event_age_seconds_bucket{{@}}[{RATE}])))", "p50"),
               (f"histogram_quantile(0.99, sum by (le) (rate(takin_event_age_seconds_bucket{{@}}[{RATE}])))", "p99")),
              "ScreeningBehind"),
        Panel("Behind in time, per partition", "Age of the newest decided record while more wait.", "s",
              (("max by (partition) (takin_partition_event_age_seconds{@})", "{{partition}}"),), "ScreeningBehind"),
        Panel("Set aside", "Dead letters of the range shown, by stage and reason.", "short",
              (("sum by (stage, reason) (increase(takin_dead_letters_total{@}[$__range]))", "{{stage}} {{reason}}"),),
              "ScreeningSetsAsideTooMuch", "table"),
        Panel("Published once more", "Listings that the auditor put back.", "short",
              (("sum(increase(takin_auditor_replayed_total{@}[$__range]))", "replayed"),), "ListingsUndecided", "number"),
        Panel("Detections taken", "Detections that the notice service took a second, by what became of them.", "cps",
              ((f"sum by (result) (rate(takin_notice_detections_total{{@}}[{RATE}]))", "{{result}}"),), "CasebookAway"),
    ),
)  # fmt: skip

CONNECTORS = Board(
    "takin-connectors",
    "Takin: connectors",
    "Whether every source is read, how fresh it is, and why not.",
    (
        Panel("Last read to the end", "How long ago each source was last read without an error.", "s",
              (("time() - max by (connector, platform) (takin_connector_last_success_timestamp_seconds{@} > 0)",
                "{{connector}} {{platform}}"),), "ConnectorStale"),
        Panel("Listings read", "Listings published a second, by source.", "cps",
              ((f'sum by (connector, platform) (rate(takin_connector_listings_total{{@,result="published"}}[{RATE}]))',
                "{{connector}} {{platform}}"),), "ConnectorQuiet"),
        Panel("Set aside at the source", "Records that could not become a listing.", "cps",
              ((f'sum by (connector, platform) (rate(takin_connector_listings_total{{@,result="set_aside"}}[{RATE}]))',
                "{{connector}} {{platform}}"),), "ScreeningSetsAsideTooMuch"),
        Panel("Fetches that failed", "By reason; it tries again by itself.", "cps",
              ((f"sum by (platform, reason) (rate(takin_connector_failures_total{{@}}[{RATE}]))",
                "{{platform}} {{reason}}"),), "ConnectorFails", width=12),
        Panel("Calls left today", "Of a source's daily budget; at 0 it reads on tomorrow.", "short",
              (("min by (connector, platform) (takin_connector_calls_left{@})", "{{connector}} {{platform}}"),),
              "ConnectorFails", width=12),
        Panel("Pictures of listings", "Pictures a second that were to be fetched, by what became of them.", "cps",
              ((f"sum by (platform, result) (rate(takin_pictures_total{{@}}[{RATE}]))", "{{platform}} {{result}}"),),
              "ConnectorFails"),
        Panel("Listings that wait for their pictures", "Screening does not wait for them.", "short",
              (("sum(takin_pictures_lag{@})", "listings"),), "ConnectorFails"),
        Panel("Requests to the intake", "By route and HTTP status.", "reqps",
              ((f"sum by (route, status) (rate(takin_intake_requests_total{{@}}[{RATE}]))", "{{route}} {{status}}"),),
              "ConnectorFails"),
    ),
)  # fmt: skip

RULES = Board(
    "takin-rules",
    "Takin: rules and watchlists",
    "Which rules find something, which never do, and what is in force.",
    (
        Panel("Matches", "Rules in force, matches a second.", "cps",
              ((f'sum by (rule_id) (rate(takin_rule_matches_total{{@,shadow="false"}}[{RATE}]))', "{{rule_id}}"),),
              "RuleFlood", width=12),
        Panel("Outcomes", "Share of decisions, by outcome.", "percentunit",
              ((f"sum by (outcome) (rate(takin_listings_screened_total{{@}}[{RATE}])) / ignoring(outcome) group_left() "
                f"(sum(rate(takin_listings_screened_total{{@}}[{RATE}])) > 0)", "{{outcome}}"),), "RuleFlood", width=12),
        Panel("Silent rules", "Rules in force that matched nothing in the range shown.", "short",
              (('sum by (pack, rule_id) (increase(takin_rule_matches_total{@,shadow="false"}[$__range])) == 0',
                "{{pack}} {{rule_id}}"),), "NoRuleMatches", "table"),
        Panel("Watchlist entries", "Entries in force, as each worker has them.", "short",
              (("takin_watchlist_entries{@}", "{{instance}}"),), "WatchlistEntryQuarantined"),
        Panel("Put into quarantine", "Entries that a flood guard stopped in the range shown.", "short",
              (("sum(increase(takin_watchlist_quarantined_total{@}[$__range]))", "quarantined"),),
              "WatchlistEntryQuarantined", "number"),
        Panel("Rule set in force", "Every worker should show the same version.", "short",
              (("count by (version) (takin_ruleset_info{@} == 1)", "{{version}}"),), "RuleFails", "table", 16),
        Panel("Rules that fail", "Listings set aside because a rule raised an error, a second.", "cps",
              ((f'sum by (stage) (rate(takin_dead_letters_total{{@,reason="rule_failed"}}[{RATE}]))', "{{stage}}"),),
              "RuleFails"),
    ),
)  # fmt: skip

NOTICES = Board(
    "takin-notices",
    "Takin: notices and channels",
    "Whether what we send arrives, whether answers are read, and whether our record is sound.",
    (
        Panel("Outbox", "Notices by state.", "short",
              (('sum by (state) (takin_outbox_notices{@,platform=~"$platform"})', "{{state}}"),), "OutboxStuck"),
        Panel("Oldest undelivered notice", "Age per platform.", "s",
              (('max by (platform) (takin_outbox_oldest_age_seconds{@,platform=~"$platform"})', "{{platform}}"),),
              "OutboxStuck"),
        Panel("Delivery attempts", "A second, by how they ended.", "cps",
              ((f'sum by (result) (rate(takin_delivery_attempts_total{{@,platform=~"$platform"}}[{RATE}]))',
                "{{result}}"),), "SendingFailsEverywhere"),
        Panel("Failures by platform", "Share of attempts that did not deliver.", "percentunit",
              ((f'sum by (platform) (rate(takin_delivery_attempts_total{{@,platform=~"$platform",'
                f'result=~"retry|refused|gone"}}[{RATE}])) / (sum by (platform) (rate(takin_delivery_attempts_total{{@,'
                f'platform=~"$platform"}}[{RATE}])) > 0)', "{{platform}}"),), "PlatformRefusesDeliveries"),
        Panel("Duration of an attempt", "95th percentile.", "s",
              ((f'histogram_quantile(0.95, sum by (le, platform) (rate(takin_delivery_attempt_seconds_bucket{{@,'
                f'platform=~"$platform"}}[{RATE}])))', "{{platform}}"),), "PlatformRefusesDeliveries"),
        Panel("Answers", "A second, by what became of them.", "cps",
              ((f'sum by (result) (rate(takin_answers_total{{@,platform=~"$platform"}}[{RATE}]))', "{{result}}"),),
              "ForgedAnswers"),
        Panel("Inbox", "Answers by state; quarantined ones wait for a person.", "short",
              (("sum by (state) (takin_inbox_answers{@})", "{{state}}"),), "AnswersSetAside"),
        Panel("Oldest unread answer", "Age of the oldest answer not yet applied.", "s",
              (("max(takin_inbox_oldest_age_seconds{@})", "age"),), "InboxStuck"),
        Panel("Deadlines due and not fired", "Above 0 for seconds only.", "short",
              (("max(takin_deadlines_due_unfired{@})", "unfired"),), "DeadlinesDoNotFire"),
        Panel("Audit chain", "Rows without a signature, and whether the chain is broken (1).", "short",
              (("max(takin_audit_rows_unsigned{@})", "unsigned"), ("max(takin_audit_chain_broken{@})", "broken")),
              "AuditChainBroken"),
        Panel("Last signature", "How long ago this process signed a checkpoint.", "s",
              (("time() - max(takin_audit_checkpoint_timestamp_seconds{@} > 0)", "ago"),), "AuditNotSigned"),
        Panel("Evidence lost", "Pages that could not be kept, in the range shown.", "short",
              (("sum(increase(takin_evidence_lost_total{@}[$__range]))", "lost"),), "EvidenceLost", "number"),
    ),
    platforms=True,
)  # fmt: skip

WORKERS = Board(
    "takin-workers",
    "Takin: Kafka and workers",
    "Whether every process lives and gets on: lag, commits, batches, events on their way out.",
    (
        Panel("Processes", "1: answers Prometheus.", "short",
              (("min by (process, instance) (up{@})", "{{process}} {{instance}}"),), "TakinProcessDown"),
        Panel("Lag", "Records not yet taken, per topic.", "short",
              (("sum by (topic) (takin_consumer_lag_records{@})", "{{topic}}"),), "ScreeningBehind"),
        Panel("Lag per partition", "Records of the listings not yet decided.", "short",
              (('max by (partition) (takin_consumer_lag_records{@,topic="listings"})', "{{partition}}"),),
              "ScreeningBehind"),
        Panel("Age of the last commit", "Seconds since a partition had nothing left to commit.", "s",
              (("max by (partition) (takin_commit_age_seconds{@})", "{{partition}}"),), "ScreeningCommitStuck"),
        Panel("Partitions held", "By worker; together all of them.", "short",
              (("sum by (instance) (takin_screening_partitions{@})", "{{instance}}"),), "PartitionsWithoutWorker"),
        Panel("Batches", "Duration of a batch from taking it to its last acknowledgement, 95th percentile.", "s",
              ((f"histogram_quantile(0.95, sum by (le) (rate(takin_screening_batch_seconds_bucket{{@}}[{RATE}])))",
                "p95"),), "ScreeningCommitStuck"),
        Panel("Batches delivered again", "Since each worker's start.", "short",
              (("max by (instance) (takin_screening_batch_failures{@})", "{{instance}}"),), "ScreeningCommitStuck"),
        Panel("Processes that decide and died", "In the range shown, by worker and by what ended them.", "short",
              (("sum by (instance, ended) (increase(takin_screening_deciders_died_total{@}[$__range]))",
                "{{instance}} {{ended}}"),), "DecidersKeepDying", "table"),
        Panel("Oldest undecided listing", "Per partition, by the auditor's look.", "s",
              (("max by (partition) (takin_oldest_undecided_age_seconds{@})", "{{partition}}"),), "ListingsUndecided"),
        Panel("Case events waiting", "Events that wait for the relay.", "short",
              (("max(takin_case_events_unpublished{@})", "waiting"),), "CaseEventsUnpublished"),
        Panel("Case events", "Published a second, by type.", "cps",
              ((f"sum by (type) (rate(takin_case_events_total{{@}}[{RATE}]))", "{{type}}"),), "CaseEventsUnpublished"),
        Panel("Waits", "Times a part of the notice service had to wait and try again, a second.", "cps",
              ((f"sum by (part, reason) (rate(takin_loop_errors_total{{@}}[{RATE}]))", "{{part}} {{reason}}"),),
              "CasebookAway"),
    ),
)  # fmt: skip

DESK = Board(
    "takin-desk",
    "Takin: guards and desk",
    "What keeps notices back, whether each platform's channel works, and whether the web desk answers.",
    (
        Panel("Stops in force", "The kill switch: stops of sending, by what they stop.", "short",
              (("sum by (scope) (takin_sending_stops{@})", "{{scope}}"),), "SendingStopped"),
        Panel("Holds", "Police holds on cases, by state.", "short",
              (("sum by (state) (takin_case_holds{@})", "{{state}}"),), "SendingStopped"),
        Panel("Kept back", "Entries of the outbox that a hold or a stopped rule keeps back.", "short",
              (("max(takin_outbox_kept_back_notices{@})", "kept back"),), "SendingStopped"),
        Panel("Channel", "Breaker of each channel: 0 closed, 1 a trial is under way, 2 open.", "short",
              (('max by (platform, channel) (takin_channel_breaker_state{@,platform=~"$platform"})',
                "{{platform}} {{channel}}"),), "ChannelDown"),
        Panel("Health of channels", "Share of answers, speed and age of what waits, over an hour.", "percentunit",
              (('min by (platform) (takin_channel_health_ratio{@,platform=~"$platform"})', "{{platform}}"),),
              "ChannelDown"),
        Panel("Sent another way", "Notices moved to the fallback channel in the range shown.", "short",
              (("sum(increase(takin_fallbacks_total{@}[$__range]))", "moved"),), "ChannelDown", "number"),
        Panel("Rules below the stop line", "Rules whose notices go to a person, by their record with the platform.",
              "short",
              (('max by (platform) (takin_rules_below_stop_line{@,platform=~"$platform"})', "{{platform}}"),),
              "SendingStopped"),
        Panel("Steps for a person", "Steps of the escalation ladder that wait for a person.", "short",
              (('max by (platform) (takin_escalation_tasks{@,platform=~"$platform"})', "{{platform}}"),),
              "NoticeForgotten"),
        Panel("Sign-ins", "Attempts to sign in a second, by how they ended.", "cps",
              ((f"sum by (result) (rate(takin_desk_logins_total{{@}}[{RATE}]))", "{{result}}"),), "DeskSlow"),
        Panel("Pages of the desk", "95th percentile of the time to answer a request.", "s",
              ((f"histogram_quantile(0.95, sum by (le) (rate(takin_desk_request_seconds_bucket{{@}}[{RATE}])))",
                "p95"),), "DeskSlow", width=12),
        Panel("Answers at the desk", "A second, by the way they came.", "cps",
              ((f"sum by (way) (rate(takin_desk_answers_total{{@}}[{RATE}]))", "{{way}}"),), "AnswersSetAside",
              width=12),
        Panel("Reports of people", "Sent by the form in the range shown (refused when too many come), and by the intake.",
              "short",
              (("sum by (result) (increase(takin_desk_reports_total{@}[$__range]))", "{{result}}"),
               ("sum by (result) (increase(takin_notice_reports_total{@}[$__range]))", "intake: {{result}}")), "DeskSlow",
              width=12),
    ),
    platforms=True,
)  # fmt: skip

BOARDS = (SLA, PIPELINE, CONNECTORS, RULES, NOTICES, DESK, WORKERS)
