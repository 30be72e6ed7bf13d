"""Fault driver of screening: real broker, real worker processes, real kills.

``python -m tests.faults.screening_faults kill -w 2 -n 40000 -k 10`` starts an embedded broker in a
scratch folder, plays one scenario and prints one JSON line; exit code 1 when something was lost.

Scenarios: ``kill`` (kill -9 a random worker), ``rolling`` (SIGTERM one after the other), ``stop``
(SIGSTOP beyond the session timeout, then SIGCONT), ``broker`` (kill -9 the broker, back after
``--down`` seconds), ``pause`` (SIGSTOP the broker for as long), ``none``. ``--poison`` mixes bad
records in. ``--hasty`` runs workers that declare a batch done before its outputs exist: the oracle
must catch them.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import json
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.errors import OperatorError
from schemas.listing import Listing
from streams.local.kafka import LocalKafka
from streams.screening.topics import ScreeningTopics
from tests.faults.screening_oracle import PARTITIONS, Account, Watcher, account
from tests.support.broker import create_topic
from tests.support.screening_worker import prefixed

ROOT = Path(__file__).resolve().parents[2]
PLATFORM = "practice"


@dataclass(frozen=True)
class Scenario:
    """What is done to the workers while listings flow."""

    fault: str
    workers: int = 1
    listings: int = 2_000
    faults: int = 5
    seed: int = 1
    every_s: tuple[float, float] = (7.0, 10.0)
    """Between two faults. Without static membership a killed member is missed for the session timeout."""
    jitter_s: float = 0.3
    """Each batch waits up to this long between acknowledgement and done."""
    static: bool = False
    poison: bool = False
    hasty: bool = False
    session_s: float = 6.0
    stall_s: float = 60.0
    """The workers' watchdog."""
    down_s: float = 5.0
    """How long a killed broker stays away."""
    rest_s: float = 60.0
    """How long the workers get to catch up after the last fault."""


@dataclass
class Outcome:
    """What came of it."""

    scenario: Scenario
    account: Account
    checks: int
    violations: list[dict[str, Any]]
    commits_backwards: int
    at_rest: bool
    """Every commit reached the end of the log."""
    caught_up_s: float
    """Seconds from the last fault and the last listing to rest."""
    exits: list[int]
    """Exit codes of workers that ended by themselves."""
    term_s: list[float]
    """How long each SIGTERM took to an exit with code 0."""
    seconds: float

    @property
    def lossless(self) -> bool:
        told = self.account
        bad = (
            told.lost,
            told.lost_poison,
            told.set_aside_neighbours,
            told.progress_holes,
            self.violations,
        )
        return self.at_rest and not any(bad) and told.ids_with_two_detection_ids == 0

    def line(self) -> str:
        told = dataclasses.asdict(self)
        told["violations"] = self.violations[:3]
        told["violation_count"] = len(self.violations)
        told["account"]["lost"] = self.account.lost[:3]
        told["account"]["lost_count"] = len(self.account.lost)
        return json.dumps({"lossless": self.lossless, **told})


@dataclass
class Crew:
    """The worker processes and the supervisor that every deployment must have."""

    scenario: Scenario
    bootstrap: str
    prefix: str
    scratch: Path
    processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    ours: set[int] = field(default_factory=set)
    """Pids that we end ourselves."""
    exits: list[int] = field(default_factory=list)

    def spawn(self, number: int) -> None:
        environment = dict(
            os.environ,
            KAFKA_BOOTSTRAP_SERVERS=self.bootstrap,
            TAKIN_SCREENING_GROUP=self.prefix,
            TAKIN_PUBLISH_CLEAR="1",
            TAKIN_SESSION_TIMEOUT_S=str(self.scenario.session_s),
            TAKIN_STALL_S=str(self.scenario.stall_s),
            PYTHONUNBUFFERED="1",
        )
        if self.scenario.static:
            environment["TAKIN_GROUP_INSTANCE_ID"] = f"{self.prefix}-{number}"
        command = [sys.executable, "-m", "tests.support.screening_worker", self.prefix]
        command += ["--jitter", str(self.scenario.jitter_s)]
        if self.scenario.hasty:
            command.append("--hasty")
        with (self.scratch / f"{self.prefix}-{number}.log").open("ab") as log:
            self.processes[number] = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, cwd=ROOT, start_new_session=True
            )

    async def supervise(self) -> None:
        """Start again what ended by itself, as an orchestrator does."""
        while True:
            for number, process in list(self.processes.items()):
                if process.poll() is not None and process.pid not in self.ours:
                    self.exits.append(process.returncode)
                    self.spawn(number)
            await asyncio.sleep(0.3)

    def kill(self, number: int) -> None:
        process = self.processes[number]
        self.ours.add(process.pid)
        process.kill()
        process.wait()

    async def terminate(self, number: int) -> float:
        """SIGTERM; the seconds to a clean exit, or infinity."""
        process = self.processes[number]
        self.ours.add(process.pid)
        began = time.monotonic()
        process.terminate()
        while process.poll() is None and time.monotonic() - began < 20:
            await asyncio.sleep(0.05)
        if process.poll() is None:
            process.kill()
            process.wait()
        return time.monotonic() - began if process.returncode == 0 else float("inf")

    def end(self) -> None:
        for number, process in self.processes.items():
            if process.poll() is None:
                self.kill(number)


def good(number: int) -> tuple[bytes, bytes]:
    listing = Listing.sealed(
        platform=PLATFORM,
        listing_id=f"L-{number:07d}",
        url=f"https://practice.example/{number}",
        title="ivory box" if number % 50 == 0 else "wooden box",
        description="An old box, carved, with a lid.",
        observed_at=datetime.now(UTC),
        connector="faults",
        run_id="faults",
    )
    return listing.key.encode(), listing.to_bytes()


def poisoned(number: int) -> tuple[bytes, bytes]:
    """A bad record; its key names the reason it must be set aside for."""
    fields = json.loads(good(number)[1])
    ahead = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    kinds: list[tuple[str, bytes]] = [
        ("undecodable", b"\xff\xfe\x00 not text %d" % number),
        ("not_json", b'{"platform": broken %d' % number),
        ("not_json", b"[" * 20_000),
        ("wrong_shape", json.dumps({**fields, "title": 5}).encode()),
        ("wrong_shape", json.dumps({**fields, "price": {"amount": float("nan")}}).encode()),
        ("wrong_shape", json.dumps({name: fields[name] for name in fields if name != "listing_id"}).encode()),
        ("too_large", json.dumps({**fields, "description": "x" * 300_000}).encode()),
        ("from_the_future", json.dumps({**fields, "observed_at": ahead}).encode()),
        ("rule_failed", json.dumps({**fields, "listing_id": f"boom-{number}", "title": "boom"}).encode()),
    ]
    reason, value = kinds[number % len(kinds)]
    return f"poison:{reason}".encode(), value


async def feed(scenario: Scenario, bootstrap: str, topic: str, seconds: float) -> None:
    """30 % at once, the rest evenly over the run."""
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, linger_ms=20, enable_idempotence=True, request_timeout_ms=120_000
    ) as producer:
        began, sent = time.monotonic(), []
        for number in range(scenario.listings):
            bad = scenario.poison and number % 25 == 7
            key, value = poisoned(number // 25) if bad else good(number)
            sent.append(await producer.send(topic, key=key, value=value, partition=number % PARTITIONS))
            share = (number / scenario.listings - 0.3) / 0.7
            if share > 0 and number % 50 == 0:
                await asyncio.sleep(max(0.0, began + seconds * share - time.monotonic()))
            if len(sent) >= 2_000:
                await asyncio.gather(*sent)
                sent.clear()
        await asyncio.gather(*sent)


async def inflict(
    scenario: Scenario, crew: Crew, watcher: Watcher, dice: random.Random, kafka: LocalKafka | None
) -> list[float]:
    """Do the faults; the seconds each SIGTERM took."""
    terms: list[float] = []
    for number in range(scenario.faults):
        await asyncio.sleep(dice.uniform(*scenario.every_s))
        victim = dice.randrange(scenario.workers)
        if scenario.fault == "kill":
            crew.kill(victim)
            await watcher.check("kill")
            await asyncio.sleep(dice.uniform(0, 0.5))
            crew.spawn(victim)
        elif scenario.fault == "rolling":
            victim = number % scenario.workers
            terms.append(await crew.terminate(victim))
            await watcher.check("term")
            crew.spawn(victim)
        elif scenario.fault == "stop":
            pid = crew.processes[victim].pid
            os.kill(pid, signal.SIGSTOP)
            for _ in range(int(scenario.session_s * 2)):
                await asyncio.sleep(1)
                await watcher.check("stopped")
            os.kill(pid, signal.SIGCONT)
            for _ in range(4):
                await asyncio.sleep(0.5)
                await watcher.check("continued")
        elif scenario.fault in ("broker", "pause"):
            if kafka is None or kafka.pid is None:
                raise OperatorError("This scenario needs a broker of its own.")
            if scenario.fault == "broker":
                await kafka.kill()
                await asyncio.sleep(scenario.down_s)
                await kafka.start()
            else:
                os.kill(kafka.pid, signal.SIGSTOP)
                await asyncio.sleep(scenario.down_s)
                os.kill(kafka.pid, signal.SIGCONT)
            await watcher.check("broker back")
    return terms


async def play(
    scenario: Scenario, bootstrap: str, scratch: Path, *, kafka: LocalKafka | None = None
) -> Outcome:
    """Play a scenario and account for every listing."""
    began = time.monotonic()
    dice = random.Random(scenario.seed)
    prefix = f"{scenario.fault}-{uuid.uuid4().hex[:8]}"
    topics = prefixed(prefix)
    await make_topics(bootstrap, topics)
    crew = Crew(scenario, bootstrap, prefix, scratch)
    async with Watcher(bootstrap, topics, prefix) as watcher, _background(crew.supervise()):
        try:
            for number in range(scenario.workers):
                crew.spawn(number)
            length_s = max(5.0, scenario.faults * sum(scenario.every_s) / 2)
            feeding = asyncio.create_task(feed(scenario, bootstrap, topics.listings, length_s))
            async with _background(_check_each_second(watcher)):
                await _until_underway(watcher, crew)
                terms = await inflict(scenario, crew, watcher, dice, kafka)
                await feeding
                quiet_at = time.monotonic()
                at_rest = await _until_rest(watcher, scenario.rest_s)
            caught_up_s = time.monotonic() - quiet_at
            await watcher.check("rest")
        finally:
            crew.end()
        return Outcome(
            scenario=scenario,
            account=await account(bootstrap, topics),
            checks=watcher.checks,
            violations=watcher.violations,
            commits_backwards=watcher.backwards,
            at_rest=at_rest,
            caught_up_s=round(caught_up_s, 1),
            exits=crew.exits,
            term_s=[round(seconds, 2) for seconds in terms],
            seconds=round(time.monotonic() - began, 1),
        )


async def make_topics(bootstrap: str, topics: ScreeningTopics) -> None:
    for name in topics.names():
        compact = {"cleanup.policy": "compact"} if name == topics.watchlist else None
        await create_topic(bootstrap, name, partitions=PARTITIONS, config=compact)


@contextlib.asynccontextmanager
async def _background(work: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _check_each_second(watcher: Watcher) -> None:
    while True:
        await asyncio.sleep(1)
        await watcher.check("timer")


async def _until_underway(watcher: Watcher, crew: Crew) -> None:
    """Wait until something is committed: a fault during the start is another experiment."""
    async with asyncio.timeout(60):
        while not any(shore.committed for shore in watcher.shores):
            assert not crew.exits, f"a worker ended at its start: {crew.exits}"
            await asyncio.sleep(0.2)


async def _until_rest(watcher: Watcher, patience_s: float) -> bool:
    until = time.monotonic() + patience_s
    parts = [TopicPartition(watcher.topics.listings, number) for number in range(PARTITIONS)]
    async with AIOKafkaConsumer(bootstrap_servers=watcher.bootstrap) as consumer:
        ends = {part.partition: end for part, end in (await consumer.end_offsets(parts)).items()}
    while time.monotonic() < until:
        with contextlib.suppress(KafkaError, OperatorError):
            committed = await watcher.committed()
            if all(committed.get(number, 0) == end for number, end in ends.items()):
                return True
        await asyncio.sleep(0.5)
    return False


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("fault", choices=("kill", "rolling", "stop", "broker", "pause", "none"))
    parser.add_argument("-w", "--workers", type=int, default=1)
    parser.add_argument("-n", "--listings", type=int, default=2_000)
    parser.add_argument("-k", "--faults", type=int, default=5)
    parser.add_argument("-s", "--seed", type=int, default=1)
    parser.add_argument("--down", dest="down_s", type=float, default=5.0)
    parser.add_argument("--stall", dest="stall_s", type=float, default=60.0)
    parser.add_argument("--static", action="store_true")
    parser.add_argument("--poison", action="store_true")
    parser.add_argument("--hasty", action="store_true")
    parser.add_argument("--scratch", type=Path, help="folder for broker data and worker logs")
    return parser.parse_args()


async def main() -> int:
    options = vars(_arguments())
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # the broker is away on purpose
    scratch = options.pop("scratch") or Path(tempfile.mkdtemp(prefix="takin-faults-"))
    scratch.mkdir(parents=True, exist_ok=True)
    async with LocalKafka(scratch / "kafka") as kafka:
        outcome = await play(Scenario(**options), kafka.bootstrap, scratch, kafka=kafka)
    print(outcome.line(), flush=True)
    return 0 if outcome.lossless else 1


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
