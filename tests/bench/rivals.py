"""The same screening in other systems: ``python -m tests.bench.rivals SYSTEM PREFIX``.

SYSTEM is plain, faust, quixstreams or bytewax. Group and broker come from the environment, as for Takin's own
worker; ``TAKIN_BENCH_RIVALS`` is the folder that ``deploy/ci/rivals.sh`` filled. It stands behind the
environment's own packages on the path: what Takin's lock holds is imported from there, the same for all.
"""

import asyncio
import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.screening.decision import Decision, Desk, decide
from streams.screening.screener import build_ruleset
from tests.support.screening_worker import prefixed

COMMIT_S = 0.5


@dataclass(frozen=True, slots=True)
class Seen:
    """A record as the screening looks at it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


def tune() -> None:
    """The garbage collection that Takin's worker runs with, for all who choose their own settings."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


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
        tune()
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
                        sent = await producer.send(
                            output.topic, key=output.key, value=output.value, headers=output.headers
                        )
                        acks.append(sent)
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
                output = decision.output
                await sink.send(key=output.key, value=output.value, headers=output.headers)

    app.agent(source)(screen)
    Worker(app, loglevel="WARNING").execute_from_commandline()


def quixstreams(prefix: str, bootstrap: str, group: str) -> None:
    """A streaming data frame that decides each record; its own checkpoint flushes and commits."""
    from quixstreams import Application, message_context

    desk, screener = Desk(prefixed(prefix), "quixstreams"), build_ruleset().screener({})
    app = Application(
        broker_address=bootstrap,
        consumer_group=group,
        auto_offset_reset="earliest",
        commit_interval=COMMIT_S,
        auto_create_topics=False,
        loglevel="WARNING",
        state_dir=os.environ["TAKIN_DATA_DIR"],
        producer_extra_config={"linger.ms": 5},
    )
    plain_bytes = {"key_deserializer": "bytes", "value_deserializer": "bytes"}
    source = app.topic(f"{prefix}-listings", **plain_bytes)
    sink = app.topic(f"{prefix}-detections", key_serializer="bytes", value_serializer="bytes")

    def screen(value: bytes, key: bytes, _timestamp: int, _headers: Any) -> Any:
        at = message_context()
        record = Seen(at.topic, at.partition, at.offset, key, value)
        return decide(record, screener, datetime.now(UTC), desk).output

    found = app.dataframe(source).apply(screen, metadata=True)
    found = found[found.apply(lambda output: output is not None)]
    found = found.set_headers(lambda output, *_: output.headers)
    found.apply(lambda output: output.value).to_topic(sink)
    tune()
    app.run()


def bytewax(prefix: str, bootstrap: str, group: str) -> None:
    """A dataflow from source to sink, in batches.

    It commits no group offsets; that one can see how far it is, a consumer beside it writes down what was
    decided, twice a second. That is no promise: what was decided may not have been sent yet.
    """
    from bytewax import operators
    from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
    from bytewax.dataflow import Dataflow
    from bytewax.testing import run_main

    topics = prefixed(prefix)
    desk, screener = Desk(topics, "bytewax"), build_ruleset().screener({})
    mark = marker(topics.listings, bootstrap, group)

    def screen(batch: list[Any]) -> list[Any]:
        now, found = datetime.now(UTC), []
        for one in batch:
            record = Seen(topics.listings, one.partition, one.offset, one.key, one.value)
            if (output := decide(record, screener, now, desk).output) is not None:
                found.append(KafkaSinkMessage(output.key, output.value, headers=output.headers))
        mark([(one.partition, one.offset + 1) for one in batch])
        return found

    flow = Dataflow("screening")
    read = operators.input("read", flow, KafkaSource([bootstrap], [topics.listings]))
    decided = operators.flat_map_batch("screen", read, screen)
    operators.output("write", decided, KafkaSink([bootstrap], topics.detections, {"linger.ms": "5"}))
    tune()
    run_main(flow)


def marker(topic: str, bootstrap: str, group: str) -> Callable[[Sequence[tuple[int, int]]], object]:
    """Takes what was decided (partition, next offset) and commits it now and then for the group."""
    from confluent_kafka import Consumer
    from confluent_kafka import TopicPartition as Place

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False})
    reached: dict[int, int] = {}

    def commit() -> None:  # by a clock of its own: after the last batch there is no other
        while True:
            time.sleep(COMMIT_S)
            if known := dict(reached):
                consumer.commit(offsets=[Place(topic, *one) for one in known.items()], asynchronous=False)

    threading.Thread(target=commit, daemon=True).start()
    return reached.update


OTHERS = {"faust": stock_faust, "quixstreams": quixstreams, "bytewax": bytewax}


def main() -> None:
    """Run one."""
    system, prefix = sys.argv[1:3]
    bootstrap, group = os.environ["KAFKA_BOOTSTRAP_SERVERS"], os.environ["TAKIN_SCREENING_GROUP"]
    if folder := os.environ.get("TAKIN_BENCH_RIVALS"):
        sys.path.append(folder)
    if system == "plain":
        asyncio.run(plain(prefix, bootstrap, group))
    else:
        OTHERS[system](prefix, bootstrap, group)


if __name__ == "__main__":
    main()
