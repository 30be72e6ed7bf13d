"""What other people thought of sampled notices is read by time."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

CHECKED = sa.text("type = 'quality_checked'")


def upgrade() -> None:
    """Add the index."""
    op.create_index(
        "ix_case_event_quality_checked",
        "case_event",
        ["at"],
        sqlite_where=CHECKED,
        postgresql_where=CHECKED,
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_index("ix_case_event_quality_checked", "case_event")
