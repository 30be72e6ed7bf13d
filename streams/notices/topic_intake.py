"""Takes a topic's messages from Kafka into the casebook: each batch in one transaction with its offsets.

A plain aiokafka consumer. The group only shares out partitions; where to read on stands in the
casebook, so a repeated, lost or moved group offset changes nothing.
"""

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from pydantic import ValidationError

from schemas.dead_letter import DeadLetter, DeadLetterReason, dead_letter
from schemas.kafka_access import kafka_at
from schemas.message import Message
from schemas.topics import Topic
from streams.notices.casebook import offsets
from streams.notices.casebook.database import Casebook, CasebookUnavailable, Transaction
from streams.notices.metrics import NoticeMetrics

log = structlog.get_logger()

M = TypeVar("M", bound=Message)
R = TypeVar("R")

FETCH_WAIT_MS = 20
"""aiokafka has one fetch a broker under way; while that waits, partitions it leaves out are not asked."""

SetAside = Callable[[Sequence[DeadLetter]], Awaitable[None]]
"""Publishes dead letters; returns when Kafka has acknowledged them."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is used of a Kafka record."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes


@dataclass(frozen=True, slots=True)
class Batch(Generic[M]):
    """Messages read together, and how far that moves each partition."""

    messages: tuple[tuple[Record, M], ...]
    moves: dict[int, tuple[int | None, int]]


class TopicIntake(Generic[M, R]):
    """Reads one topic as a member of a group.

    ``take`` writes a batch and the offsets after it in one transaction, and raises
    :class:`~streams.notices.casebook.offsets.OffsetTaken` where another process took them meanwhile;
    ``took`` is told what became of each message.
    """

    def __init__(
        self,
        casebook: Casebook,
        metrics: NoticeMetrics,
        *,
        topic: Topic,
        message: type[M],
        take: Callable[[Transaction, Batch[M], datetime], tuple[R, ...]],
        took: Callable[[Sequence[R]], None],
        bootstrap: str,
        group: str,
        set_aside: SetAside,
        worker: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._casebook = casebook
        self._metrics = metrics
        self._message = message
        self._write = take
        self._took = took
        self._set_aside = set_aside
        self._worker = worker
        self._clock = clock
        self._next: dict[int, int | None] = {}
        self._unplaced: set[int] = set()
        """Partitions whose place must be read from the casebook before anything of theirs is taken."""
        self._topic = topic.name
        self._consumer = AIOKafkaConsumer(
            **kafka_at(bootstrap),
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=10_000,
            heartbeat_interval_ms=3_000,
            max_partition_fetch_bytes=4 * 1024 * 1024,
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )
        self._started = False

    async def start(self) -> None:
        """Join the group.

        Raises:
            aiokafka.errors.KafkaError: no broker answers.
        """
        self._consumer.subscribe([self._topic], listener=_Seeker(self))
        await self._consumer.start()
        self._started = True

    async def stop(self) -> None:
        """Leave the group."""
        if self._started:
            await self._consumer.stop()

    async def seek(self, partitions: Sequence[int]) -> None:
        """Go on where the casebook stands; while it is away nothing of these partitions is taken.

        Raises:
            CasebookUnavailable: it is asked again by the next :meth:`step`.
        """
        self.forget(partitions)
        self._unplaced.update(partitions)
        await self._place()

    async def _place(self) -> None:
        wanted = tuple(self._unplaced)
        known = await self._casebook.look(offsets.next_offsets, self._topic)
        for partition in wanted:
            place = TopicPartition(self._topic, partition)
            at = known.get(partition)
            # Explicitly: without a stored offset aiokafka would go on from what it prefetched.
            start = (await self._consumer.beginning_offsets([place]))[place] if at is None else at
            if partition in self._unplaced:  # else it was taken from us meanwhile
                self._consumer.seek(place, start)
                self._next[partition] = at
                self._unplaced.discard(partition)

    def forget(self, partitions: Sequence[int]) -> None:
        """Partitions that are no longer ours."""
        for partition in partitions:
            self._next.pop(partition, None)
            self._unplaced.discard(partition)

    async def step(self) -> None:
        """Take one fetch."""
        if self._unplaced:
            await self._place()
        fetched = await self._consumer.getmany(timeout_ms=250, max_records=200)
        records = [
            Record(place.partition, record.offset, record.key, record.value or b"")
            for place, found in fetched.items()
            for record in found
            if place.partition in self._next
        ]
        try:
            if records:
                await self._take(records)
        except BaseException:
            # The consumer stands behind what was not taken: unless it is set back, that is passed over.
            # What keeps it from being taken (the casebook, Kafka) may still be away, so it is remembered.
            self._unplaced.update(self._next)
            self._next.clear()
            raise
        self._show_lag()

    async def _take(self, records: Sequence[Record]) -> None:
        now = self._clock()
        good: list[tuple[Record, M]] = []
        bad: list[DeadLetter] = []
        for record in records:
            try:
                good.append((record, self._message.from_bytes(record.value)))
            except ValidationError as error:
                problem = error.errors(include_url=False, include_input=False)[0]
                where = ".".join(str(part) for part in problem["loc"]) or "the record"
                bad.append(self._dead(record, "wrong_shape", f"{where}: {problem['msg']}", now))
        moves = {
            partition: (self._next[partition], max(r.offset for r in records if r.partition == partition) + 1)
            for partition in {record.partition for record in records}
        }
        # Set aside first: if the process dies between the two, the same dead letters come again.
        await self._put_aside(bad)
        try:
            taken = await self._casebook.run(self._write, Batch(tuple(good), moves), now)
        except (offsets.OffsetTaken, CasebookUnavailable):
            raise
        except Exception as error:
            log.error("batch_failed", error=repr(error)[:500], records=len(records))
            taken = await self._one_by_one(records, good, now)
        for partition, (_, following) in moves.items():
            self._next[partition] = following
        self._took(taken)

    async def _one_by_one(
        self, records: Sequence[Record], good: Sequence[tuple[Record, M]], now: datetime
    ) -> tuple[R, ...]:
        """A message that breaks its handler is set aside; its neighbours are taken."""
        decoded = {(record.partition, record.offset): message for record, message in good}
        taken: list[R] = []
        for record in records:
            move = {record.partition: (self._next[record.partition], record.offset + 1)}
            message = decoded.get((record.partition, record.offset))
            one = ((record, message),) if message is not None else ()
            try:
                taken += await self._casebook.run(self._write, Batch(one, move), now)
            except (offsets.OffsetTaken, CasebookUnavailable):
                raise
            except Exception as error:
                detail = f"The notice service could not take this: {type(error).__name__}: {error}"
                await self._put_aside([self._dead(record, "handler_failed", detail, now)])
                await self._casebook.run(self._write, Batch[M]((), move), now)
            self._next[record.partition] = record.offset + 1
        return tuple(taken)

    async def _put_aside(self, letters: Sequence[DeadLetter]) -> None:
        if letters:
            await self._set_aside(letters)
        for letter in letters:
            self._metrics.dead_letters.labels(letter.stage, letter.reason).inc()

    def _dead(self, record: Record, reason: DeadLetterReason, detail: str, now: datetime) -> DeadLetter:
        return dead_letter(
            stage="notices",
            reason=reason,
            detail=detail,
            value=record.value,
            now=now,
            topic=self._topic,
            partition=record.partition,
            offset=record.offset,
            key=record.key,
            worker=self._worker,
        )

    def _show_lag(self) -> None:
        for partition, following in self._next.items():
            end = self._consumer.highwater(TopicPartition(self._topic, partition))
            if end is not None:
                self._metrics.lag.labels(self._topic, str(partition)).set(max(0, end - (following or 0)))

    @property
    def lag(self) -> int:
        """Records of our partitions that are not yet taken, as far as the last fetch knew."""
        total = 0
        for partition, following in self._next.items():
            end = self._consumer.highwater(TopicPartition(self._topic, partition))
            total += max(0, (end or 0) - (following or 0))
        return total


class _Seeker(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """Follows the group's decisions."""

    def __init__(self, intake: TopicIntake[Any, Any]) -> None:
        self._intake = intake

    async def on_partitions_revoked(self, revoked: Any) -> None:
        self._intake.forget([place.partition for place in revoked])

    async def on_partitions_assigned(self, assigned: Any) -> None:
        with contextlib.suppress(CasebookUnavailable):  # the next step asks again
            await self._intake.seek([place.partition for place in assigned])
