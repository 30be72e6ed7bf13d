"""Looking for bytes inside what a column holds, on every database."""

from typing import Any

import sqlalchemy as sa

from streams.notices.casebook.database import Transaction


def contains(tx: Transaction, column: sa.ColumnElement[Any], wanted: bytes) -> sa.ColumnElement[bool]:
    """Whether the column's bytes hold these. No index helps: the whole table is read."""
    if tx.dialect.name == "sqlite":
        return sa.func.instr(column, wanted) > 0
    return sa.func.position(sa.literal(wanted, sa.LargeBinary()).op("IN")(column)) > 0
