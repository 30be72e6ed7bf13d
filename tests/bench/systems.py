"""One screening worker beside others, on the same topic: ``python -m tests.bench.systems``.

Each round lets every system read the whole topic once, alone, one after the other, with the same screening
function and the same output records; medians over the rounds are written as JSON lines. The clock starts at
a system's first commit and ends when the whole topic is committed, so starting up and loading rules do not
count. ``takin`` is the worker as it is run; ``plain`` is an aiokafka loop that commits what was acknowledged;
``faust`` is stock Faust, an agent that takes one listing at a time.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from aiokafka import AIOKafkaProducer

from streams.local.kafka import LocalKafka
from streams.local.readiness import admin_client
from tests.bench.synthetic import listings
from tests.support.broker import create_topic

PARTITIONS = 4
OFFERS, NEAR = 0.02, 0.03
LOOK_S = 0.05
WITHIN_S = 240.0


@dataclass(frozen=True)
class Round:
    """What one system took for the whole topic."""

    per_s: float
    cpu_s_per_100k: float
    rss_mb: float


def command(system: str, prefix: str) -> Sequence[str]:
    """How a system's process is started."""
    if system == "takin":
        return (sys.executable, "-m", "tests.support.screening_worker", prefix, "--real")
    return (sys.executable, "-m", "tests.bench.rivals", system, prefix)


async def measure(system: str, bootstrap: str, prefix: str, count: int, folder: Path) -> Round:
    """Let one system read everything.

    Raises:
        TimeoutError: it was not done in time.
    """
    group = f"{system}-{uuid.uuid4().hex[:8]}"
    env = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "TAKIN_SCREENING_GROUP": group,
        "TAKIN_DATA_DIR": str(folder / group),
    }
    with (folder / f"{group}.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: ASYNC220 - quick, and nothing else runs on this loop
            command(system, prefix), env=env, stdout=log, stderr=log, start_new_session=True
        )
        try:
            looked = psutil.Process(process.pid)
            until, first, began, cpu = time.monotonic() + WITHIN_S, 0, 0.0, 0.0
            topic = f"{prefix}-listings"
            async with admin_client(bootstrap) as admin:
                while True:
                    offsets = await admin.list_consumer_group_offsets(group)
                    done = sum(max(0, meta.offset) for p, meta in offsets.items() if p.topic == topic)
                    now, used = time.monotonic(), sum(looked.cpu_times()[:2])
                    if done and not first:
                        first, began, cpu = done, now, used
                    if done >= count:
                        read = count - first
                        rss = looked.memory_info().rss / 1e6
                        return Round(read / (now - began), 1e5 * (used - cpu) / read, rss)
                    if now > until or process.poll() is not None:
                        words = (folder / f"{group}.log").read_text("utf-8", "replace")[-800:]
                        raise TimeoutError(f"{system} committed {done} of {count}: {words}")
                    await asyncio.sleep(LOOK_S)
        finally:
            process.kill()
            process.wait()


async def fill(bootstrap: str, prefix: str, count: int, seed: int) -> None:
    """The topic that every system reads, and those that they write to."""
    for name in ("listings", "watchlist", "detections", "progress", "dead-letters"):
        config = {"cleanup.policy": "compact"} if name == "watchlist" else None
        await create_topic(bootstrap, f"{prefix}-{name}", partitions=PARTITIONS, config=config)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=20) as producer:
        waiting = []
        made = listings(count, offers=OFFERS, near_misses=NEAR, seed=seed)
        for number, listing in enumerate(made):
            key, value = listing.key.encode(), listing.to_bytes()
            part = number % PARTITIONS
            waiting.append(await producer.send(f"{prefix}-listings", key=key, value=value, partition=part))
        await asyncio.gather(*waiting)


async def run(systems: Sequence[str], count: int, rounds: int, seed: int) -> Mapping[str, list[Round]]:
    """Every system in every round, in an order that turns."""
    found: dict[str, list[Round]] = {system: [] for system in systems}
    with tempfile.TemporaryDirectory(prefix="takin-bench-") as folder:
        async with LocalKafka(Path(folder) / "kafka") as kafka:
            await fill(kafka.bootstrap, "bench", count, seed)
            for turn in range(rounds):
                for system in (*systems[turn % len(systems) :], *systems[: turn % len(systems)]):
                    one = await measure(system, kafka.bootstrap, "bench", count, Path(folder))
                    found[system].append(one)
                    print(f"round {turn + 1} {system}: {one}", file=sys.stderr, flush=True)
    return found


def lines(found: Mapping[str, list[Round]], count: int) -> list[str]:
    """Medians as JSON lines; ``ratio`` is the median over the rounds of events a second beside ``plain``."""
    plain = found.get("plain", [])
    made = []
    for system, rounds in found.items():
        ratios = [one.per_s / other.per_s for one, other in zip(rounds, plain, strict=False)]
        costs = [other.cpu_s_per_100k / one.cpu_s_per_100k for one, other in zip(rounds, plain, strict=False)]
        told = {
            "system": system,
            "events_per_s": round(statistics.median(one.per_s for one in rounds)),
            "ratio": round(statistics.median(ratios), 3) if ratios else None,
            "cpu_s_per_100k": round(statistics.median(one.cpu_s_per_100k for one in rounds), 2),
            "cpu_ratio": round(statistics.median(costs), 3) if costs else None,
            "rss_mb": round(statistics.median(one.rss_mb for one in rounds)),
            "listings": count,
            "rounds": len(rounds),
        }
        made.append(json.dumps(told))
    return made


def main() -> None:
    """Measure and write JSON lines."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--listings", type=int, default=40_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seed", type=int, default=20_261_126)
    options.add_argument("--systems", default="plain,takin,faust")
    given = options.parse_args()
    found = asyncio.run(run(given.systems.split(","), given.listings, given.rounds, given.seed))
    print("\n".join(lines(found, given.listings)))


if __name__ == "__main__":
    main()
