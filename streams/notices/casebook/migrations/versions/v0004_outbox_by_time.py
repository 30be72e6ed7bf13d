"""When the next notice is due is read from an index, however many wait.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WAITS = sa.text("state IN ('queued', 'leased')")


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_outbox_next_at", "outbox", ["next_at"], sqlite_where=WAITS, postgresql_where=WAITS)
