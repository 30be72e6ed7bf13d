"""Keyed hashes of what was erased, so that a topic that is read again does not bring it back."""

from collections.abc import Collection, Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from streams.notices.casebook.database import Transaction
from streams.notices.casebook.erasure_tables import erased_mark

_AT_ONCE = 500


def keep(tx: Transaction, marks: Iterable[str], *, now: datetime) -> None:
    """What bears one of these marks and was seen until ``now`` is not taken in again."""
    insert = sqlite_insert if tx.dialect.name == "sqlite" else pg_insert
    rows = [{"mark": one, "erased_at": now} for one in sorted(set(marks))]
    if rows:
        statement = insert(erased_mark)
        tx.execute(
            statement.on_conflict_do_update(
                index_elements=["mark"], set_={"erased_at": statement.excluded.erased_at}
            ),
            rows,
        )


def known(tx: Transaction, marks: Collection[str]) -> dict[str, datetime]:
    """Those of the marks that were kept, and until when what bears them stays out."""
    found: dict[str, datetime] = {}
    wanted = sorted(marks)
    for start in range(0, len(wanted), _AT_ONCE):
        rows = tx.execute(
            sa.select(erased_mark.c.mark, erased_mark.c.erased_at).where(
                erased_mark.c.mark.in_(wanted[start : start + _AT_ONCE])
            )
        )
        found.update((row.mark, row.erased_at) for row in rows)
    return found


def any_kept(tx: Transaction) -> bool:
    """Whether anything was ever erased."""
    return tx.execute(sa.select(erased_mark.c.mark).limit(1)).first() is not None
