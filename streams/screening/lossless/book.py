"""The ledgers of one worker: open, admit, complete, fail, announce, commit.

Knows Kafka through the Protocol :class:`Log` only.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from streams.screening.lossless.batch import Batch
from streams.screening.lossless.ledger import Decided, Ledger, Offer

log = structlog.get_logger(__name__)

AHEAD = 1
"""How many batches may wait to be taken, of all partitions, before no more are handed out."""

Announce = Callable[[Mapping[TopicPartition, Decided]], Awaitable[None]]
"""Tells the world what is decided; returns when that is acknowledged, raises ``KafkaError`` if it is not."""


class Log(Protocol):
    """What the book needs of Kafka. Every method may raise ``KafkaError``."""

    async def start_reading(self, partition: TopicPartition) -> tuple[int, int | None]:
        """Seek to where reading begins; that offset and the committed one, if any."""
        ...

    async def seek(self, partition: TopicPartition, offset: int) -> None:
        """Make ``offset`` the next to be fetched."""
        ...

    async def first_at(self, partition: TopicPartition, offset: int) -> int | None:
        """Offset of the first record at or after ``offset``, read independently; ``None``: unknown."""
        ...

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit for the group; raises when it is not known to be accepted."""
        ...


@dataclass(slots=True)
class Counts:
    """What happened since the start; read by metrics and by the fault driver."""

    opens: int = 0
    seek_backs: int = 0
    gaps: int = 0
    """Holes that the independent reader confirmed."""
    failures: int = 0
    """Batches that will be delivered again."""
    refused_commits: int = 0


@dataclass(slots=True)
class Watch:
    """When a partition last got on (monotonic seconds); judged by :meth:`Book.stuck`."""

    moved_at: float
    """``low`` rose, or a batch was handed out while none was outstanding."""
    level_at: float
    """A commit was accepted, or there was nothing left to commit."""
    behind_at: float | None = None
    """Since when the log is known to hold more than was handed out, with nothing outstanding."""


class Book:
    """The ledgers of the partitions that are assigned.

    A ledger is dropped at any rebalance, seek or failure and opened again at the committed offset.
    Batches recognise a dropped ledger by identity, so a late ``done`` of an old one has no effect.
    """

    def __init__(
        self,
        kafka: Log,
        announce: Announce,
        leave: Callable[[str], None],
        *,
        depth: int = 3,
        max_failures: int = 20,
        commit_timeout_s: float = 5.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = Counts()
        self.room = asyncio.Event()
        """Set when a batch was taken or ended: there may be room for another."""
        self._kafka = kafka
        self._announce = announce
        self._leave = leave
        self._depth = depth
        self._max_failures = max_failures
        self._commit_timeout_s = commit_timeout_s
        self._monotonic = monotonic
        self._epoch = 0
        self._ledgers: dict[TopicPartition, Ledger] = {}
        self._watches: dict[TopicPartition, Watch] = {}
        self._failures: dict[TopicPartition, tuple[int, int]] = {}
        self._commit_lock = asyncio.Lock()

    # -- reading -------------------------------------------------------------------------------

    def ledger(self, partition: TopicPartition) -> Ledger | None:
        """The open ledger of a partition."""
        return self._ledgers.get(partition)

    def ledgers(self) -> Mapping[TopicPartition, Ledger]:
        """All open ledgers."""
        return self._ledgers

    def with_room(self, partitions: Collection[TopicPartition]) -> set[TopicPartition]:
        """Those that may be fetched: no ledger yet, or fewer than ``depth`` batches outstanding.

        Of those with a ledger none while as many batches as :data:`AHEAD` wait for somebody to take them:
        records that lie about as objects cost memory and are cold when their turn comes, and what is
        fetched of a partition waits as bytes.
        """
        waiting = sum(not span.taken for ledger in self._ledgers.values() for span in ledger)
        return {
            partition
            for partition in partitions
            if (ledger := self._ledgers.get(partition)) is None
            or (ledger.spans < self._depth and waiting < AHEAD)
        }

    async def open(self, partition: TopicPartition) -> None:
        """Begin at the committed offset, sought explicitly; must not overlap with a fetch."""
        epoch = self._epoch
        base, committed = await self._kafka.start_reading(partition)
        if epoch != self._epoch:
            return  # rebalanced while asking: what was answered may be out of date
        now = self._monotonic()
        self._ledgers[partition] = Ledger(base, committed)
        self._watches[partition] = Watch(now, now)
        self.counts.opens += 1

    async def admit(self, partition: TopicPartition, records: Sequence[Any]) -> Batch | None:
        """Turn a fetch into the batch to hand out; ``None``: nothing is, and what is missing is sought.

        ``records`` are of one partition, in order. Those below ``next`` were handed out before.
        """
        ledger = self._ledgers.get(partition)
        if ledger is None:
            return None  # the opening will read them again
        fresh = records
        if records and records[0].offset < ledger.next:
            fresh = [record for record in records if record.offset >= ledger.next]
        if not fresh:
            return None
        first = fresh[0].offset
        offer = ledger.weigh(first)
        if offer is not Offer.DELIVER and not await self._is_gap(partition, ledger, first, offer):
            await self._kafka.seek(partition, ledger.next)
            return None
        watch = self._watches[partition]
        watch.behind_at = None
        if not ledger.spans:
            watch.moved_at = self._monotonic()
        span = ledger.deliver(first, fresh[-1].offset, self._monotonic())
        return Batch(self, partition, ledger, span, fresh)

    async def _is_gap(self, partition: TopicPartition, ledger: Ledger, first: int, offer: Offer) -> bool:
        """Whether the log really has nothing between ``next`` and ``first`` (retention, transaction markers).

        A second fetch that begins too high proves nothing: the fetch position can jump twice.
        """
        where = {"topic": partition.topic, "partition": partition.partition}
        if offer is Offer.SEEK_BACK:
            self.counts.seek_backs += 1
            log.warning("records missing, reading again", expected=ledger.next, got=first, **where)
            return False
        found = await self._kafka.first_at(partition, ledger.next)
        if found != first or self._ledgers.get(partition) is not ledger:
            return False
        self.counts.gaps += 1
        log.error("the log has no records here", first=ledger.next, last=first - 1, **where)
        return True

    def drop(self) -> None:
        """Forget every ledger: a rebalance, a seek, the end."""
        self._epoch += 1
        self._ledgers.clear()
        self._watches.clear()
        self.room.set()

    # -- completion ----------------------------------------------------------------------------

    def is_stale(self, batch: Batch) -> bool:
        """Whether the batch's ledger was dropped: its partition is read again from the commit."""
        return self._ledgers.get(batch.partition) is not batch.ledger

    def done(self, batch: Batch, note: object) -> None:
        """Every output of the batch is acknowledged."""
        if not self.is_stale(batch) and batch.ledger.complete(batch.span, note):
            self._watches[batch.partition].moved_at = self._monotonic()
        self.room.set()

    def failed(self, batch: Batch, why: str) -> None:
        """The batch will be delivered again; too many of these without progress end the process."""
        self.room.set()
        if self.is_stale(batch):
            return
        self.counts.failures += 1
        partition, low = batch.partition, batch.ledger.low
        at, times = self._failures.get(partition, (low, 0))
        times = times + 1 if at == low else 1
        self._failures[partition] = (low, times)
        log.error(
            "batch failed, reading again",
            topic=partition.topic,
            partition=partition.partition,
            offset=low,
            times=times,
            why=why,
        )
        if times >= self._max_failures:
            self._leave(f"{describe(partition)} failed {times} times at offset {low}")
        del self._ledgers[partition]
        del self._watches[partition]

    @property
    def busy(self) -> bool:
        """Whether somebody works on a batch right now."""
        return any(span.taken and not span.done for ledger in self._ledgers.values() for span in ledger)

    # -- commit --------------------------------------------------------------------------------

    async def commit(self, assigned: Collection[TopicPartition]) -> bool:
        """Announce what is decided, then commit what is announced.

        True when an offset was committed. Refused: nothing changes, try again later.
        """
        async with self._commit_lock:
            mine = {p: ledger for p, ledger in self._ledgers.items() if p in assigned}
            decided = {p: run for p, ledger in mine.items() if (run := ledger.decided()) is not None}
            try:
                async with asyncio.timeout(self._commit_timeout_s):
                    if decided:
                        await self._announce(decided)
                        for partition, run in decided.items():
                            mine[partition].announce(run)
                    offsets = {
                        p: offset for p, ledger in mine.items() if (offset := ledger.committable) is not None
                    }
                    if not offsets:
                        return False
                    await self._kafka.commit(offsets)
            except (KafkaError, TimeoutError) as error:
                self.counts.refused_commits += 1
                log.warning("commit put off", why=repr(error))
                return False
            now = self._monotonic()
            for partition, offset in offsets.items():
                mine[partition].commit(offset)
                if (watch := self._watches.get(partition)) is not None:
                    watch.level_at = now
            return True

    # -- watchdog ------------------------------------------------------------------------------

    def stuck(self, limit_s: float) -> str | None:
        """A sentence about a partition that stands still although there is work, else ``None``."""
        now = self._monotonic()
        for partition, ledger in self._ledgers.items():
            watch = self._watches[partition]
            if ledger.low <= (ledger.committed or 0):
                watch.level_at = now
            if ledger.spans and now - watch.moved_at > limit_s:
                return f"{describe(partition)}: offset {ledger.low} is undecided for {limit_s:.0f} s"
            if now - watch.level_at > limit_s:
                return f"{describe(partition)}: no commit since {ledger.committed} for {limit_s:.0f} s"
        return None

    def starving(self, ends: Mapping[TopicPartition, int], limit_s: float) -> Mapping[TopicPartition, int]:
        """The ``next`` of each partition whose log goes on while nothing was fetched for the limit.

        A trailing transaction marker looks the same, so whoever asks must look for a record there.
        """
        now = self._monotonic()
        hungry = {}
        for partition, ledger in self._ledgers.items():
            watch = self._watches[partition]
            if ledger.spans or ends.get(partition, 0) <= ledger.next:
                watch.behind_at = None
            elif watch.behind_at is None:
                watch.behind_at = now
            elif now - watch.behind_at > limit_s:
                watch.behind_at = None
                hungry[partition] = ledger.next
        return hungry

    def standing_still_s(self) -> Mapping[TopicPartition, float]:
        """Seconds since each partition last got on; 0 where there is nothing to do."""
        now = self._monotonic()
        ages = dict(self.commit_age_s())
        for partition, ledger in self._ledgers.items():
            watch = self._watches[partition]
            if ledger.spans:
                ages[partition] = max(ages[partition], now - watch.moved_at)
            if watch.behind_at is not None:
                ages[partition] = max(ages[partition], now - watch.behind_at)
        return ages

    def undecided_s(self, partition: TopicPartition) -> float:
        """Seconds for which the oldest undecided batch of a partition has been in hand; 0 without one."""
        ledger = self._ledgers.get(partition)
        if ledger is None or ledger.head is None:
            return 0.0
        return self._monotonic() - ledger.head.delivered_at

    def commit_age_s(self) -> Mapping[TopicPartition, float]:
        """Seconds since each partition last had nothing left to commit."""
        now = self._monotonic()
        return {
            p: 0.0 if ledger.low <= (ledger.committed or 0) else now - self._watches[p].level_at
            for p, ledger in self._ledgers.items()
        }


def describe(partition: TopicPartition) -> str:
    """A partition in words."""
    return f"partition {partition.partition} of {partition.topic}"
