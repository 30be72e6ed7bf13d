"""Contacts of reporters, encrypted, beside the reports.

Adds only: what a process of the version before files has neither column, and its contact in the body.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the index."""
    op.add_column("filed_report", sa.Column("contact", sa.Text(), nullable=True))
    op.add_column("filed_report", sa.Column("contact_key", sa.Text(), nullable=True))
    op.create_index("ix_filed_report_contact_key_report_id", "filed_report", ["contact_key", "report_id"])


def downgrade() -> None:
    """Remove them; what only stood there is lost."""
    op.drop_index("ix_filed_report_contact_key_report_id", "filed_report")
    op.drop_column("filed_report", "contact_key")
    op.drop_column("filed_report", "contact")
