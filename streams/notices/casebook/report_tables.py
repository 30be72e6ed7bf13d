"""Tables of reports: what people told us by the public form, and what became of it."""

from sqlalchemy import Column, Index, Integer, LargeBinary, Table, Text

from streams.notices.casebook.tables import UtcInstant, metadata

filed_report = Table(
    "filed_report",
    metadata,
    Column("report_id", Text, primary_key=True),
    Column("received_at", UtcInstant, nullable=False),
    Column("kind", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("picture_sha256", Text),
    Column("picture_size", Integer),
    # A keyed hash of where it came from, to count by; blanked after a day.
    Column("origin", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("case_id", Text),
    Column("decided_at", UtcInstant),
    Column("decided_by", Text),
    Column("reason", Text),
    # Name and address of who reported, encrypted. Beside the body, so that keys can be replaced without a
    # change of what the audit chain seals.
    Column("contact", Text),
    # With which key; empty: there is no contact. NULL: filed by a version that kept it in the body, in clear.
    Column("contact_key", Text),
    Index("ix_filed_report_contact_key_report_id", "contact_key", "report_id"),
    Index("ix_filed_report_state_received_at", "state", "received_at"),
    Index("ix_filed_report_origin_received_at", "origin", "received_at"),
    Index("ix_filed_report_received_at", "received_at"),
    Index("ix_filed_report_url", "url"),
)
