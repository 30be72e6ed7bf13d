"""Tables of what keeps notices back: holds, stops, caps, the sender's record and the state of channels.

In a module of their own only because a page has an end; they share the casebook's metadata.
"""

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from streams.notices.casebook.tables import UtcInstant, metadata

hold = Table(
    "hold",
    metadata,
    Column("hold_id", Text, primary_key=True),
    Column("case_id", Text, ForeignKey("case_.case_id"), nullable=False),
    Column("reason", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", UtcInstant, nullable=False),
    Column("expires_at", UtcInstant, nullable=False),
    Column("confirmed_by", Text),
    Column("confirmed_at", UtcInstant),
    Column("ended_by", Text),
    Column("ended_at", UtcInstant),
    Column("ended_how", Text),
    # One hold a case at a time: a second request is answered with the first.
    Index(
        "uq_hold_open",
        "case_id",
        unique=True,
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
    Index("ix_hold_case_id", "case_id"),
    Index(
        "ix_hold_expires_at",
        "expires_at",
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
)

stop = Table(
    "stop",
    metadata,
    Column("stop_id", Text, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("set_at", UtcInstant, nullable=False),
    Column("lifted_by", Text),
    Column("lifted_at", UtcInstant),
    Index(
        "uq_stop_in_force",
        "scope",
        "name",
        unique=True,
        sqlite_where=text("lifted_at IS NULL"),
        postgresql_where=text("lifted_at IS NULL"),
    ),
)

excess = Table(
    "excess",
    metadata,
    Column("excess_id", Text, primary_key=True),
    Column("platform", Text, nullable=False),
    Column("day", Text, nullable=False),
    Column("more", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("approved_by", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("approved_at", UtcInstant, nullable=False),
    UniqueConstraint("platform", "day", "person", "more"),
)

spent = Table(
    "spent",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("day", Text, primary_key=True),
    Column("notices", Integer, nullable=False),
    Column("requests", Integer, nullable=False),
)

notice_rule = Table(
    "notice_rule",
    metadata,
    Column("notice_id", Text, ForeignKey("notice.notice_id"), primary_key=True),
    Column("rule_id", Text, primary_key=True),
    Index("ix_notice_rule_rule_id", "rule_id"),
)

quality = Table(
    "quality",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("rule_id", Text, primary_key=True),
    Column("decided", Integer, nullable=False),
    Column("successes", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("overturned", Integer, nullable=False),
    Column("below", Text),
    Column("computed_at", UtcInstant, nullable=False),
)

allowance = Table(
    "allowance",
    metadata,
    Column("allowance_id", Text, primary_key=True),
    Column("platform", Text, nullable=False),
    Column("rule_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("allowed_by", Text, nullable=False),
    Column("allowed_at", UtcInstant, nullable=False),
    Column("until", UtcInstant, nullable=False),
    Index("ix_allowance_platform_rule_id", "platform", "rule_id"),
)

breaker = Table(
    "breaker",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("opened_at", UtcInstant),
    Column("retry_at", UtcInstant),
    Column("opened", Integer, nullable=False),
)

task = Table(
    "task",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("notice_id", Text, ForeignKey("notice.notice_id"), nullable=False),
    Column("case_id", Text, ForeignKey("case_.case_id"), nullable=False),
    Column("platform", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("due_at", UtcInstant, nullable=False),
    Column("done_by", Text),
    Column("done_at", UtcInstant),
    Column("note", Text),
    UniqueConstraint("notice_id", "case_id", "step"),
    Index(
        "ix_task_open",
        "due_at",
        sqlite_where=text("done_at IS NULL"),
        postgresql_where=text("done_at IS NULL"),
    ),
)
