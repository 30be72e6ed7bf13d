"""The first casebook."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "audit",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("payload_sha256", sa.Text(), nullable=False),
        sa.Column("previous", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_audit")),
    )
    op.create_table(
        "audit_head",
        sa.Column("one", sa.Integer(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "case_",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("listing_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("close_reason", sa.Text(), nullable=True),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("taxon", sa.Text(), nullable=True),
        sa.Column("appendix", sa.Text(), nullable=True),
        sa.Column("product", sa.Text(), nullable=True),
        sa.Column("seller", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_case_")),
        sa.UniqueConstraint("platform", "listing_id", name=op.f("uq_case__platform_listing_id")),
    )
    op.create_index("ix_case__status_updated_at", "case_", ["status", "updated_at"], unique=False)
    op.create_table(
        "consumer_offset",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", name=op.f("pk_consumer_offset")),
    )
    op.create_table(
        "inbox",
        sa.Column(
            "inbox_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("body_sha256", sa.Text(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("applied_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("inbox_id", name=op.f("pk_inbox")),
        sa.UniqueConstraint("platform", "source_id", name=op.f("uq_inbox_platform_source_id")),
    )
    op.create_index(
        "ix_inbox_new",
        "inbox",
        ["inbox_id"],
        unique=False,
        sqlite_where=sa.text("state = 'new'"),
        postgresql_where=sa.text("state = 'new'"),
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_table(
        "notice",
        sa.Column("notice_id", sa.Text(), nullable=False),
        sa.Column("human_reference", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("queued_at", sa.BigInteger(), nullable=False),
        sa.Column("first_attempt_at", sa.BigInteger(), nullable=True),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("platform_received_at", sa.BigInteger(), nullable=True),
        sa.Column("platform_reference", sa.Text(), nullable=True),
        sa.Column("delivery", sa.Text(), nullable=False),
        sa.Column("next_poll_at", sa.BigInteger(), nullable=True),
        sa.Column("polls", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("notice_id", name=op.f("pk_notice")),
        sa.UniqueConstraint("human_reference", name=op.f("uq_notice_human_reference")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_notice_idempotency_key")),
    )
    op.create_index(
        "ix_notice_next_poll_at",
        "notice",
        ["next_poll_at"],
        unique=False,
        sqlite_where=sa.text("next_poll_at IS NOT NULL"),
        postgresql_where=sa.text("next_poll_at IS NOT NULL"),
    )
    op.create_index("ix_notice_platform_queued_at", "notice", ["platform", "queued_at"], unique=False)
    op.create_table(
        "case_event",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("published", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case_.case_id"], name=op.f("fk_case_event_case_id")),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_case_event")),
        sa.UniqueConstraint("case_id", "sequence", name=op.f("uq_case_event_case_id_sequence")),
        sa.UniqueConstraint("event_id", name=op.f("uq_case_event_event_id")),
    )
    op.create_index(
        "ix_case_event_unpublished",
        "case_event",
        ["position"],
        unique=False,
        sqlite_where=sa.text("published = 0"),
        postgresql_where=sa.text("NOT published"),
    )
    op.create_table(
        "deadline",
        sa.Column("deadline_id", sa.Text(), nullable=False),
        sa.Column("notice_id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("met_at", sa.BigInteger(), nullable=True),
        sa.Column("fired_at", sa.BigInteger(), nullable=True),
        sa.Column("rescinded_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["case_.case_id"], name=op.f("fk_deadline_case_id")),
        sa.ForeignKeyConstraint(["notice_id"], ["notice.notice_id"], name=op.f("fk_deadline_notice_id")),
        sa.PrimaryKeyConstraint("deadline_id", name=op.f("pk_deadline")),
        sa.UniqueConstraint(
            "notice_id", "case_id", "kind", "seq", name=op.f("uq_deadline_notice_id_case_id_kind_seq")
        ),
    )
    op.create_index(
        "ix_deadline_due_at",
        "deadline",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("ix_deadline_platform_state", "deadline", ["platform", "state"], unique=False)
    op.create_table(
        "detection",
        sa.Column("detection_id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("ruleset_version", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("observed_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case_.case_id"], name=op.f("fk_detection_case_id")),
        sa.PrimaryKeyConstraint("detection_id", name=op.f("pk_detection")),
    )
    op.create_index("ix_detection_case_id_recorded_at", "detection", ["case_id", "recorded_at"], unique=False)
    op.create_table(
        "notice_item",
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("notice_id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("listing_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("legal_basis", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("claim", sa.Text(), nullable=False),
        sa.Column("claim_rank", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("acknowledged_at", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("removal_claimed_at", sa.BigInteger(), nullable=True),
        sa.Column("claimed_effective_at", sa.BigInteger(), nullable=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("last_online_at", sa.BigInteger(), nullable=True),
        sa.Column("first_offline_at", sa.BigInteger(), nullable=True),
        sa.Column("offline_looks", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("removal_verified_at", sa.BigInteger(), nullable=True),
        sa.Column("reappeared_at", sa.BigInteger(), nullable=True),
        sa.Column("mismatch_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("looks", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_look_at", sa.BigInteger(), nullable=True),
        sa.Column("look_lease_until", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["case_.case_id"], name=op.f("fk_notice_item_case_id")),
        sa.ForeignKeyConstraint(["notice_id"], ["notice.notice_id"], name=op.f("fk_notice_item_notice_id")),
        sa.PrimaryKeyConstraint("notice_id", "case_id", name=op.f("pk_notice_item")),
        sa.UniqueConstraint(
            "platform",
            "listing_id",
            "round",
            "legal_basis",
            "action",
            "revision",
            name=op.f("uq_notice_item_platform_listing_id_round_legal_basis_action_revision"),
        ),
    )
    op.create_index("ix_notice_item_case_id_round", "notice_item", ["case_id", "round"], unique=False)
    op.create_index(
        "ix_notice_item_next_look_at",
        "notice_item",
        ["next_look_at"],
        unique=False,
        sqlite_where=sa.text("next_look_at IS NOT NULL"),
        postgresql_where=sa.text("next_look_at IS NOT NULL"),
    )
    op.create_index(
        "ix_notice_item_platform_closed_at", "notice_item", ["platform", "closed_at"], unique=False
    )
    op.create_table(
        "observation",
        sa.Column(
            "observation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("notice_id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("body_sha256", sa.Text(), nullable=True),
        sa.Column("observer", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case_.case_id"], name=op.f("fk_observation_case_id")),
        sa.ForeignKeyConstraint(["notice_id"], ["notice.notice_id"], name=op.f("fk_observation_notice_id")),
        sa.PrimaryKeyConstraint("observation_id", name=op.f("pk_observation")),
    )
    op.create_index("ix_observation_case_id_at", "observation", ["case_id", "at"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("notice_id", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("body_sha256", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("queued_at", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("lease_token", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["notice_id"], ["notice.notice_id"], name=op.f("fk_outbox_notice_id")),
        sa.PrimaryKeyConstraint("idempotency_key", name=op.f("pk_outbox")),
    )
    op.create_index(
        "ix_outbox_platform_next_at",
        "outbox",
        ["platform", "next_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('queued', 'leased')"),
        postgresql_where=sa.text("state IN ('queued', 'leased')"),
    )
    op.create_table(
        "response",
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("response_id", sa.Text(), nullable=False),
        sa.Column("notice_id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case_.case_id"], name=op.f("fk_response_case_id")),
        sa.ForeignKeyConstraint(["notice_id"], ["notice.notice_id"], name=op.f("fk_response_notice_id")),
        sa.PrimaryKeyConstraint("platform", "response_id", "case_id", name=op.f("pk_response")),
    )
    op.create_index("ix_response_notice_id", "response", ["notice_id"], unique=False)
    op.create_table(
        "attempt",
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("retry_after_s", sa.Integer(), nullable=True),
        sa.Column("reply", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["idempotency_key"], ["outbox.idempotency_key"], name=op.f("fk_attempt_idempotency_key")
        ),
        sa.PrimaryKeyConstraint("idempotency_key", "number", name=op.f("pk_attempt")),
    )
    op.execute(
        sa.text("INSERT INTO audit_head (one, position, hash) VALUES (1, 0, :zero)").bindparams(zero="0" * 64)
    )


def downgrade() -> None:
    """Drop every table."""
    op.drop_table("attempt")
    op.drop_index("ix_response_notice_id", table_name="response")
    op.drop_table("response")
    op.drop_index(
        "ix_outbox_platform_next_at",
        table_name="outbox",
        sqlite_where=sa.text("state IN ('queued', 'leased')"),
        postgresql_where=sa.text("state IN ('queued', 'leased')"),
    )
    op.drop_table("outbox")
    op.drop_index("ix_observation_case_id_at", table_name="observation")
    op.drop_table("observation")
    op.drop_index("ix_notice_item_platform_closed_at", table_name="notice_item")
    op.drop_index(
        "ix_notice_item_next_look_at",
        table_name="notice_item",
        sqlite_where=sa.text("next_look_at IS NOT NULL"),
        postgresql_where=sa.text("next_look_at IS NOT NULL"),
    )
    op.drop_index("ix_notice_item_case_id_round", table_name="notice_item")
    op.drop_table("notice_item")
    op.drop_index("ix_detection_case_id_recorded_at", table_name="detection")
    op.drop_table("detection")
    op.drop_index("ix_deadline_platform_state", table_name="deadline")
    op.drop_index(
        "ix_deadline_due_at",
        table_name="deadline",
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.drop_table("deadline")
    op.drop_index(
        "ix_case_event_unpublished",
        table_name="case_event",
        sqlite_where=sa.text("published = 0"),
        postgresql_where=sa.text("NOT published"),
    )
    op.drop_table("case_event")
    op.drop_index("ix_notice_platform_queued_at", table_name="notice")
    op.drop_index(
        "ix_notice_next_poll_at",
        table_name="notice",
        sqlite_where=sa.text("next_poll_at IS NOT NULL"),
        postgresql_where=sa.text("next_poll_at IS NOT NULL"),
    )
    op.drop_table("notice")
    op.drop_table("lease")
    op.drop_index(
        "ix_inbox_new",
        table_name="inbox",
        sqlite_where=sa.text("state = 'new'"),
        postgresql_where=sa.text("state = 'new'"),
    )
    op.drop_table("inbox")
    op.drop_table("consumer_offset")
    op.drop_index("ix_case__status_updated_at", table_name="case_")
    op.drop_table("case_")
    op.drop_table("audit_head")
    op.drop_table("audit")
