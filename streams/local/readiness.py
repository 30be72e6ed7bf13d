"""Whether a Kafka really serves: it answers, and a consumer group can be joined."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from connectors.kafka_reach import quiet_client, why_no_answer
from schemas.errors import OperatorError
from schemas.kafka_access import KafkaAccess, kafka_at

PROBE_GROUP = "takin-readiness"
# Exists on every broker as soon as somebody asks for a group's coordinator, so the probe needs no
# topic of its own and works on a broker without any.
PROBE_TOPIC = "__consumer_offsets"
ANSWER_WITHIN_S = 8.0


@contextlib.asynccontextmanager
async def admin_client(
    bootstrap: str, *, answer_within_s: float = ANSWER_WITHIN_S
) -> AsyncIterator[AIOKafkaAdminClient]:
    """A started admin client.

    Raises:
        OperatorError: no broker answers at that address, or it is not an address.
    """
    try:
        client = AIOKafkaAdminClient(**kafka_at(bootstrap), request_timeout_ms=10_000)
    except ValueError as error:
        raise OperatorError(
            f"{bootstrap!r} is not a Kafka address: write it as host:port, several with commas between."
        ) from error
    try:
        try:
            with quiet_client():
                await asyncio.wait_for(client.start(), answer_within_s)
        except (KafkaError, OSError, TimeoutError, ValueError) as error:
            raise await no_answer(bootstrap) from error
        yield client
    finally:
        await client.close()


async def no_answer(bootstrap: str) -> OperatorError:
    """Why no broker could be used there, and what to do."""
    return await why_no_answer(bootstrap)


async def join_group(bootstrap: str, access: KafkaAccess | None = None) -> None:
    """Join a consumer group and leave it again; returns when that worked.

    An open port is not enough: just after its start a broker has no group coordinator yet, and a
    worker that comes too early fails or sits idle. Never gives up by itself: wrap it in a timeout.
    """
    with quiet_client():
        while True:
            try:
                await _try_to_join(bootstrap, access)
                return
            except (KafkaError, OSError):
                await asyncio.sleep(0.1)


async def can_join_group(bootstrap: str, *, within_s: float = 10.0) -> bool:
    """Whether a consumer group can be joined there now."""
    try:
        with quiet_client():
            await asyncio.wait_for(_try_to_join(bootstrap), within_s)
    except (KafkaError, OSError, TimeoutError):
        return False
    return True


async def _try_to_join(bootstrap: str, access: KafkaAccess | None = None) -> None:
    client = AIOKafkaAdminClient(**kafka_at(bootstrap, access), request_timeout_ms=5_000)
    try:
        await client.start()
        await client.find_coordinator(PROBE_GROUP)
    finally:
        await client.close()
    consumer = AIOKafkaConsumer(
        PROBE_TOPIC,
        **kafka_at(bootstrap, access),
        group_id=PROBE_GROUP,
        enable_auto_commit=False,
        request_timeout_ms=5_000,
        session_timeout_ms=6_000,
    )
    try:
        await consumer.start()
    finally:
        await consumer.stop()


__all__ = ["admin_client", "can_join_group", "join_group", "no_answer", "quiet_client"]
