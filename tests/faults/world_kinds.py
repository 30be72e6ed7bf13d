"""What needs a world of its own: a private network, a small disk and a PostgreSQL to be harmed.

``python -m tests.faults.system_faults --world`` starts itself again in namespaces of its own (root on
Linux), so that nothing else on the machine sees the harm; all of it is gone when the run ends.
"""

import asyncio
import contextlib
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import OperatorError
from tests.faults.fault_kinds import Bench, Fault
from tests.support.postgres import PostgresServer

INSIDE = "TAKIN_FAULTS_INSIDE"
DISK_MB = 4_000
IN_COMMIT_WITHIN_S = 30.0
LOCAL_RULE, CUT_RULE = 100, 50


@dataclass(frozen=True)
class World:
    """What may be harmed beside the machine's processes."""

    postgres: PostgresServer
    database: str
    disk: Path
    """A small file system that holds everything of the machine, the casebook excepted."""


def enter(arguments: list[str]) -> None:
    """Start this command again in a network and a list of mounts of its own; returns when already there.

    Raises:
        OperatorError: not root, or something is not installed.
    """
    if INSIDE in os.environ:
        return
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("ip") is None:
        raise OperatorError("--world needs root, unshare and ip (Debian: util-linux, iproute2); leave it out")
    command = ("unshare", "--net", "--mount", sys.executable, "-m", "tests.faults.system_faults", *arguments)
    os.execvpe(command[0], command, {**os.environ, INSIDE: "1"})


@contextlib.contextmanager
def world(folder: Path) -> Iterator[World]:
    """The private network, the small disk and the database, ready."""
    _ip("link", "set", "lo", "up")
    _ip("rule", "add", "pref", str(LOCAL_RULE), "lookup", "local")
    _ip("rule", "del", "pref", "0")  # what is cut off must be asked about before what is local
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(disk)], check=True)
    server = PostgresServer(fsync=True)
    server.start()
    try:
        yield World(server, server.fresh_database(), disk)
    finally:
        server.stop()
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def world_of(bench: Bench) -> World:
    """What a kind of this page harms."""
    assert isinstance(bench.world, World), "played without --world"
    return bench.world


async def kill_postgresql_in_commit(bench: Bench) -> None:
    """Kill it while transactions are written to its log and nobody has been told yet.

    A standby that does not exist is waited for: so every commit stands exactly there.
    """
    server = world_of(bench).postgres
    await asyncio.to_thread(server.sql, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    await asyncio.to_thread(server.sql, "SELECT pg_reload_conf()")
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    until = asyncio.get_running_loop().time() + IN_COMMIT_WITHIN_S
    while not (there := int(await asyncio.to_thread(server.sql, waiting))):
        if asyncio.get_running_loop().time() > until:
            break
        await asyncio.sleep(0.02)
    bench.killed_in_commit += there
    await asyncio.to_thread(server.kill)
    await asyncio.sleep(bench.hold_s / 4)
    await asyncio.to_thread(server.restart)
    await asyncio.to_thread(server.sql, "ALTER SYSTEM RESET synchronous_standby_names")
    await asyncio.to_thread(server.sql, "SELECT pg_reload_conf()")


async def fill_the_disk(bench: Bench) -> None:
    """Not a byte is left for Kafka's logs, our folders and ours."""
    filler = world_of(bench).disk / "filler"
    with filler.open("wb") as file:
        try:
            await _fill(file.fileno(), bench.hold_s)
        finally:
            filler.unlink()


async def _fill(descriptor: int, for_s: float) -> None:
    loop = asyncio.get_running_loop()
    until, size, step = loop.time() + for_s, 0, 64 << 20
    while loop.time() < until:
        try:
            os.posix_fallocate(descriptor, size, step)
            size += step
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            step = max(4096, step // 2)
            if step == 4096:
                await asyncio.sleep(0.05)  # what others free meanwhile is taken too


def cut_off(*ports: str) -> Fault:
    """Packets to these services vanish in the kernel; connections stand and nothing comes. None: to all."""

    async def fault(bench: Bench) -> None:
        world_of(bench)
        wheres: list[tuple[str, ...]] = [("dport", str(bench.prepared.ports[port])) for port in ports] or [()]
        rules = [("pref", str(CUT_RULE), "ipproto", "tcp", *where, "blackhole") for where in wheres]
        for rule in rules:
            _ip("rule", "add", *rule)
        try:
            await asyncio.sleep(bench.hold_s)
        finally:
            for rule in rules:
                _ip("rule", "del", *rule)

    return fault


WORLD_KINDS: dict[str, Fault] = {
    "PostgreSQL killed in mid-commit": kill_postgresql_in_commit,
    "disk full": fill_the_disk,
    "network partition: the broker": cut_off("kafka"),
    "network partition: the platforms' answers": cut_off("receiver"),
    "network partition: everyone alone": cut_off(),
}
"""By name, in the order of the report."""
