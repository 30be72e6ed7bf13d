"""Who had an answer that was set aside read once more, when and why.

Adds only: a process of the version before applies such an answer and says nothing of it in the case.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "answer_reading",
        sa.Column("reading_id", sa.Text(), nullable=False),
        sa.Column("inbox_id", sa.BigInteger(), nullable=False),
        sa.Column("was", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("reading_id", name=op.f("pk_answer_reading")),
        sa.ForeignKeyConstraint(["inbox_id"], ["inbox.inbox_id"], name=op.f("fk_answer_reading_inbox_id")),
    )
    op.create_index("ix_answer_reading_inbox_id", "answer_reading", ["inbox_id"])


def downgrade() -> None:
    """Remove it; who asked for what is lost."""
    op.drop_table("answer_reading")
