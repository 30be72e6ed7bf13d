"""One screening worker beside others, on the same topic: ``python -m tests.bench.systems``.

Each round lets every system read the whole topic once, alone, one after the other, with the same screening
function and the same output records; medians over the rounds are written as JSON lines. The clock starts at
a system's first commit and ends when the whole topic is committed, so starting up and loading rules do not
count. Then the system is started again on a topic of its own, for the time from a listing's turn to its
detection at 200 listings a second (:mod:`tests.bench.latency`).

``takin`` is the worker as it is run, with the processes that decide for it; ``plain`` is an aiokafka loop
that commits what was acknowledged; ``faust`` is stock Faust, an agent that takes one listing at a time;
``quixstreams`` and ``bytewax`` are installed by ``deploy/ci/rivals.sh``. ``--page`` writes
``deploy/performance.md`` and its plot, unless something else ran as well (:mod:`tests.bench.others`); with
``--busy`` it does so all the same, and says so.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from aiokafka import AIOKafkaProducer

from streams.local.kafka import LocalKafka
from streams.local.readiness import admin_client
from tests.bench import page
from tests.bench.latency import waits_ms
from tests.bench.others import Others, at_rest
from tests.bench.synthetic import listings
from tests.support.broker import create_topic

PARTITIONS = 4
OFFERS, NEAR = 0.02, 0.03
LOOK_S = 0.05
WITHIN_S = 240.0
LIGHT_PER_S = 200.0


@dataclass(frozen=True)
class Round:
    """What one system took for the whole topic."""

    per_s: float
    cpu_s_per_100k: float
    rss_mb: float
    others: float
    """Cores that anything else took meanwhile."""


@dataclass
class Found:
    """All that was measured of one system."""

    rounds: list[Round] = field(default_factory=list)
    waits_ms: list[float] = field(default_factory=list)


def command(system: str, prefix: str) -> Sequence[str]:
    """How a system's process is started."""
    if system == "takin":
        return (sys.executable, "-m", "tests.support.screening_worker", prefix, "--real")
    return (sys.executable, "-m", "tests.bench.rivals", system, prefix)


@dataclass(frozen=True)
class Running:
    """A system's process."""

    group: str
    process: psutil.Process
    log: Path

    def cpu_s(self) -> float:
        """Of the process and those that it started."""
        return float(sum(sum(one.cpu_times()[:2]) for one in self.family()))

    def rss_mb(self) -> float:
        """Of all of them; what they share is counted once."""
        return float(sum(one.memory_full_info().pss for one in self.family()) / 1e6)

    def family(self) -> Sequence[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def is_alive(self) -> bool:
        return self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE

    def last_words(self) -> str:
        return self.log.read_text("utf-8", "replace")[-800:]


@contextlib.contextmanager
def running(
    system: str, bootstrap: str, prefix: str, folder: Path, group: str | None = None
) -> Iterator[Running]:
    """Start a system, in a group of its own unless one is named, and kill it at the end."""
    group = group or f"{system}-{uuid.uuid4().hex[:8]}"
    log = folder / f"{group}-{uuid.uuid4().hex[:4]}.log"
    env = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "TAKIN_SCREENING_GROUP": group,
        "TAKIN_DATA_DIR": str(folder / group),
    }
    with log.open("wb") as file:
        process = subprocess.Popen(
            command(system, prefix), env=env, stdout=file, stderr=file, start_new_session=True
        )
        try:
            yield Running(group, psutil.Process(process.pid), log)
        finally:
            process.kill()
            process.wait()


async def measure(system: str, bootstrap: str, prefix: str, count: int, folder: Path) -> Round:
    """Let one system read everything.

    Raises:
        TimeoutError: it was not done in time.
    """
    with running(system, bootstrap, prefix, folder) as looked:
        until, first, began, cpu, others = time.monotonic() + WITHIN_S, 0, 0.0, 0.0, Others()
        topic = f"{prefix}-listings"
        async with admin_client(bootstrap) as admin:
            while True:
                offsets = await admin.list_consumer_group_offsets(looked.group)
                done = sum(max(0, meta.offset) for p, meta in offsets.items() if p.topic == topic)
                now, alive = time.monotonic(), looked.is_alive()
                used = looked.cpu_s() if alive else 0.0
                if done and not first:
                    first, began, cpu, others = done, now, used, Others()
                if done >= count:
                    read = count - first
                    cost = 1e5 * (used - cpu) / read
                    return Round(read / (now - began), cost, looked.rss_mb(), others.cores())
                if now > until or not alive:
                    raise TimeoutError(f"{system} committed {done} of {count}: {looked.last_words()}")
                await asyncio.sleep(LOOK_S)


async def light_load(system: str, bootstrap: str, prefix: str, seconds: float, folder: Path) -> list[float]:
    """Milliseconds from a listing's turn to its detection, on topics of its own."""
    await make_topics(bootstrap, prefix)
    with running(system, bootstrap, prefix, folder) as looked:
        try:
            return await waits_ms(bootstrap, prefix, LIGHT_PER_S, seconds, seed=1)
        except TimeoutError as error:
            raise TimeoutError(f"{system}: {error}: {looked.last_words()}") from error


async def make_topics(bootstrap: str, prefix: str) -> None:
    """What a system reads, and what it writes to."""
    for name in ("listings", "watchlist", "detections", "progress", "dead-letters"):
        config = {"cleanup.policy": "compact"} if name == "watchlist" else None
        await create_topic(bootstrap, f"{prefix}-{name}", partitions=PARTITIONS, config=config)


async def fill(bootstrap: str, prefix: str, count: int, seed: int) -> None:
    """The topic that every system reads."""
    await make_topics(bootstrap, prefix)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=20) as producer:
        waiting = []
        made = listings(count, offers=OFFERS, near_misses=NEAR, seed=seed)
        for number, listing in enumerate(made):
            key, value = listing.key.encode(), listing.to_bytes()
            part = number % PARTITIONS
            waiting.append(await producer.send(f"{prefix}-listings", key=key, value=value, partition=part))
        await asyncio.gather(*waiting)


async def run(
    systems: Sequence[str], count: int, rounds: int, light_s: float, seed: int
) -> AsyncIterator[Mapping[str, Found]]:
    """Every system in every round, in an order that turns; what was found so far after each round."""
    found = {system: Found() for system in systems}
    with tempfile.TemporaryDirectory(prefix="takin-bench-") as name:
        folder = Path(name)
        async with LocalKafka(folder / "kafka") as kafka:
            await fill(kafka.bootstrap, "bench", count, seed)
            for turn in range(rounds):
                for system in (*systems[turn % len(systems) :], *systems[: turn % len(systems)]):
                    one = await measure(system, kafka.bootstrap, "bench", count, folder)
                    found[system].rounds.append(one)
                    print(f"round {turn + 1} {system}: {one}", file=sys.stderr, flush=True)
                    if light_s:
                        prefix = f"light-{system}-{turn}"
                        waits = await light_load(system, kafka.bootstrap, prefix, light_s, folder)
                        found[system].waits_ms += waits
                yield found


def about(count: int, rounds: int, arguments: Sequence[str]) -> dict[str, Any]:
    """Where and when it was measured."""
    return {
        "arguments": " ".join(arguments),
        "measured": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "listings": count,
        "rounds": rounds,
        "offers": OFFERS,
        "near_misses": NEAR,
    }


def lines(found: Mapping[str, Found]) -> list[dict[str, Any]]:
    """Medians, a system each; ``ratio`` is the median over the rounds of events a second beside ``plain``."""
    plain = found["plain"].rounds if "plain" in found else []
    made = []
    for system, one in found.items():
        rounds, pairs = one.rounds, list(zip(one.rounds, plain, strict=False))
        waits = sorted(one.waits_ms)
        told = {
            "system": system,
            "events_per_s": round(statistics.median(r.per_s for r in rounds)),
            "ratio": round(statistics.median(r.per_s / p.per_s for r, p in pairs), 3) if pairs else None,
            "ratios": [round(r.per_s / p.per_s, 3) for r, p in pairs],
            "cpu_s_per_100k": round(statistics.median(r.cpu_s_per_100k for r in rounds), 2),
            "cpu_ratio": round(statistics.median(r.cpu_s_per_100k / p.cpu_s_per_100k for r, p in pairs), 3)
            if pairs
            else None,
            "rss_mb": round(statistics.median(r.rss_mb for r in rounds)),
            "p50_ms": round(statistics.median(waits), 1) if waits else None,
            "p99_ms": round(waits[int(0.99 * (len(waits) - 1))], 1) if waits else None,
            "detections_timed": len(waits),
            "others": [round(r.others, 2) for r in rounds],
        }
        made.append(told)
    return made


def main() -> None:
    """Measure and write JSON lines."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--listings", type=int, default=200_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--light", type=float, default=10.0, help="seconds of light load; 0 leaves it out")
    options.add_argument("--seed", type=int, default=20_261_126)
    options.add_argument("--systems", default="plain,takin,faust,quixstreams,bytewax")
    options.add_argument("--page", action="store_true", help="write deploy/performance.md and its plot")
    options.add_argument("--busy", action="store_true", help="write it although something else runs")
    given = options.parse_args()
    if given.page and (why := page.why_not([at_rest()], busy=given.busy)):
        options.exit(1, f"{why}\n")
    if why := asyncio.run(report(given)):
        options.exit(1, f"{why}\n")


async def report(given: argparse.Namespace) -> str | None:
    """Measure; the page is written after every round, so that a run which is cut short is not lost.

    Returns why it was not, where something else ran meanwhile.
    """
    systems, told, why = given.systems.split(","), list[dict[str, Any]](), None
    async for found in run(systems, given.listings, given.rounds, given.light, given.seed):
        played = len(found[systems[0]].rounds)
        told = [about(given.listings, played, sys.argv[1:]), *lines(found)]
        if given.page:
            why = page.why_not([took for one in told[1:] for took in one["others"]], busy=given.busy)
            if why is None:
                page.keep("systems", told)
                page.write()
    print("\n".join(json.dumps(one) for one in told))
    return why


if __name__ == "__main__":
    main()
