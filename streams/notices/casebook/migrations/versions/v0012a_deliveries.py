"""A platform's delivery log found by an index, however much was sent to others."""

import sqlalchemy as sa
from alembic import op

revision = "0012a"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Name the platform beside each try."""
    op.add_column("attempt", sa.Column("platform", sa.Text(), nullable=True))
    op.execute(
        "UPDATE attempt SET platform = (SELECT outbox.platform FROM outbox "
        "WHERE outbox.idempotency_key = attempt.idempotency_key)"
    )
    op.create_index("ix_attempt_platform_started_at", "attempt", ["platform", "started_at"])


def downgrade() -> None:
    """Remove it."""
    op.drop_index("ix_attempt_platform_started_at", "attempt")
    op.drop_column("attempt", "platform")
