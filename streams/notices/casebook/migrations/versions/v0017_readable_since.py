"""Says which programs the tables serve, so that one of the version before may start again after a change."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; what stands in it is written with every change of the tables."""
    op.create_table(
        "readable_since",
        sa.Column("one", sa.Integer(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("since", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_readable_since")),
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_table("readable_since")
