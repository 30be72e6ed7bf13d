"""Tables of what was erased, what must not come back, and what must not be erased."""

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, Table, Text, text

from streams.notices.casebook.tables import UtcInstant, metadata

erasure = Table(
    "erasure",
    metadata,
    Column("erasure_id", Text, primary_key=True),
    # Several rows can come from one decision: work is done in pieces.
    Column("decision_id", Text, nullable=False),
    Column("at", UtcInstant, nullable=False),
    Column("cause", Text, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("basis", Text, nullable=False),
    # What it was about, and of each thing what was sealed before and since: JSON, hashes only.
    Column("about", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    # Files that go once this is committed; empty when none is left.
    Column("files", Text, nullable=False),
    Index("ix_erasure_decision_id", "decision_id"),
    Index(
        "ix_erasure_files",
        "erasure_id",
        sqlite_where=text("files <> '[]'"),
        postgresql_where=text("files <> '[]'"),
    ),
)

# Keyed hashes, so that the table names nobody: see streams.privacy.keys.
erased_mark = Table(
    "erased_mark",
    metadata,
    Column("mark", Text, primary_key=True),
    Column("erased_at", UtcInstant, nullable=False),
)

privacy_key = Table(
    "privacy_key",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("used_since", UtcInstant, nullable=False),
)

legal_hold = Table(
    "legal_hold",
    metadata,
    Column("legal_hold_id", Text, primary_key=True),
    Column("case_id", Text, ForeignKey("case_.case_id"), nullable=False),
    Column("reason", Text, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("set_at", UtcInstant, nullable=False),
    Column("lifted_by", Text),
    Column("lifted_at", UtcInstant),
    Column("lift_reason", Text),
    Index(
        "uq_legal_hold_in_force",
        "case_id",
        unique=True,
        sqlite_where=text("lifted_at IS NULL"),
        postgresql_where=text("lifted_at IS NULL"),
    ),
    Index("ix_legal_hold_case_id", "case_id"),
)
