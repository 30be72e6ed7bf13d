"""A service manager hears that a process serves and that its loop runs, and nothing while the loop stands."""

import asyncio
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from connectors.observability import Health, serve_observability
from connectors.service_manager import ServiceManager, service_manager


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The end of a socket on which a manager listens; its path is short, as the kernel wants it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening,
    ):
        path = Path(folder) / "notify"
        listening.bind(str(path))
        listening.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        monkeypatch.setenv("WATCHDOG_USEC", "300000")
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
        yield listening


def heard(listening: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(listening.recv(100).decode())
        except BlockingIOError:
            return found


async def serving() -> object:
    return await serve_observability(
        CollectorRegistry(), lambda: Health(False, "Kafka is away"), host="127.0.0.1", port=0, process="test"
    )


async def test_it_hears_of_the_start_of_the_loop_and_of_the_stop(manager: socket.socket) -> None:
    server = await serving()
    await asyncio.sleep(0.35)
    running = heard(manager)
    time.sleep(0.35)  # noqa: ASYNC251 a loop that stands still is what is tried
    standing = heard(manager)
    await server.stop()  # type: ignore[attr-defined]
    stopped = heard(manager)

    assert running[0] == "READY=1"
    assert 3 <= running.count("WATCHDOG=1") <= 5
    assert standing == []
    assert stopped[-1] == "STOPPING=1"


async def test_a_manager_that_is_gone_harms_nobody(manager: socket.socket) -> None:
    os.unlink(manager.getsockname())

    server = await serving()
    await asyncio.sleep(0.15)
    await server.stop()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, None),
        ({"NOTIFY_SOCKET": "relative"}, None),
        ({"NOTIFY_SOCKET": "/run/notify"}, ServiceManager("/run/notify", None)),
        ({"NOTIFY_SOCKET": "@abstract", "WATCHDOG_USEC": "60000000"}, ServiceManager("@abstract", 20.0)),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "6", "WATCHDOG_PID": "8"}, ServiceManager("/n", None)),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "soon"}, ServiceManager("/n", None)),
    ],
)
def test_only_what_the_environment_says_is_done(
    environment: dict[str, str], wanted: ServiceManager | None
) -> None:
    assert service_manager(environment, pid=7) == wanted


def test_an_abstract_address_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"takin-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name)
        listening.setblocking(False)

        ServiceManager("@" + name, None).tell("READY=1")

        assert heard(listening) == ["READY=1"]
