"""Whether a Kafka really serves: it answers, and a consumer group can be joined."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from schemas.errors import OperatorError

PROBE_GROUP = "takin-readiness"
# Exists on every broker as soon as somebody asks for a group's coordinator, so the probe needs no
# topic of its own and works on a broker without any.
PROBE_TOPIC = "__consumer_offsets"
ANSWER_WITHIN_S = 8.0


@contextlib.contextmanager
def quiet_client() -> Iterator[None]:
    """Keep aiokafka's own log lines back while failing to connect is an expected answer."""
    logger = logging.getLogger("aiokafka")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextlib.asynccontextmanager
async def admin_client(
    bootstrap: str, *, answer_within_s: float = ANSWER_WITHIN_S
) -> AsyncIterator[AIOKafkaAdminClient]:
    """A started admin client.

    Raises:
        OperatorError: no broker answers at that address, or it is not an address.
    """
    try:
        # Unlike the consumer, aiokafka's admin client does not split the string itself.
        client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
    except ValueError as error:
        raise OperatorError(
            f"{bootstrap!r} is not a Kafka address: write it as host:port, several with commas between."
        ) from error
    try:
        try:
            with quiet_client():
                await asyncio.wait_for(client.start(), answer_within_s)
        except (KafkaError, OSError, TimeoutError, ValueError) as error:
            raise OperatorError(
                f"No Kafka broker answers at {bootstrap}: start one (takin kafka) or set "
                "KAFKA_BOOTSTRAP_SERVERS to where it listens."
            ) from error
        yield client
    finally:
        await client.close()


async def join_group(bootstrap: str) -> None:
    """Join a consumer group and leave it again; returns when that worked.

    An open port is not enough: just after its start a broker has no group coordinator yet, and a
    worker that comes too early fails or sits idle. Never gives up by itself: wrap it in a timeout.
    """
    with quiet_client():
        while True:
            try:
                await _try_to_join(bootstrap)
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


async def _try_to_join(bootstrap: str) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5_000)
    try:
        await client.start()
        await client.find_coordinator(PROBE_GROUP)
    finally:
        await client.close()
    consumer = AIOKafkaConsumer(
        PROBE_TOPIC,
        bootstrap_servers=bootstrap,
        group_id=PROBE_GROUP,
        enable_auto_commit=False,
        request_timeout_ms=5_000,
        session_timeout_ms=6_000,
    )
    try:
        await consumer.start()
    finally:
        await consumer.stop()
