"""The one producer of a screening worker."""

import asyncio
from typing import Self

from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata

from schemas.kafka_access import kafka_at
from streams.screening.decision import MAX_OUTPUT_BYTES
from streams.screening.output import Output

FRAMING_BYTES = 40_000
"""Room for key, headers and Kafka's own framing beside a value of the largest size."""
SEND_TIMEOUT_MS = 30_000


class Publisher:
    """Sends records; an output counts as published only when its acknowledgement was awaited.

    At least once: a retry after a lost answer can write a record twice, and ids are deterministic so
    that readers can tell. Outputs of one key keep the order in which :meth:`send` was called.
    """

    def __init__(self, bootstrap: str) -> None:
        self._producer = AIOKafkaProducer(
            **kafka_at(bootstrap),
            acks="all",
            linger_ms=5,
            request_timeout_ms=SEND_TIMEOUT_MS,
            max_request_size=MAX_OUTPUT_BYTES + FRAMING_BYTES,
        )

    async def __aenter__(self) -> Self:
        try:
            await self._producer.start()
        except BaseException:
            await self._producer.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def send(self, output: Output) -> "asyncio.Future[RecordMetadata]":
        """Queue a record. The future ends when every in-sync replica has it.

        Raises:
            aiokafka.errors.KafkaError: it cannot be queued; likewise from the future, after 30 s at most.
        """
        acknowledgement: asyncio.Future[RecordMetadata] = await self._producer.send(
            output.topic, value=output.value, key=output.key, headers=output.headers
        )
        return acknowledgement

    async def publish(self, output: Output) -> None:
        """Send and wait for the acknowledgement."""
        await (await self.send(output))
