"""What keeps notices back: holds, stops, caps, the sender's record, the state of channels, and tasks."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables, and note the rules of the notices that are there."""
    op.create_table(
        "allowance",
        sa.Column("allowance_id", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("rule_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("allowed_by", sa.Text(), nullable=False),
        sa.Column("allowed_at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("allowance_id", name=op.f("pk_allowance")),
    )
    op.create_index("ix_allowance_platform_rule_id", "allowance", ["platform", "rule_id"], unique=False)
    op.create_table(
        "breaker",
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=True),
        sa.Column("retry_at", sa.BigInteger(), nullable=True),
        sa.Column("opened", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("platform", "channel", name=op.f("pk_breaker")),
    )
    op.create_table(
        "excess",
        sa.Column("excess_id", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("more", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("approved_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("excess_id", name=op.f("pk_excess")),
        sa.UniqueConstraint(
            "platform", "day", "person", "more", name=op.f("uq_excess_platform_day_person_more")
        ),
    )
    op.create_table(
        "quality",
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("rule_id", sa.Text(), nullable=False),
        sa.Column("decided", sa.Integer(), nullable=False),
        sa.Column("successes", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("overturned", sa.Integer(), nullable=False),
        sa.Column("below", sa.Text(), nullable=True),
        sa.Column("computed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("platform", "rule_id", name=op.f("pk_quality")),
    )
    op.create_table(
        "spent",
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("notices", sa.Integer(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("platform", "day", name=op.f("pk_spent")),
    )
    op.create_table(
        "stop",
        sa.Column("stop_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_at", sa.BigInteger(), nullable=False),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("lifted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("stop_id", name=op.f("pk_stop")),
    )
    op.create_index(
        "uq_stop_in_force",
        "stop",
        ["scope", "name"],
        unique=True,
        sqlite_where=sa.text("lifted_at IS NULL"),
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.create_table(
        "hold",
        sa.Column("hold_id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_by", sa.Text(), nullable=True),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_how", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["case_.case_id"], name=op.f("fk_hold_case_id")),
        sa.PrimaryKeyConstraint("hold_id", name=op.f("pk_hold")),
    )
    op.create_index("ix_hold_case_id", "hold", ["case_id"], unique=False)
    op.create_index(
        "uq_hold_open",
        "hold",
        ["case_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "notice_rule",
        sa.Column("notice_id", sa.Text(), nullable=False),
        sa.Column("rule_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["notice_id"], ["notice.notice_id"], name=op.f("fk_notice_rule_notice_id")),
        sa.PrimaryKeyConstraint("notice_id", "rule_id", name=op.f("pk_notice_rule")),
    )
    op.create_index("ix_notice_rule_rule_id", "notice_rule", ["rule_id"], unique=False)
    op.create_table(
        "task",
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("notice_id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("done_by", sa.Text(), nullable=True),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["case_.case_id"], name=op.f("fk_task_case_id")),
        sa.ForeignKeyConstraint(["notice_id"], ["notice.notice_id"], name=op.f("fk_task_notice_id")),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_task")),
        sa.UniqueConstraint("notice_id", "case_id", "step", name=op.f("uq_task_notice_id_case_id_step")),
    )
    op.create_index(
        "ix_task_open",
        "task",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.add_column("outbox", sa.Column("purpose", sa.Text(), nullable=True))
    op.add_column("outbox", sa.Column("recipient", sa.Text(), nullable=True))
    op.create_index("ix_outbox_notice_id", "outbox", ["notice_id"], unique=False)
    op.create_index(
        "ix_hold_expires_at",
        "hold",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "ix_outbox_kept_back",
        "outbox",
        ["platform"],
        unique=False,
        sqlite_where=sa.text("state = 'held'"),
        postgresql_where=sa.text("state = 'held'"),
    )
    other_way = "purpose IN ('fallback', 'escalation') AND state IN ('queued', 'leased')"
    op.create_index(
        "ix_outbox_other_way",
        "outbox",
        ["platform", "next_at"],
        unique=False,
        sqlite_where=sa.text(other_way),
        postgresql_where=sa.text(other_way),
    )
    op.create_index("ix_attempt_started_at", "attempt", ["started_at"], unique=False)
    _note_rules()


def _note_rules() -> None:
    connection = op.get_bind()
    rules = sa.table("notice_rule", sa.column("notice_id"), sa.column("rule_id"))
    last = ""
    while True:
        rows = connection.execute(
            sa.text(
                "SELECT notice_id, body FROM notice WHERE notice_id > :last ORDER BY notice_id LIMIT 500"
            ),
            {"last": last},
        ).all()
        if not rows:
            return
        last = rows[-1].notice_id
        found = [
            {"notice_id": row.notice_id, "rule_id": rule}
            for row in rows
            for rule in dict.fromkeys(json.loads(bytes(row.body))["detection"].get("rule_ids", ()))
        ]
        if found:
            connection.execute(sa.insert(rules), found)


def downgrade() -> None:
    """Remove them."""
    op.drop_index("ix_outbox_other_way", table_name="outbox")
    op.drop_index("ix_outbox_kept_back", table_name="outbox")
    op.drop_index("ix_hold_expires_at", table_name="hold")
    op.drop_index("ix_attempt_started_at", table_name="attempt")
    op.drop_index("ix_outbox_notice_id", table_name="outbox")
    op.drop_column("outbox", "recipient")
    op.drop_column("outbox", "purpose")
    op.drop_index(
        "ix_task_open",
        table_name="task",
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.drop_table("task")
    op.drop_index("ix_notice_rule_rule_id", table_name="notice_rule")
    op.drop_table("notice_rule")
    op.drop_index(
        "uq_hold_open",
        table_name="hold",
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.drop_index("ix_hold_case_id", table_name="hold")
    op.drop_table("hold")
    op.drop_index(
        "uq_stop_in_force",
        table_name="stop",
        sqlite_where=sa.text("lifted_at IS NULL"),
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.drop_table("stop")
    op.drop_table("spent")
    op.drop_table("quality")
    op.drop_table("excess")
    op.drop_table("breaker")
    op.drop_index("ix_allowance_platform_rule_id", table_name="allowance")
    op.drop_table("allowance")
