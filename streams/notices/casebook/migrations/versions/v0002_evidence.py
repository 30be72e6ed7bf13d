"""Files of evidence."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table of evidence."""
    op.create_table(
        "evidence",
        sa.Column(
            "evidence_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("notice_id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("captured_at", sa.BigInteger(), nullable=False),
        sa.Column("captured_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case_.case_id"], name=op.f("fk_evidence_case_id")),
        sa.ForeignKeyConstraint(["notice_id"], ["notice.notice_id"], name=op.f("fk_evidence_notice_id")),
        sa.PrimaryKeyConstraint("evidence_id", name=op.f("pk_evidence")),
    )
    op.create_index("ix_evidence_notice_id_case_id", "evidence", ["notice_id", "case_id"], unique=False)


def downgrade() -> None:
    """Remove it."""
    op.drop_index("ix_evidence_notice_id_case_id", table_name="evidence")
    op.drop_table("evidence")
