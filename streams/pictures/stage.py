"""Reads the topic of listings, has pictures fetched, and writes the same snapshot once more with its hashes.

Beside the stream and not in it: screening judges a listing's text at once, and judges the snapshot again when
its pictures are known. A host that hangs delays its own pictures only, as long as fewer than :data:`AT_ONCE`
listings wait for it; it is left alone after three failures. Offsets are committed after Kafka acknowledged
what was written, so a kill at any moment fetches some pictures twice and passes over none.

Of two snapshots of one listing that are under way the older is dropped when the newer was read: an older one
is not written behind a newer one, but for a snapshot that is published in the very moment between. Whoever
reads goes by ``observed_at``, which stays as it was: the casebook takes no old snapshot for a new appearance.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from schemas.kafka_access import kafka_at
from schemas.listing import Listing
from schemas.topics import LISTINGS
from streams.pictures.looking import Wish, looked_at, wanted
from streams.pictures.metrics import PictureMetrics
from streams.pictures.window import Window

log = structlog.get_logger(__name__)

GROUP = "takin-pictures"
AT_ONCE = 200
"""Listings whose pictures are being fetched."""
COMMIT_EVERY_S = 2.0
READ_WAIT_MS = 250

Publish = Callable[[Sequence[Listing]], Awaitable[Sequence[object]]]
"""Writes listings and returns when Kafka has them; what can never be written comes back."""


class PictureStage:
    """One member of the group."""

    def __init__(
        self,
        wishes: Mapping[str, Wish],
        publish: Publish,
        metrics: PictureMetrics,
        *,
        bootstrap: str,
        now: Callable[[], datetime],
        topic: str = LISTINGS.name,
        group: str = GROUP,
        moved: Callable[[], None] = lambda: None,
    ) -> None:
        self._wishes = wishes
        self._publish = publish
        self._metrics = metrics
        self._now = now
        self._topic = topic
        self._moved = moved
        self._window = Window()
        self._tasks: dict[asyncio.Task[None], int] = {}
        """What is under way, and of which partition."""
        self._failed: BaseException | None = None
        self._committed: dict[int, int] = {}
        self._consumer = AIOKafkaConsumer(
            **kafka_at(bootstrap),
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=2 * 1024 * 1024,
        )

    async def run(self, stopping: asyncio.Event) -> None:
        """Until it is told to stop; what is under way then is fetched again by the next start.

        Raises:
            OperatorError: Kafka does not let us write listings.
            aiokafka.errors.KafkaError: no broker answers at the start.
        """
        self._consumer.subscribe([self._topic], listener=_Listener(self))
        await self._consumer.start()
        try:
            commit_at = 0.0
            while not stopping.is_set() and self._failed is None:
                await self._read()
                if asyncio.get_running_loop().time() >= commit_at:
                    await self._commit()
                    commit_at = asyncio.get_running_loop().time() + COMMIT_EVERY_S
            if self._failed is not None:
                raise self._failed
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._commit()
            await self._consumer.stop()

    async def _read(self) -> None:
        room = AT_ONCE - len(self._tasks)
        if room <= 0:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED, timeout=READ_WAIT_MS / 1000)
            return
        batches = await self._consumer.getmany(timeout_ms=READ_WAIT_MS, max_records=room)
        for records in batches.values():
            for record in records:
                self._take(record)

    def _take(self, record: Any) -> None:
        key = record.key or b""
        listing = wanted(record.key, record.value, self._wishes, self._now())
        if listing is None:
            self._window.passed(record.partition, record.offset, key)
            return
        self._window.begun(record.partition, record.offset, key)
        task = asyncio.create_task(self._look(listing, record.partition, record.offset, key))
        self._tasks[task] = record.partition
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    def forget(self, partition: int) -> None:
        """It is another member's now, who begins with what is under way here."""
        for task in [one for one, of in self._tasks.items() if of == partition]:
            task.cancel()
        self._window.forget(partition)
        self._committed.pop(partition, None)

    async def _look(self, listing: Listing, partition: int, offset: int, key: bytes) -> None:
        became = self._metrics.platform(listing.platform)
        try:
            known = await looked_at(
                listing,
                self._wishes[listing.platform],
                became=lambda what: self._metrics.pictures.labels(became, what).inc(),
            )
            if known is not None and self._window.is_newest(offset, key):
                for _ in await self._publish([known]):
                    log.warning("listing_with_hashes_too_large", platform=listing.platform)
        except Exception as error:
            # Not passed over: the process ends, and the next one begins here again.
            self._failed = error
            return
        self._window.ended(partition, offset, key)
        self._moved()

    async def _commit(self) -> None:
        due = {
            TopicPartition(self._topic, partition): offset
            for partition, offset in self._window.commits().items()
            if self._committed.get(partition) != offset
        }
        if due:
            try:
                await self._consumer.commit(due)
            except (CommitFailedError, IllegalStateError, KafkaError) as error:
                # Another member has the partition, or Kafka is away: what is read twice is written twice.
                log.warning("pictures_not_committed", why=type(error).__name__)
                return
            self._committed.update({place.partition: offset for place, offset in due.items()})
        if len(self._window) < AT_ONCE:
            self._moved()
        self._show_lag()

    def _show_lag(self) -> None:
        for partition, offset in self._window.commits().items():
            end = None
            with contextlib.suppress(IllegalStateError):
                end = self._consumer.highwater(TopicPartition(self._topic, partition))
            if end is not None:
                self._metrics.lag.labels(str(partition)).set(max(0, end - offset))


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """Follows the group's decisions."""

    def __init__(self, stage: PictureStage) -> None:
        self._stage = stage

    async def on_partitions_revoked(self, revoked: Any) -> None:
        for place in revoked:
            self._stage.forget(place.partition)

    async def on_partitions_assigned(self, assigned: Any) -> None:  # noqa: ARG002 - the group's order needs none
        return None
