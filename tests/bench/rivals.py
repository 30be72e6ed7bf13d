"""The same screening in other systems: ``python -m tests.bench.rivals plain|faust PREFIX``.

Group and broker come from the environment, as for Takin's own worker.
"""

import asyncio
import gc
import os
import sys
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.screening.decision import Decision, Desk, decide
from streams.screening.screener import build_ruleset
from tests.support.screening_worker import prefixed

COMMIT_S = 0.5


async def plain(prefix: str, bootstrap: str, group: str) -> None:
    """``getmany``, decide, send, await the acknowledgements, commit."""
    desk, screener = Desk(prefixed(prefix), "plain"), build_ruleset().screener({})
    async with (
        AIOKafkaConsumer(
            f"{prefix}-listings",
            bootstrap_servers=bootstrap,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=500,
        ) as consumer,
        AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5) as producer,
    ):
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
        loop = asyncio.get_running_loop()
        reached: dict[TopicPartition, int] = {}
        committed_at = loop.time()
        while True:
            found = await consumer.getmany(timeout_ms=200, max_records=500)
            acks = []
            for part, records in found.items():
                now = datetime.now(UTC)
                for record in records:
                    if (output := decide(record, screener, now, desk).output) is not None:
                        acks.append(await producer.send(output.topic, key=output.key, value=output.value))
                reached[part] = records[-1].offset + 1
                await asyncio.sleep(0)
            await asyncio.gather(*acks)
            if reached and loop.time() - committed_at >= COMMIT_S:
                await consumer.commit(reached)
                reached, committed_at = {}, loop.time()


def stock_faust(prefix: str, bootstrap: str, group: str) -> None:
    """An agent that takes one listing at a time, with Faust's own settings."""
    import faust
    from mode import Worker

    desk, screener = Desk(prefixed(prefix), "faust"), build_ruleset().screener({})
    app = faust.App(
        group,
        broker=f"kafka://{bootstrap}",
        web_enabled=False,
        value_serializer="raw",
        key_serializer="raw",
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=COMMIT_S,
        datadir=os.environ["TAKIN_DATA_DIR"],
    )
    source = app.topic(f"{prefix}-listings", value_type=bytes, internal=False)
    sink = app.topic(f"{prefix}-detections", value_type=bytes)

    async def screen(stream: Any) -> None:
        async for event in stream.events():
            decision: Decision = decide(event.message, screener, datetime.now(UTC), desk)
            if decision.output is not None:
                await sink.send(key=decision.output.key, value=decision.output.value)

    app.agent(source)(screen)
    Worker(app, loglevel="WARNING").execute_from_commandline()


def main() -> None:
    """Run one."""
    system, prefix = sys.argv[1:3]
    bootstrap, group = os.environ["KAFKA_BOOTSTRAP_SERVERS"], os.environ["TAKIN_SCREENING_GROUP"]
    if system == "plain":
        asyncio.run(plain(prefix, bootstrap, group))
    else:
        stock_faust(prefix, bootstrap, group)


if __name__ == "__main__":
    main()
