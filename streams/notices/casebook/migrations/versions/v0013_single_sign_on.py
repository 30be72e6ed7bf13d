"""Accounts by single sign-on, and what is late in the order of how long."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and the indexes."""
    op.add_column("account", sa.Column("subject", sa.Text))
    op.create_index("ix_account_subject", "account", ["subject"], unique=True)
    op.create_index(
        "ix_deadline_missed",
        "deadline",
        ["due_at", "notice_id", "case_id"],
        sqlite_where=sa.text("state = 'missed'"),
        postgresql_where=sa.text("state = 'missed'"),
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_index("ix_deadline_missed", "deadline")
    op.drop_index("ix_account_subject", "account")
    op.drop_column("account", "subject")
