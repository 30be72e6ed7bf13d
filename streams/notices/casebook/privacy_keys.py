"""Which privacy keys the casebook was written with, by names that tell nothing of them."""

from datetime import datetime

import sqlalchemy as sa

from streams.notices.casebook.cases import insert_new
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.erasure_tables import privacy_key


def in_use(tx: Transaction) -> frozenset[str]:
    """Every key without which something could not be read or known again."""
    return frozenset(tx.execute(sa.select(privacy_key.c.key_id)).scalars())


def use(tx: Transaction, key_id: str, *, now: datetime) -> None:
    """From now on the casebook keeps something under this key."""
    insert_new(tx, privacy_key, {"key_id": key_id, "used_since": now})
