"""The Faust consumer that hands out batches and lets only the :class:`~.book.Book` move a commit.

Pinned to faust-streaming 0.15.3, mode 0.7.1, aiokafka 0.14.0. Overridden are the parts of Faust that
lose records (reasons beside each); Faust keeps the group, the assignor, the recovery service and
the streams. Losslessness does not rest on fencing: a late commit of a worker that lost its
partition names a prefix that *is* decided.
"""

import asyncio
import time
from collections.abc import Collection
from typing import Any, cast

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError
from faust.exceptions import ConsumerNotStarted
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message
from faust.types.enums import ProcessingGuarantee
from mode import Service
from mode.utils.futures import notify

from streams.screening.lossless.batch import Batch
from streams.screening.lossless.book import Book
from streams.screening.lossless.inline_thread import InlineThread
from streams.screening.lossless.leaving import leave
from streams.screening.lossless.log import KafkaLog
from streams.screening.lossless.tuning import tune

log = structlog.get_logger(__name__)

SETTLE_S = 2.0
"""At a rebalance or stop: how long to wait for batches being worked on."""
JOIN_S = 60.0
"""Not a member of the group for longer: leave. A refused session timeout leaves aiokafka idle for ever."""
MEASURE_EVERY_S = 2.0
"""How often the end of the log is asked for."""


class LosslessConsumer(driver.Consumer):
    """Delivers one :class:`Batch` per partition and fetch as the value of one Faust message."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._tuned = False
        self._outside_since: float | None = time.monotonic()
        self._was_member = False
        self._unopened_since: dict[TopicPartition, float] = {}
        self.ends: dict[TopicPartition, int] = {}
        """End of the log by partition, as the broker last told."""
        super().__init__(*args, **options)
        conf = self.app.conf
        if conf.consumer_auto_offset_reset != "earliest":
            raise RuntimeError("consumer_auto_offset_reset must be earliest, or records are passed over")
        if str(conf.processing_guarantee) != str(ProcessingGuarantee.AT_LEAST_ONCE):
            raise RuntimeError("exactly_once is refused: it was measured to lose records")
        self._stall_s: float = self.app.stall_s  # type: ignore[attr-defined]  # of LosslessApp
        self._log = KafkaLog(self)
        self.book = Book(self._log, self.app.announce, leave)  # type: ignore[attr-defined]

    async def on_start(self) -> None:
        if self.app.tables.changelog_topics:
            raise RuntimeError("Tables are not supported: every topic is delivered as batches")
        await super().on_start()

    def _new_consumer_thread(self) -> InlineThread:
        return InlineThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def joined(self) -> bool:
        """Whether the worker is a member of its group, with or without partitions."""
        return self._outside_since is None

    @property
    def rejoining_s(self) -> float | None:
        """For how many seconds a rebalance has been going on; ``None`` before the first joining."""
        if not self._was_member:
            return None
        return 0.0 if self._outside_since is None else time.monotonic() - self._outside_since

    def assigned(self) -> set[TopicPartition]:
        """The partitions of this worker; none before it has started, when it may be told to stop."""
        try:
            return {TopicPartition(*partition) for partition in self.assignment()}
        except ConsumerNotStarted:
            return set()

    # -- fetch and deliver -------------------------------------------------------------------------

    async def perform_seek(self) -> None:
        """Faust's recovery asks for this at each rebalance: every partition is opened anew, lazily."""
        self.book.drop()

    async def _drain_messages(self, fetcher: Any) -> None:
        """The fetch loop. Faust's own pays four tasks and a lock per record."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                if self.flow_active:
                    await self._drain_once()
                else:
                    await self.wait(cast(Any, self.can_resume_flow))
        except (ConsumerStoppedError, asyncio.CancelledError):
            if not self.app.should_stop:
                raise

    async def _drain_once(self) -> None:
        self.book.room.clear()
        active = {TopicPartition(*partition) for partition in self._get_active_partitions()}
        ready = self.book.with_room(active)
        if not ready:
            # Never fetch with an empty set: to aiokafka it means "all partitions".
            await self._wait_for_room()
            return
        unopened = {partition for partition in ready if self.book.ledger(partition) is None}
        if unopened:
            await self._open(unopened)
            return
        patience_s = 0.5 if ready == active else 0.02
        for partition, records in (await self._getmany(cast(Any, ready), patience_s)).items():
            if self.flow_active:
                await self._deliver(TopicPartition(*partition), records)
        await asyncio.sleep(0)

    async def _wait_for_room(self) -> None:
        try:
            async with asyncio.timeout(0.1):
                await self.book.room.wait()
        except TimeoutError:
            pass

    async def _open(self, partitions: Collection[TopicPartition]) -> None:
        if not self._tuned:
            self._tuned = True
            tune()
        for partition in partitions:
            try:
                await self.book.open(partition)
            except (KafkaError, TimeoutError) as error:  # rebalanced while asking, or the broker is away
                log.warning("cannot open", partition=partition.partition, why=repr(error))
                await asyncio.sleep(0.2)

    async def _deliver(self, partition: TopicPartition, records: Any) -> None:
        batch = await self.book.admit(partition, records)
        if batch is None:
            return
        message = self._to_message(TP(*partition), batch.records[-1])
        message.value, message.key = cast(Any, batch), None
        delivery = asyncio.ensure_future(self.callback(cast(Any, message)))
        try:
            await asyncio.sleep(0)  # nearly always there is room, and nothing has to be waited for
            if delivery.done():
                delivery.result()
            else:
                await self.wait_first(delivery, cast(Any, self.suspend_flow.wait()))
        finally:
            delivery.cancel()

    # -- completion --------------------------------------------------------------------------------

    def ack(self, message: Message) -> bool:
        """Faust's stream is through with a message. Moves nothing; only notices a batch nobody took.

        Faust acks an event it skipped (changed generation, suspended flow) as if it were handled.
        """
        if not message.acked:
            message.acked = True
            self._unacked_messages.discard(message)
            notify(self._waiting_for_ack)
            batch: Any = message.value
            if isinstance(batch, Batch) and not batch.span.taken:
                batch.failed("nobody took it")
        return True

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002
        return await self.book.commit(self.assigned())

    async def wait_empty(self) -> None:
        """Rebalance or stop, after Faust cleared its queues: let batches being worked on end, then commit."""
        until = time.monotonic() + SETTLE_S
        while self.book.busy and time.monotonic() < until:  # noqa: ASYNC110 - bounded, and rare
            await asyncio.sleep(0.02)
        await self.commit()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        await super().on_partitions_revoked(revoked)  # stops the flow, clears queues, calls wait_empty()
        self.book.drop()
        self._outside_since = time.monotonic()

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        await super().on_partitions_assigned(assigned, generation_id)
        self._outside_since = None
        self._was_member = True

    async def on_stop(self) -> None:
        await self.wait_empty()
        self.book.drop()

    # -- tasks -------------------------------------------------------------------------------------

    @Service.task
    async def _commit_handler(self) -> None:
        while not self.should_stop:
            await self.sleep(self.commit_interval)
            await self.commit()

    @Service.task
    async def _commit_livelock_detector(self) -> None:
        """Faust's own reads sensors that see single events; :meth:`_watchdog` takes its place."""

    @Service.task
    async def _watchdog(self) -> None:
        """Leave when a part stands still although there is work: a restart is safe and always cures."""
        while not self.should_stop:
            await self.sleep(min(MEASURE_EVERY_S, self._stall_s / 4))
            if self.should_stop:
                return
            now = time.monotonic()
            if self._outside_since is not None and now - self._outside_since > max(JOIN_S, self._stall_s):
                leave(f"not a member of group {self.app.conf.id} for {JOIN_S:.0f} s")
            if (why := self.book.stuck(self._stall_s) or self._unopened(now)) is not None:
                leave(why)

    def _unopened(self, now: float) -> str | None:
        waiting = self.assigned() - self.book.ledgers().keys() if self.joined else set()
        self._unopened_since = {p: self._unopened_since.get(p, now) for p in waiting}
        for partition, since in self._unopened_since.items():
            if now - since > self._stall_s:
                return f"partition {partition.partition} could not be opened for {self._stall_s:.0f} s"
        return None

    @Service.task
    async def _measure_ends(self) -> None:
        """Ask how far the log goes; partitions that go on but bring nothing are looked at by the witness."""
        while not self.should_stop:
            await self.sleep(MEASURE_EVERY_S)
            try:
                if partitions := self.assigned():
                    self.ends = await self._log.ends(list(partitions))
                hungry = self.book.starving(self.ends, self._stall_s)
            except (KafkaError, TimeoutError):
                continue  # the broker is away; the watchdog judges how long
            for partition, expected in hungry.items():
                if await self._log.first_at(partition, expected) is not None:
                    leave(f"partition {partition.partition} is no longer fetched after {expected}")
