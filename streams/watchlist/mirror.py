"""The watchlist topic as it stands now, for a process that shows it to people: read on, not read anew."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord
from pydantic import ValidationError

from schemas.errors import OperatorError
from schemas.watchlist import Told, read_watchlist_message
from streams.local.records import consumer_of
from streams.watchlist.records import Write
from streams.watchlist.store import TOPIC, put

WITHIN_S = 10.0
"""So long a reader waits for Kafka …"""
AGAIN_S = 3.0
"""… and after it did not answer, so long nobody waits for it again."""


class Mirror:
    """Holds what the topic says and reads on each time somebody asks, up to its end at that moment.

    So whoever has just written sees it, and a page costs Kafka two small requests. Belongs to the event
    loop that first asks.
    """

    def __init__(self, bootstrap: str, *, topic: str = TOPIC, within_s: float = WITHIN_S) -> None:
        self.bootstrap = bootstrap
        self.topic = topic
        self._within_s = within_s
        self._lock = asyncio.Lock()
        self._stack: contextlib.AsyncExitStack | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._partitions: Sequence[TopicPartition] = ()
        self._told: dict[str, Told] = {}
        self._failed: tuple[float, str] | None = None

    async def now(self) -> Mapping[str, Told]:
        """The newest message under each key; a record that is none counts as nothing.

        Raises:
            OperatorError: Kafka does not answer in time, or lacks the topic.
        """
        async with self._lock:
            if self._failed is not None and time.monotonic() - self._failed[0] < AGAIN_S:
                raise OperatorError(self._failed[1])
            try:
                async with asyncio.timeout(self._within_s):
                    if self._consumer is None:
                        await self._begin()
                    await self._read_on()
            except (KafkaError, OSError, TimeoutError, OperatorError) as error:
                await self._end()
                said = str(error) if isinstance(error, OperatorError) else _no_answer(self.bootstrap)
                self._failed = (time.monotonic(), said)
                raise OperatorError(said) from error
            except BaseException:
                await self._end()
                raise
            self._failed = None
            return MappingProxyType(dict(self._told))

    async def put(self, writes: Sequence[Write], *, change_id: str, now: datetime) -> None:
        """Write the records of one change; returns when Kafka has them.

        Raises:
            OperatorError: Kafka does not answer, or refused one.
        """
        try:
            async with asyncio.timeout(3 * self._within_s):
                await put(self.bootstrap, writes, change_id=change_id, now=now, topic=self.topic)
        except (KafkaError, OSError, TimeoutError) as error:
            raise OperatorError(_no_answer(self.bootstrap)) from error

    async def aclose(self) -> None:
        """Let go of Kafka."""
        async with self._lock:
            await self._end()

    async def _begin(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            consumer, partitions = await stack.enter_async_context(consumer_of(self.bootstrap, self.topic))
            await consumer.seek_to_beginning(*partitions)
            self._stack = stack.pop_all()
        self._consumer, self._partitions, self._told = consumer, partitions, {}

    async def _end(self) -> None:
        stack, self._stack, self._consumer = self._stack, None, None
        self._told = {}
        if stack is not None:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await stack.aclose()

    async def _read_on(self) -> None:
        consumer = self._consumer
        assert consumer is not None
        ends = await consumer.end_offsets(self._partitions)
        if any([await consumer.position(part) > end for part, end in ends.items()]):
            # The topic was made anew.
            self._told = {}
            await consumer.seek_to_beginning(*self._partitions)
        left = set(self._partitions)
        while left := {part for part in left if await consumer.position(part) < ends[part]}:
            for records in (await consumer.getmany(*left, timeout_ms=500)).values():
                for record in records:
                    self._take(record)

    def _take(self, record: ConsumerRecord) -> None:
        key = (record.key or b"").decode("utf-8", "replace")
        if not record.value:
            self._told.pop(key, None)
            return
        # As for every command: what the workers set aside changes nothing.
        with contextlib.suppress(ValidationError, RecursionError):
            self._told[key] = read_watchlist_message(record.value)


def _no_answer(bootstrap: str) -> str:
    return f"Kafka at {bootstrap} does not answer: see that it runs, then load this page again."
