"""Tells a service manager that a process serves, and again and again that its loop still runs.

The protocol is that of sd_notify(3): datagrams to the socket that ``NOTIFY_SOCKET`` names. Without one nobody
is told. It says that the loop runs, not that work gets on: while Kafka or the database is away a restart
mends nothing (that is what ``/health`` shows); a loop that stands still answers nobody, and is started again.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

PER_LIMIT = 3
"""So many times within the manager's limit, that one which comes late is no end."""


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """Who started this process and wants to hear from it."""

    address: str
    every_s: float | None
    """How often it is told that the loop runs; absent: it does not ask for that."""

    def tell(self, state: str) -> None:
        """Send one datagram; a manager that is gone or busy is not waited for."""
        # A name that begins with @ is one of Linux' abstract names.
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(state.encode(), address)

    async def keep_telling(self) -> None:
        """Say that the loop runs until cancelled; nothing when that is not asked for."""
        while self.every_s is not None:
            self.tell("WATCHDOG=1")
            await asyncio.sleep(self.every_s)


def service_manager(environment: Mapping[str, str], *, pid: int) -> ServiceManager | None:
    """Whoever the environment names; the watchdog only if it is meant for the process ``pid``."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return None
    limit, meant = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", str(pid))
    asked = limit.isdecimal() and int(limit) > 0 and meant == str(pid)
    return ServiceManager(address, int(limit) / 1e6 / PER_LIMIT if asked else None)


@contextlib.asynccontextmanager
async def told_to_the_manager() -> AsyncIterator[None]:
    """While this is open the process serves, and says so."""
    manager = service_manager(os.environ, pid=os.getpid())
    if manager is None:
        yield
        return
    manager.tell("READY=1")
    telling = asyncio.create_task(manager.keep_telling(), name="service manager")
    try:
        yield
    finally:
        telling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await telling
        manager.tell("STOPPING=1")
