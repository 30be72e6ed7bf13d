"""Erasure: tombstones, what must not come back, legal holds, and the salt of what is sealed.

Adds only: a process of the version before writes rows of the chain without a salt, which stay valid.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables, the column and the index."""
    op.add_column("audit", sa.Column("salt", sa.LargeBinary(), nullable=True))
    op.create_index("ix_audit_subject", "audit", ["subject"])
    op.create_index("ix_notice_item_item_id", "notice_item", ["item_id"])
    op.create_table(
        "erasure",
        sa.Column("erasure_id", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("files", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("erasure_id", name=op.f("pk_erasure")),
    )
    op.create_index("ix_erasure_decision_id", "erasure", ["decision_id"])
    op.create_index(
        "ix_erasure_files",
        "erasure",
        ["erasure_id"],
        sqlite_where=sa.text("files <> '[]'"),
        postgresql_where=sa.text("files <> '[]'"),
    )
    op.create_table(
        "erased_mark",
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("erased_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("mark", name=op.f("pk_erased_mark")),
    )
    op.create_table(
        "privacy_key",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("used_since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_privacy_key")),
    )
    op.create_table(
        "legal_hold",
        sa.Column("legal_hold_id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_at", sa.BigInteger(), nullable=False),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("lifted_at", sa.BigInteger(), nullable=True),
        sa.Column("lift_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("legal_hold_id", name=op.f("pk_legal_hold")),
        sa.ForeignKeyConstraint(["case_id"], ["case_.case_id"], name=op.f("fk_legal_hold_case_id")),
    )
    op.create_index(
        "uq_legal_hold_in_force",
        "legal_hold",
        ["case_id"],
        unique=True,
        sqlite_where=sa.text("lifted_at IS NULL"),
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.create_index("ix_legal_hold_case_id", "legal_hold", ["case_id"])


def downgrade() -> None:
    """Remove them."""
    op.drop_table("legal_hold")
    op.drop_table("privacy_key")
    op.drop_table("erased_mark")
    op.drop_table("erasure")
    op.drop_index("ix_notice_item_item_id", "notice_item")
    op.drop_index("ix_audit_subject", "audit")
    op.drop_column("audit", "salt")
