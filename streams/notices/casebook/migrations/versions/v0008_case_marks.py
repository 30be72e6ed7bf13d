"""What cases share: the seller, a contact, a picture."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "case_mark",
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("joins", sa.Text(), nullable=False),
        sa.Column("near", sa.Text(), nullable=True),
        sa.Column("marked_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case_.case_id"], name=op.f("fk_case_mark_case_id")),
        sa.PrimaryKeyConstraint("value", "case_id", name=op.f("pk_case_mark")),
    )
    op.create_index("ix_case_mark_case_id", "case_mark", ["case_id"])


def downgrade() -> None:
    """Remove it."""
    op.drop_table("case_mark")
