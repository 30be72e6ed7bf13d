"""The book's access to Kafka, through the consumer that Faust started."""

from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver

from streams.screening.lossless import witness


class KafkaLog:
    """Implements :class:`streams.screening.lossless.book.Log`."""

    def __init__(self, consumer: driver.Consumer) -> None:
        self._consumer = consumer

    @property
    def _kafka(self) -> AIOKafkaConsumer:
        return self._consumer._thread._ensure_consumer()

    async def start_reading(self, partition: TopicPartition) -> tuple[int, int | None]:
        """Seek explicitly to the committed offset, or to the start of the log."""
        committed = await self._kafka.committed(partition)
        base = committed
        if base is None:
            base = (await self._kafka.beginning_offsets([partition]))[partition]
        # Not seek_to_committed(): that skips None and 0 and would go on from the prefetched position.
        self._kafka.seek(partition, base)
        return base, committed

    async def seek(self, partition: TopicPartition, offset: int) -> None:
        """Fetch from ``offset`` next."""
        self._kafka.seek(partition, offset)

    async def first_at(self, partition: TopicPartition, offset: int) -> int | None:
        """Ask a separate consumer with the app's own connection settings."""
        transport: Any = self._consumer.transport
        conf = self._consumer.app.conf
        options = {
            "bootstrap_servers": driver.server_list(transport.url, transport.default_port),
            **driver.credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
        }
        return await witness.first_at(options, partition, offset)

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit for the group, under the member's generation."""
        await self._kafka.commit({p: OffsetAndMetadata(offset, "") for p, offset in offsets.items()})

    async def ends(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        """One past the last offset of each partition, asked of the broker."""
        return dict(await self._kafka.end_offsets(partitions))
