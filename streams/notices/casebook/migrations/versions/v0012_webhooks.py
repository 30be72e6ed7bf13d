"""What a platform's own people set: where its notices go, and the secrets that sign them."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "webhook_address",
        sa.Column("address_id", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Text(), nullable=False),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
        sa.Column("tested_at", sa.BigInteger(), nullable=True),
        sa.Column("test_result", sa.Text(), nullable=True),
        sa.Column("test_status", sa.Integer(), nullable=True),
        sa.Column("proven_at", sa.BigInteger(), nullable=True),
        sa.Column("used_by", sa.Text(), nullable=True),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("address_id", name=op.f("pk_webhook_address")),
    )
    for name, where in (
        ("uq_webhook_address_used", "used_at IS NOT NULL AND ended_at IS NULL"),
        ("uq_webhook_address_proposed", "used_at IS NULL AND ended_at IS NULL"),
    ):
        _one_each(name, "webhook_address", where)
    op.create_table(
        "webhook_secret",
        sa.Column("secret_id", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("overlap_s", sa.Integer(), nullable=False),
        sa.Column("tested_at", sa.BigInteger(), nullable=True),
        sa.Column("test_result", sa.Text(), nullable=True),
        sa.Column("test_status", sa.Integer(), nullable=True),
        sa.Column("proven_at", sa.BigInteger(), nullable=True),
        sa.Column("old_until", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("secret_id", name=op.f("pk_webhook_secret")),
    )
    _one_each("uq_webhook_secret_new", "webhook_secret", "proven_at IS NULL AND ended_at IS NULL")
    op.create_index("ix_webhook_secret_platform_made_at", "webhook_secret", ["platform", "made_at"])


def _one_each(name: str, table: str, where: str) -> None:
    condition = sa.text(where)
    op.create_index(
        name, table, ["platform"], unique=True, sqlite_where=condition, postgresql_where=condition
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("webhook_secret")
    op.drop_table("webhook_address")
