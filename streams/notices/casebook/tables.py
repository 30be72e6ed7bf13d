"""The casebook's tables.

Instants are stored as whole microseconds since 1970-01-01 UTC on every database, so that order,
difference and equality mean the same everywhere; :class:`UtcInstant` turns them into aware times.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    bindparam,
    text,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcInstant(TypeDecorator[datetime]):
    """An aware UTC time as microseconds since the epoch."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else to_micros(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else EPOCH + timedelta(microseconds=value)


def to_micros(instant: datetime) -> int:
    """Microseconds since the epoch, exactly.

    Raises:
        ValueError: the time has no zone.
    """
    if instant.tzinfo is None:
        raise ValueError("an instant needs a zone")
    return (instant - EPOCH) // timedelta(microseconds=1)


def fixed(value: str) -> BindParameter[str]:
    """A value that stands in the statement itself.

    A partial index is used only where the database sees its condition while it plans; a parameter hides it.
    """
    return bindparam(None, value, literal_execute=True)


# SQLite gives rising numbers only to a column declared exactly INTEGER.
serial = BigInteger().with_variant(Integer, "sqlite")

case = Table(
    "case_",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("platform", Text, nullable=False),
    Column("listing_id", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("round", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("close_reason", Text),
    Column("severity", Text, nullable=False),
    Column("taxon", Text),
    Column("appendix", Text),
    Column("product", Text),
    Column("seller", Text),
    Column("opened_at", UtcInstant, nullable=False),
    Column("updated_at", UtcInstant, nullable=False),
    Column("sequence", Integer, nullable=False),
    UniqueConstraint("platform", "listing_id"),
    Index("ix_case__status_updated_at", "status", "updated_at"),
    Index("ix_case__platform_seller", "platform", "seller"),
    Index("ix_case__url", "url"),
)

detection = Table(
    "detection",
    metadata,
    Column("detection_id", Text, primary_key=True),
    Column("case_id", Text, ForeignKey("case_.case_id"), nullable=False),
    Column("outcome", Text, nullable=False),
    Column("ruleset_version", Text, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("observed_at", UtcInstant, nullable=False),
    Column("recorded_at", UtcInstant, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("ix_detection_case_id_recorded_at", "case_id", "recorded_at"),
)

# What cases can share: see streams.notices.marks. By value and then by case, whose ids rise with time.
case_mark = Table(
    "case_mark",
    metadata,
    Column("value", Text, primary_key=True),
    Column("case_id", Text, ForeignKey("case_.case_id"), primary_key=True),
    Column("joins", Text, nullable=False),
    Column("near", Text),
    Column("marked_at", UtcInstant, nullable=False),
    Index("ix_case_mark_case_id", "case_id"),
)

notice = Table(
    "notice",
    metadata,
    Column("notice_id", Text, primary_key=True),
    Column("human_reference", Text, nullable=False, unique=True),
    Column("idempotency_key", Text, nullable=False, unique=True),
    Column("platform", Text, nullable=False),
    Column("round", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("severity", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("queued_at", UtcInstant, nullable=False),
    Column("first_attempt_at", UtcInstant),
    Column("sent_at", UtcInstant),
    Column("platform_received_at", UtcInstant),
    Column("platform_reference", Text),
    Column("delivery", Text, nullable=False),
    Column("next_poll_at", UtcInstant),
    Column("polls", Integer, nullable=False, server_default=text("0")),
    Column("body", LargeBinary, nullable=False),
    Index("ix_notice_platform_queued_at", "platform", "queued_at"),
    Index("ix_notice_queued_at_notice_id", "queued_at", "notice_id"),
    Index(
        "ix_notice_next_poll_at",
        "next_poll_at",
        sqlite_where=text("next_poll_at IS NOT NULL"),
        postgresql_where=text("next_poll_at IS NOT NULL"),
    ),
)

notice_item = Table(
    "notice_item",
    metadata,
    Column("item_id", Text, nullable=False),
    Column("notice_id", Text, ForeignKey("notice.notice_id"), primary_key=True),
    Column("case_id", Text, ForeignKey("case_.case_id"), primary_key=True),
    Column("platform", Text, nullable=False),
    Column("listing_id", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("round", Integer, nullable=False),
    Column("legal_basis", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    # What the platform says.
    Column("claim", Text, nullable=False),
    Column("claim_rank", Text),
    Column("outcome", Text),
    Column("acknowledged_at", UtcInstant),
    Column("decided_at", UtcInstant),
    Column("removal_claimed_at", UtcInstant),
    Column("claimed_effective_at", UtcInstant),
    # What was seen.
    Column("content", Text, nullable=False),
    Column("last_online_at", UtcInstant),
    Column("first_offline_at", UtcInstant),
    Column("offline_looks", Integer, nullable=False, server_default=text("0")),
    Column("removal_verified_at", UtcInstant),
    Column("reappeared_at", UtcInstant),
    Column("mismatch_at", UtcInstant),
    Column("closed_at", UtcInstant),
    # When to look next.
    Column("looks", Integer, nullable=False, server_default=text("0")),
    Column("next_look_at", UtcInstant),
    Column("look_lease_until", UtcInstant),
    UniqueConstraint("platform", "listing_id", "round", "legal_basis", "action", "revision"),
    Index("ix_notice_item_case_id_round", "case_id", "round"),
    Index("ix_notice_item_item_id", "item_id"),
    Index("ix_notice_item_platform_closed_at", "platform", "closed_at"),
    Index(
        "ix_notice_item_undecided",
        "platform",
        sqlite_where=text("decided_at IS NULL"),
        postgresql_where=text("decided_at IS NULL"),
    ),
    Index(
        "ix_notice_item_next_look_at",
        "next_look_at",
        sqlite_where=text("next_look_at IS NOT NULL"),
        postgresql_where=text("next_look_at IS NOT NULL"),
    ),
)

outbox = Table(
    "outbox",
    metadata,
    Column("idempotency_key", Text, primary_key=True),
    Column("notice_id", Text, ForeignKey("notice.notice_id"), nullable=False),
    Column("platform", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("body_sha256", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("queued_at", UtcInstant, nullable=False),
    Column("next_at", UtcInstant, nullable=False),
    Column("lease_until", UtcInstant),
    Column("lease_token", Integer, nullable=False, server_default=text("0")),
    Column("last_reason", Text),
    # What follows a notice, or goes another way than its platform's own: empty for the notice itself.
    Column("purpose", Text),
    Column("recipient", Text),
    Index("ix_outbox_notice_id", "notice_id"),
    Index(
        "ix_outbox_next_at",
        "next_at",
        sqlite_where=text("state IN ('queued', 'leased')"),
        postgresql_where=text("state IN ('queued', 'leased')"),
    ),
    Index(
        "ix_outbox_kept_back",
        "platform",
        sqlite_where=text("state = 'held'"),
        postgresql_where=text("state = 'held'"),
    ),
    Index(
        "ix_outbox_other_way",
        "platform",
        "next_at",
        sqlite_where=text("purpose IN ('fallback', 'escalation') AND state IN ('queued', 'leased')"),
        postgresql_where=text("purpose IN ('fallback', 'escalation') AND state IN ('queued', 'leased')"),
    ),
    Index(
        "ix_outbox_platform_next_at",
        "platform",
        "next_at",
        sqlite_where=text("state IN ('queued', 'leased')"),
        postgresql_where=text("state IN ('queued', 'leased')"),
    ),
)

attempt = Table(
    "attempt",
    metadata,
    Column("idempotency_key", Text, ForeignKey("outbox.idempotency_key"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("worker", Text, nullable=False),
    Column("started_at", UtcInstant, nullable=False),
    Column("finished_at", UtcInstant),
    Column("result", Text),
    Column("reason", Text),
    Column("http_status", Integer),
    Column("retry_after_s", Integer),
    Column("reply", LargeBinary),
    # That of the entry, a second time: a platform's log is a walk along the index below, however much was
    # sent to others, and no planner has to find out that it is.
    Column("platform", Text),
    Index("ix_attempt_started_at", "started_at"),
    Index("ix_attempt_platform_started_at", "platform", "started_at"),
)

inbox = Table(
    "inbox",
    metadata,
    Column("inbox_id", serial, primary_key=True, autoincrement=True),
    Column("platform", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("received_at", UtcInstant, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("body_sha256", Text, nullable=False),
    Column("headers", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("detail", Text),
    Column("applied_at", UtcInstant),
    UniqueConstraint("platform", "source_id"),
    Index(
        "ix_inbox_new",
        "inbox_id",
        sqlite_where=text("state = 'new'"),
        postgresql_where=text("state = 'new'"),
    ),
)

answer_reading = Table(
    "answer_reading",
    metadata,
    Column("reading_id", Text, primary_key=True),
    Column("inbox_id", BigInteger, ForeignKey("inbox.inbox_id"), nullable=False),
    # What it had been set aside for.
    Column("was", Text),
    Column("reason", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", UtcInstant, nullable=False),
    Index("ix_answer_reading_inbox_id", "inbox_id"),
)

response = Table(
    "response",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("response_id", Text, primary_key=True),
    Column("notice_id", Text, ForeignKey("notice.notice_id"), nullable=False),
    Column("case_id", Text, ForeignKey("case_.case_id"), primary_key=True),
    Column("received_at", UtcInstant, nullable=False),
    Column("kind", Text, nullable=False),
    Column("outcome", Text),
    Column("body", LargeBinary, nullable=False),
    Index("ix_response_notice_id", "notice_id"),
)

observation = Table(
    "observation",
    metadata,
    Column("observation_id", serial, primary_key=True, autoincrement=True),
    Column("notice_id", Text, ForeignKey("notice.notice_id"), nullable=False),
    Column("case_id", Text, ForeignKey("case_.case_id"), nullable=False),
    Column("at", UtcInstant, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("http_status", Integer),
    Column("body_sha256", Text),
    Column("observer", Text, nullable=False),
    Index("ix_observation_case_id_at", "case_id", "at"),
)

evidence = Table(
    "evidence",
    metadata,
    Column("evidence_id", serial, primary_key=True, autoincrement=True),
    Column("notice_id", Text, ForeignKey("notice.notice_id"), nullable=False),
    Column("case_id", Text, ForeignKey("case_.case_id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("captured_at", UtcInstant, nullable=False),
    Column("captured_by", Text, nullable=False),
    Index("ix_evidence_notice_id_case_id", "notice_id", "case_id"),
)

deadline = Table(
    "deadline",
    metadata,
    Column("deadline_id", Text, primary_key=True),
    Column("notice_id", Text, ForeignKey("notice.notice_id"), nullable=False),
    Column("case_id", Text, ForeignKey("case_.case_id"), nullable=False),
    Column("platform", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("policy", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("started_at", UtcInstant, nullable=False),
    Column("due_at", UtcInstant, nullable=False),
    Column("state", Text, nullable=False),
    Column("met_at", UtcInstant),
    Column("fired_at", UtcInstant),
    Column("rescinded_at", UtcInstant),
    UniqueConstraint("notice_id", "case_id", "kind", "seq"),
    Index(
        "ix_deadline_due_at",
        "due_at",
        sqlite_where=text("state = 'pending'"),
        postgresql_where=text("state = 'pending'"),
    ),
    Index("ix_deadline_platform_state", "platform", "state"),
    Index(
        "ix_deadline_missed",
        *("due_at", "notice_id", "case_id"),
        sqlite_where=text("state = 'missed'"),
        postgresql_where=text("state = 'missed'"),
    ),
)

case_event = Table(
    "case_event",
    metadata,
    Column("position", serial, primary_key=True, autoincrement=True),
    Column("event_id", Text, nullable=False, unique=True),
    Column("case_id", Text, ForeignKey("case_.case_id"), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("at", UtcInstant, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("published", Boolean, nullable=False, server_default=text("false")),
    UniqueConstraint("case_id", "sequence"),
    Index(
        "ix_case_event_unpublished",
        "position",
        sqlite_where=text("published = 0"),
        postgresql_where=text("NOT published"),
    ),
    Index(
        "ix_case_event_quality_checked",
        "at",
        sqlite_where=text("type = 'quality_checked'"),
        postgresql_where=text("type = 'quality_checked'"),
    ),
)

frozen_report = Table(
    "frozen_report",
    metadata,
    Column("report", Text, primary_key=True),
    Column("period", Text, primary_key=True),
    Column("frozen_at", UtcInstant, nullable=False),
    Column("frozen_by", Text, nullable=False),
    Column("checksum", Text, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("items", LargeBinary, nullable=False),
    Column("audit_position", BigInteger, nullable=False),
    Column("audit_hash", Text, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcInstant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("act", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("payload_sha256", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("salt", LargeBinary),
    Index("ix_audit_subject", "subject"),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("one", Integer, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
)

consumer_offset = Table(
    "consumer_offset",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
)

lease = Table(
    "lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", UtcInstant, nullable=False),
)

readable_since = Table(
    "readable_since",
    metadata,
    Column("one", Integer, primary_key=True),
    Column("version", Text, nullable=False),
    Column("since", Text, nullable=False),
)
"""Of which version the tables are, and from which version on a program may use them."""
