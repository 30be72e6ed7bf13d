"""The Faust app is built with the settings that lose nothing, whatever the environment says."""

import asyncio
import logging
from typing import Any

import faust
import pytest
from aiokafka import ConsumerRecord, TopicPartition
from faust.events import Event
from faust.serializers import codecs
from faust.types import TP
from faust.types.enums import ProcessingGuarantee
from faust.types.tuples import ConsumerMessage

from streams.screening import worker
from streams.screening.app import AppConfig, build_app, refuse_pickle
from streams.screening.lossless.consumer import LosslessConsumer
from streams.screening.quiet import PER_WINDOW, WINDOW_S, RepeatLimit
from streams.screening.worker import ScreeningSettings


async def started(stream: object) -> bool:
    """In place of Faust's start, which waits for a running app."""
    return False


async def announce(runs: Any) -> None:
    """Nobody listens."""


@pytest.fixture
def config() -> AppConfig:
    return AppConfig(bootstrap="127.0.0.1:9092, 127.0.0.2:9093", group="screening")


async def test_the_settings_that_matter_are_pinned(config: AppConfig) -> None:
    conf = build_app(config, announce).conf

    assert str(conf.processing_guarantee) == "ProcessingGuarantee.AT_LEAST_ONCE"
    assert conf.consumer_auto_offset_reset == "earliest"
    assert conf.web_enabled is False
    assert conf.topic_allow_declare is False
    assert conf.broker_commit_interval == 1.0
    assert conf.consumer_metadata_max_age_ms == 5_000
    assert (conf.broker_session_timeout, conf.broker_heartbeat_interval) == (10.0, 3.0)
    assert [str(url) for url in conf.broker] == ["kafka://127.0.0.1:9092", "kafka://127.0.0.2:9093"]


async def test_environment_variables_cannot_change_them(
    config: AppConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PROCESSING_GUARANTEE": "exactly_once",
        "CONSUMER_AUTO_OFFSET_RESET": "latest",
        "BROKER_URL": "kafka://elsewhere:1",
        "TOPIC_ALLOW_DECLARE": "1",
    }.items():
        monkeypatch.setenv(name, value)

    conf = build_app(config, announce).conf

    assert str(conf.processing_guarantee) == "ProcessingGuarantee.AT_LEAST_ONCE"
    assert conf.consumer_auto_offset_reset == "earliest"
    assert conf.broker[0].host == "127.0.0.1"
    assert conf.topic_allow_declare is False


async def test_what_a_stream_is_through_with_is_acked_by_the_consumer(
    config: AppConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    acked: list[int] = []
    monkeypatch.setattr(LosslessConsumer, "ack", lambda _, message: acked.append(message.offset))
    app = build_app(config, announce)
    app.flow_control.resume()
    monkeypatch.setattr(faust.Stream, "maybe_start", started)
    stream = app.stream(app.channel())
    assert isinstance(stream.channel, faust.Channel)
    for offset in (7, 8, 9):
        message = ConsumerMessage(
            *("listings", 0, offset, 0.0, 0, [], None, b"batch", None),
            tp=TP("listings", 0),
            generation_id=app.consumer_generation_id,
        )
        message.incref()
        stream.channel.queue.put_nowait(Event(app, None, offset, {}, message))

    steps = aiter(stream)
    async with asyncio.timeout(5):
        assert [await anext(steps) for _ in range(3)] == [7, 8, 9]

    assert acked == [7, 8]
    assert isinstance(app.consumer, LosslessConsumer)
    assert app.consumer._acked == {}


async def test_the_app_uses_the_lossless_consumer_without_a_thread(config: AppConfig) -> None:
    app = build_app(config, announce)

    consumer = app.consumer

    assert isinstance(consumer, LosslessConsumer)
    assert consumer._thread.thread_loop is asyncio.get_running_loop()


@pytest.mark.parametrize("is_blocked", [False, True])
async def test_a_delivery_that_waits_is_given_up_when_the_flow_is_suspended(
    config: AppConfig, monkeypatch: pytest.MonkeyPatch, is_blocked: bool
) -> None:
    consumer = build_app(config, announce).consumer
    assert isinstance(consumer, LosslessConsumer)
    part, told = TopicPartition("listings", 0), list[object]()

    async def start_reading(_: object) -> tuple[int, int | None]:
        return 0, None

    async def deliver(message: Any) -> None:
        try:
            if is_blocked:
                await asyncio.Event().wait()
            told.append(message.value.records)
        except asyncio.CancelledError:
            told.append("given up")
            raise

    monkeypatch.setattr(consumer._log, "start_reading", start_reading)
    monkeypatch.setattr(consumer, "callback", deliver)
    await consumer.book.open(part)
    record = ConsumerRecord("listings", 0, 0, 0, 0, None, b"{}", None, -1, 2, ())
    delivery = asyncio.create_task(consumer._deliver(part, [record]))
    await asyncio.sleep(0.01)
    assert delivery.done() is not is_blocked

    consumer.suspend_flow.set()
    async with asyncio.timeout(5):
        await delivery
        await asyncio.sleep(0)
    assert told == (["given up"] if is_blocked else [[record]])


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        pytest.param("consumer_auto_offset_reset", "latest", "must be earliest", id="latest"),
        pytest.param(
            "processing_guarantee",
            ProcessingGuarantee.EXACTLY_ONCE,
            "exactly_once is refused",
            id="exactly once",
        ),
    ],
)
async def test_a_setting_that_loses_records_is_refused(
    config: AppConfig, setting: str, value: object, says: str
) -> None:
    app = build_app(config, announce)
    setattr(app.conf, setting, value)

    with pytest.raises(RuntimeError, match=says):
        _ = app.consumer


def test_codecs_that_run_what_a_producer_sent_are_gone() -> None:
    refuse_pickle()

    assert [name for name in codecs.codecs if "pickle" in name] == []
    with pytest.raises(KeyError):
        codecs.loads("pickle", b"gASVAAAAAAAAAAAu")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("TAKIN_SESSION_TIMEOUT_S", "5.9", id="session below the broker's minimum"),
        pytest.param("TAKIN_OBSERVABILITY_PORT", "70000", id="no such port"),
        pytest.param("TAKIN_RULE_FAILURES_IN_A_ROW", "0", id="no failure allowed"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ValueError, match=name.removeprefix("TAKIN_").lower()):
        ScreeningSettings()


@pytest.mark.parametrize(("cores", "processes"), [(0, 1), (1, 1), (2, 2), (64, 2)])
def test_two_processes_decide_where_there_are_two_cores_unless_a_setting_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, cores: int, processes: int
) -> None:
    monkeypatch.delenv("TAKIN_DECIDING_PROCESSES", raising=False)
    monkeypatch.setattr(worker, "cores", lambda: cores)
    assert ScreeningSettings().deciding_processes == processes

    monkeypatch.setenv("TAKIN_DECIDING_PROCESSES", "7")
    assert ScreeningSettings().deciding_processes == 7


def test_a_line_that_repeats_is_left_out_until_the_next_window() -> None:
    clock = [0.0]
    limit = RepeatLimit(lambda: clock[0])

    def passes(template: str) -> bool:
        return limit.filter(logging.LogRecord("aiokafka", logging.ERROR, "f", 1, template, (), None))

    assert [passes("cannot connect to %s") for _ in range(20)].count(True) == PER_WINDOW
    assert passes("another line")
    clock[0] += WINDOW_S
    assert passes("cannot connect to %s")


async def test_a_worker_that_is_stopped_before_its_consumer_has_started_ends_quietly(
    config: AppConfig,
) -> None:
    consumer = build_app(config, announce).consumer
    assert isinstance(consumer, LosslessConsumer)

    await consumer.on_stop()

    assert consumer.assigned() == set()
