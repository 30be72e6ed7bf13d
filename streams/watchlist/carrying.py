"""Carries out what was decided about the lists: the casebook says it first, then Kafka is told.

A process that dies between the two leaves a decided change behind, which the next to look carries out;
one that the topic has overtaken meanwhile is never written over what others did.
"""

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from schemas.errors import OperatorError
from schemas.watchlist import Told
from streams.notices.casebook import list_changes
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.list_changes import Change
from streams.watchlist.records import Write, overtaken, unpacked


class ListTopic(Protocol):
    """The watchlist topic, read and written; :class:`streams.watchlist.mirror.Mirror` is one."""

    async def now(self) -> Mapping[str, Told]:
        """The newest message under each key.

        Raises:
            OperatorError: Kafka does not answer.
        """
        ...

    async def put(self, writes: Sequence[Write], *, change_id: str, now: datetime) -> None:
        """Write records; returns when Kafka has them.

        Raises:
            OperatorError: Kafka does not answer.
        """
        ...

    async def aclose(self) -> None:
        """Let go of Kafka."""
        ...


async def carry_out(casebook: Casebook, topic: ListTopic, change: Change, *, now: datetime) -> str:
    """Write a decided change to the topic: ``written`` or ``overtaken``.

    Raises:
        OperatorError: Kafka does not answer: the change stays decided, and is carried out later.
    """
    writes = unpacked(change.writes or b"[]")
    there = await topic.now()
    how = "overtaken"
    if not overtaken(writes, unpacked(change.replaces or b"[]"), there):
        missing = [one for one in writes if there.get(one.key) != one.told]
        await topic.put(missing, change_id=change.change_id, now=change.decided_at or now)
        how = "written"
    await casebook.run(list_changes.finish, change.change_id, how=how, now=now)
    return how


async def carry_out_rest(casebook: Casebook, topic: ListTopic, *, now: datetime) -> int:
    """Carry out everything that was decided and not written; how many there were.

    Kafka that does not answer leaves them for the next time.
    """
    left = await casebook.look(list_changes.unwritten)
    for change in left:
        with contextlib.suppress(OperatorError):
            await carry_out(casebook, topic, change, now=now)
    return len(left)
