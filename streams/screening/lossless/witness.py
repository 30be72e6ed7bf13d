"""An independent reader, asked before a gap in the log is believed."""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError


async def first_at(
    options: Mapping[str, Any], partition: TopicPartition, offset: int, *, timeout_s: float = 10.0
) -> int | None:
    """Offset of the first record the broker has at or after ``offset``.

    ``options`` are the connection arguments of ``AIOKafkaConsumer``. ``None`` when there is no
    such record yet or the broker does not say within ``timeout_s`` seconds.
    """
    reader = AIOKafkaConsumer(**options, enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        async with asyncio.timeout(timeout_s):
            await reader.start()
            reader.assign([partition])
            reader.seek(partition, offset)
            record = await reader.getone()
            return int(record.offset)
    except (KafkaError, TimeoutError):
        return None
    finally:
        await reader.stop()
