"""How far each Kafka partition was taken, stored with what was taken, and named leases."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa

from streams.notices.casebook import tables as t
from streams.notices.casebook.cases import insert_new
from streams.notices.casebook.database import Transaction


class OffsetTaken(Exception):
    """Another process took these records meanwhile: drop the batch and read from its offset."""


def next_offsets(tx: Transaction, topic: str) -> dict[int, int]:
    """Partition to the next offset to take."""
    rows = tx.execute(
        sa.select(t.consumer_offset.c.partition, t.consumer_offset.c.next_offset).where(
            t.consumer_offset.c.topic == topic
        )
    )
    return {row.partition: row.next_offset for row in rows}


def advance(tx: Transaction, topic: str, moves: Mapping[int, tuple[int | None, int]]) -> None:
    """Move partitions from (what this process believes) to (one past the last record taken).

    Raises:
        OffsetTaken: a partition stood elsewhere; the caller's transaction must be rolled back.
    """
    for partition, (believed, following) in sorted(moves.items()):
        if believed is None:
            taken = insert_new(
                tx,
                t.consumer_offset,
                {"topic": topic, "partition": partition, "next_offset": following},
            )
        else:
            changed = tx.execute(
                sa.update(t.consumer_offset)
                .where(
                    t.consumer_offset.c.topic == topic,
                    t.consumer_offset.c.partition == partition,
                    t.consumer_offset.c.next_offset == believed,
                )
                .values(next_offset=following)
            )
            taken = bool(changed.rowcount)
        if not taken:
            raise OffsetTaken(f"{topic}[{partition}] no longer stands at {believed}")


def take_lease(tx: Transaction, name: str, holder: str, *, now: datetime, hold_for: timedelta) -> bool:
    """Hold or prolong a named lease; ``False``: somebody else holds it."""
    insert_new(tx, t.lease, {"name": name, "holder": holder, "until": now})
    changed = tx.execute(
        sa.update(t.lease)
        .where(
            t.lease.c.name == name,
            sa.or_(t.lease.c.holder == holder, t.lease.c.until <= now),
        )
        .values(holder=holder, until=now + hold_for)
    )
    return bool(changed.rowcount)
