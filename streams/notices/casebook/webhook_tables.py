"""Tables of what a platform's own people set: where its notices go, and the secrets that sign them."""

from sqlalchemy import Column, Index, Integer, Table, Text, text

from streams.notices.casebook.tables import UtcInstant, metadata


def _one_each(name: str, where: str) -> Index:
    """At most one such row for each platform."""
    return Index(name, "platform", unique=True, sqlite_where=text(where), postgresql_where=text(where))


webhook_address = Table(
    "webhook_address",
    metadata,
    Column("address_id", Text, primary_key=True),
    Column("platform", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("proposed_by", Text, nullable=False),
    Column("proposed_at", UtcInstant, nullable=False),
    # The last test of it: the second of them decides whether it may be used.
    Column("tested_at", UtcInstant),
    Column("test_result", Text),
    Column("test_status", Integer),
    Column("proven_at", UtcInstant),
    Column("used_by", Text),
    Column("used_at", UtcInstant),
    Column("ended_by", Text),
    Column("ended_at", UtcInstant),
    _one_each("uq_webhook_address_used", "used_at IS NOT NULL AND ended_at IS NULL"),
    _one_each("uq_webhook_address_proposed", "used_at IS NULL AND ended_at IS NULL"),
)

webhook_secret = Table(
    "webhook_secret",
    metadata,
    Column("secret_id", Text, primary_key=True),
    Column("platform", Text, nullable=False),
    # Encrypted with the desk's key; what tells it from others, and nothing of it, stands beside.
    Column("sealed", Text, nullable=False),
    Column("mark", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("made_at", UtcInstant, nullable=False),
    # Seconds for which the one before goes on signing once this one was proven.
    Column("overlap_s", Integer, nullable=False),
    Column("tested_at", UtcInstant),
    Column("test_result", Text),
    Column("test_status", Integer),
    Column("proven_at", UtcInstant),
    Column("old_until", UtcInstant),
    Column("ended_by", Text),
    Column("ended_at", UtcInstant),
    _one_each("uq_webhook_secret_new", "proven_at IS NULL AND ended_at IS NULL"),
    Index("ix_webhook_secret_platform_made_at", "platform", "made_at"),
)
