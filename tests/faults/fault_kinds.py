"""What can be done to a running machine. Each kind harms, stops, and leaves the mending to Takin."""

import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
import sqlalchemy as sa
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.topics import LISTINGS
from streams.local.machine import Prepared
from streams.local.supervisor import Supervisor
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Casebook
from tests.faults.wall_clock import WallClock
from tests.support.tcp_proxy import Mode, TcpProxy

WORKERS = ("screening", "screening-2")
POISON: Sequence[tuple[str, bytes]] = (
    ("invalid UTF-8", b'{"listing_id": "\xff\xfe"}'),
    ("cut JSON", b'{"listing_id": "1", "title": "half'),
    ("no object", b"[1, 2, 3]"),
    ("deep", b"[" * 10_000 + b"]" * 10_000),
    ("not a number", b'{"listing_id": NaN}'),
    ("large", b'{"title": "' + b"x" * 400_000),
    ("empty", b""),
    ("wrong types", json.dumps({"platform": 7, "listing_id": {}, "observed_at": "soon"}).encode()),
)
MANY = 96
EARLY = timedelta(seconds=2)
UP_WITHIN_S = 40.0
BEYOND_THE_SESSION = 2.5
"""So much longer is a worker stopped, that its partitions are given to another meanwhile."""


@dataclass
class Bench:
    """What a fault may touch."""

    supervisor: Supervisor
    prepared: Prepared
    proxies: Sequence[TcpProxy]
    platforms: Sequence[str]
    chance: random.Random
    clock: WallClock
    """Of the notice service."""
    hold_s: float = 8.0
    """How long what is held is held."""
    poisoned: int = 0
    repeated: int = 0
    forged_taken: int = 0
    entries: int = 0
    world: object = None
    """A :class:`tests.faults.world_kinds.World`, where there is one."""
    killed_in_commit: int = 0
    """Transactions that stood in COMMIT when PostgreSQL was killed."""
    fired_early: int = 0
    """Deadlines declared missed before their time while a clock was wrong."""
    notes: list[str] = field(default_factory=list)

    def send(self, name: str, number: signal.Signals) -> None:
        """A signal to one service's process, if it has one now."""
        pid = self.supervisor.pid_of(name)
        if pid is not None:
            os.kill(pid, number)

    async def freeze(self, pid: int | None, *, for_s: float | None = None) -> None:
        """Stop a process in its tracks for a while."""
        if pid is None:
            return
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(for_s or self.hold_s)
        finally:
            if psutil.pid_exists(pid):
                os.kill(pid, signal.SIGCONT)

    def deciders(self) -> list[int]:
        """The processes that decide, of one worker."""
        pid = self.supervisor.pid_of(self.chance.choice(WORKERS))
        return [] if pid is None else [child.pid for child in psutil.Process(pid).children()]

    def broker(self) -> int | None:
        """The Java process behind ``takin kafka``, if it runs now."""
        pid = self.supervisor.pid_of("kafka")
        if pid is None:
            return None
        children = psutil.Process(pid).children(recursive=True)
        return next((child.pid for child in children if child.name() == "java"), None)


Fault = Callable[[Bench], Awaitable[None]]


def killing(*names: str) -> Fault:
    async def fault(bench: Bench) -> None:
        for name in names:
            bench.send(name, signal.SIGKILL)

    return fault


def ending(*names: str) -> Fault:
    async def fault(bench: Bench) -> None:
        for name in names:
            bench.send(name, signal.SIGTERM)

    return fault


def freezing(name: str) -> Fault:
    async def fault(bench: Bench) -> None:
        await bench.freeze(bench.supervisor.pid_of(name))

    return fault


async def kill_a_worker(bench: Bench) -> None:
    bench.send(bench.chance.choice(WORKERS), signal.SIGKILL)


async def end_a_worker(bench: Bench) -> None:
    bench.send(bench.chance.choice(WORKERS), signal.SIGTERM)


async def restart_in_turn(bench: Bench) -> None:
    for name in WORKERS:
        bench.send(name, signal.SIGTERM)
        await asyncio.sleep(bench.hold_s / 2)


async def freeze_a_worker(bench: Bench) -> None:
    pid = bench.supervisor.pid_of(bench.chance.choice(WORKERS))
    await bench.freeze(pid, for_s=bench.hold_s * BEYOND_THE_SESSION)


async def kill_the_deciders(bench: Bench) -> None:
    for pid in bench.deciders():
        os.kill(pid, signal.SIGKILL)


async def freeze_the_deciders(bench: Bench) -> None:
    await asyncio.gather(*(bench.freeze(pid) for pid in bench.deciders()))


async def kill_the_broker(bench: Bench) -> None:
    if (pid := bench.broker()) is not None:
        os.kill(pid, signal.SIGKILL)


async def freeze_the_broker(bench: Bench) -> None:
    await bench.freeze(bench.broker())


async def power_cut(bench: Bench) -> None:
    for service in bench.prepared.services:
        bench.send(service.name, signal.SIGKILL)


def network(mode: Mode) -> Fault:
    async def fault(bench: Bench) -> None:
        for proxy in bench.proxies:
            proxy.behave(mode)
        try:
            await asyncio.sleep(bench.hold_s)
        finally:
            for proxy in bench.proxies:
                proxy.behave("pass")

    return fault


async def lock_the_casebook(bench: Bench) -> None:
    def hold() -> sqlite3.Connection:
        held = sqlite3.connect(
            bench.prepared.casebook_url.removeprefix("sqlite:///"),
            timeout=30,
            isolation_level=None,
            check_same_thread=False,
        )
        held.execute("BEGIN IMMEDIATE")
        return held

    held = await asyncio.to_thread(hold)
    try:
        await asyncio.sleep(bench.hold_s)
    finally:
        held.rollback()
        held.close()


async def poison(bench: Bench) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bench.prepared.bootstrap, acks="all") as producer:
        sent = []
        for number in range(MANY):
            _, value = POISON[number % len(POISON)]
            sent.append(
                await producer.send(LISTINGS.name, key=f"poison:{number}".encode(), value=value or None)
            )
        await asyncio.gather(*sent)
    bench.poisoned += MANY


async def repeat(bench: Bench) -> None:
    """Some of the log once more, as a connector does that lost its cursor."""
    bootstrap = bench.prepared.bootstrap
    part = TopicPartition(LISTINGS.name, bench.chance.randrange(LISTINGS.partitions))
    async with (
        AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False) as consumer,
        AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer,
    ):
        consumer.assign([part])
        end = (await consumer.end_offsets([part]))[part]
        consumer.seek(part, bench.chance.randrange(max(1, end - MANY)))
        found = await consumer.getmany(part, timeout_ms=3_000, max_records=MANY)
        again = [r for records in found.values() for r in records if not (r.key or b"").startswith(b"poison")]
        sent = [
            await producer.send(LISTINGS.name, key=r.key, value=r.value, headers=list(r.headers))
            for r in again
        ]
        await asyncio.gather(*sent)
    bench.repeated += len(again)


async def forge(bench: Bench) -> None:
    body = json.dumps({"type": "decision", "outcome": "removed"}).encode()
    base = f"http://127.0.0.1:{bench.prepared.ports['receiver']}/answers/"
    async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=10) as client:
        for number in range(MANY):
            headers = {
                "webhook-id": f"msg_forged_{number}",
                "webhook-timestamp": "1",
                "webhook-signature": "v1,AAAA",
                "content-type": "application/json",
            }
            answer = await client.post(bench.chance.choice(bench.platforms), content=body, headers=headers)
            bench.forged_taken += answer.is_success


async def add_an_entry(bench: Bench) -> None:
    bench.entries += 1
    words = (
        *(sys.executable, "-m", "streams.cli", "watchlist", "add", "code_word"),
        *(f"qzx marker {bench.entries}", "--reason", "fault run", "--source", "fault run"),
        *("--product", "ivory"),
    )
    service = next(one for one in bench.prepared.services if one.name == "screening")
    process = await asyncio.create_subprocess_exec(
        *words,
        env={**os.environ, **service.env},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        cwd=Path.cwd(),
    )
    _, said = await process.communicate()
    if process.returncode:
        bench.notes.append(f"watchlist add: {said.decode('utf-8', 'replace')[-200:]}")


@contextlib.asynccontextmanager
async def _wrong_clock(bench: Bench, hours: int) -> AsyncIterator[None]:
    """The notice service's wall clock is set wrong, held, and set right again."""
    bench.clock.set(timedelta(hours=hours))
    try:
        yield
        await asyncio.sleep(bench.hold_s)
        bench.fired_early += await asyncio.to_thread(_fired_early, bench.prepared.casebook_url)
    finally:
        bench.clock.set()


def step_the_clock(hours: int) -> Fault:
    """Under a process that runs."""

    async def fault(bench: Bench) -> None:
        async with _wrong_clock(bench, hours):
            pass

    return fault


def start_by_a_wrong_clock(hours: int) -> Fault:
    """The notice service is killed, starts by a clock that is wrong, and works by it for a while."""

    async def fault(bench: Bench) -> None:
        async with _wrong_clock(bench, hours):
            bench.send("notices", signal.SIGKILL)
            await asyncio.sleep(1)
            until = asyncio.get_running_loop().time() + UP_WITHIN_S
            while not bench.supervisor.is_ready("notices") and asyncio.get_running_loop().time() < until:
                await asyncio.sleep(0.1)

    return fault


def _fired_early(url: str) -> int:
    """Deadlines that were declared missed and whose time has not come, by this process's true clock."""
    casebook = Casebook.open(url, threads=1, migrate=False)
    try:
        early = sa.and_(t.deadline.c.fired_at.is_not(None), t.deadline.c.due_at > datetime.now(UTC) + EARLY)
        query = sa.select(sa.func.count()).select_from(t.deadline).where(early)
        return int(casebook.answer(lambda tx: tx.execute(query).scalar_one()))
    finally:
        casebook.close()


KINDS: dict[str, Fault] = {
    "kill -9 a worker": kill_a_worker,
    "kill -9 both workers": killing(*WORKERS),
    "SIGTERM a worker": end_a_worker,
    "workers restarted in turn": restart_in_turn,
    "worker stopped, then a zombie": freeze_a_worker,
    "kill -9 the processes that decide": kill_the_deciders,
    "processes that decide, stopped for a while": freeze_the_deciders,
    "kill -9 the notice service": killing("notices"),
    "SIGTERM the notice service": ending("notices"),
    "notice service stopped for a while": freezing("notices"),
    "kill -9 the broker": kill_the_broker,
    "SIGTERM the broker": ending("kafka"),
    "broker stopped for a while": freeze_the_broker,
    "kill -9 the platforms": killing("sandbox"),
    "platforms stopped for a while": freezing("sandbox"),
    "network: connections reset": network("reset"),
    "network: 2 s slower": network("slow"),
    "network: nothing answers": network("hole"),
    "network: every reply lost": network("lose_replies"),
    "kill -9 the connector": killing("connect"),
    "kill -9 the auditor": killing("auditor"),
    "kill -9 the desk": killing("desk"),
    "power cut: kill -9 everything": power_cut,
    "casebook locked by another": lock_the_casebook,
    "poison flood": poison,
    "listings published again": repeat,
    "forged answers": forge,
    "watchlist changed under load": add_an_entry,
    "clock of the notice service 2 h fast": step_the_clock(2),
    "clock of the notice service 2 h slow": step_the_clock(-2),
    "notice service started by a clock 2 h fast": start_by_a_wrong_clock(2),
    "notice service started by a clock 2 h slow": start_by_a_wrong_clock(-2),
}
"""By name, in the order of the report."""
