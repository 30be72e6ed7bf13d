"""Cases and reports found by the address of the offer."""

from alembic import op

revision = "0011"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the indexes."""
    op.create_index("ix_case__url", "case_", ["url"])
    op.create_index("ix_filed_report_url", "filed_report", ["url"])


def downgrade() -> None:
    """Remove them."""
    op.drop_index("ix_filed_report_url", "filed_report")
    op.drop_index("ix_case__url", "case_")
