"""Reports that people file by the public form."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "filed_report",
        sa.Column("report_id", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("picture_sha256", sa.Text(), nullable=True),
        sa.Column("picture_size", sa.Integer(), nullable=True),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_filed_report")),
    )
    op.create_index("ix_filed_report_state_received_at", "filed_report", ["state", "received_at"])
    op.create_index("ix_filed_report_origin_received_at", "filed_report", ["origin", "received_at"])
    op.create_index("ix_filed_report_received_at", "filed_report", ["received_at"])


def downgrade() -> None:
    """Remove it."""
    op.drop_table("filed_report")
