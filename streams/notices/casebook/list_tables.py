"""Changes of what is looked for: watchlist entries, files of them, and rule packs.

In a module of their own only because a page has an end; they share the casebook's metadata.
"""

from sqlalchemy import Column, Index, Integer, LargeBinary, Table, Text

from streams.notices.casebook.tables import UtcInstant, metadata

list_change = Table(
    "list_change",
    metadata,
    Column("change_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("version", Integer),
    Column("target", Text, nullable=False),
    # What a person was shown: an entry, a file, the text of a pack. Its hash is what is decided about.
    Column("body", LargeBinary, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("made_at", UtcInstant, nullable=False),
    Column("reason", Text),
    Column("proposed_at", UtcInstant),
    # What the change was compared with, and what came of trying it.
    Column("base", Text),
    Column("report", Text),
    Column("shown_sha256", Text),
    Column("decided_by", Text),
    Column("decided_at", UtcInstant),
    Column("decision", Text),
    Column("decision_reason", Text),
    # Records of the topic: those that the change writes, and what stood there before.
    Column("writes", LargeBinary),
    Column("replaces", LargeBinary),
    Column("done_at", UtcInstant),
    Column("done_how", Text),
    Index("ix_list_change_kind_subject", "kind", "subject", "made_at"),
    Index("ix_list_change_state_made_at", "state", "made_at"),
)
