"""What two screening workers do beside one: ``python -m tests.bench.workers``; as root, with cgroup v1's cpu.

A broker and two workers do not fit on two cores, so each worker is given a share of a core (a cgroup with a
quota, ``--share``), and the broker the rest: then what two do beside one is a matter of the group, the
broker and the code, not of the machine. Rounds in turn; the clock starts when the group is stable and every
partition moves, and ends before any partition has run out. ``--page`` writes ``deploy/performance.md``.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from aiokafka.admin import AIOKafkaAdminClient

from streams.local.kafka import LocalKafka
from streams.local.readiness import admin_client
from tests.bench import page
from tests.bench.systems import LOOK_S, PARTITIONS, WITHIN_S, Running, fill, running

CGROUPS = Path("/sys/fs/cgroup/cpu")
PERIOD_US = 20_000
"""Short, so that a worker that used up its quota is back before anybody notices."""
SETTLE_S = 3.0
GONE_S = 10.0
WHOLE = 0.9
"""Share of each partition at which the clock stops."""


@contextlib.contextmanager
def limited(worker: Running, share: float) -> Iterator[None]:
    """Let the worker's processes have no more than a share of one core, together."""
    folder = CGROUPS / f"takin-bench-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    try:
        (folder / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (folder / "cpu.cfs_quota_us").write_text(str(round(share * PERIOD_US)))
        for one in worker.family():
            (folder / "cgroup.procs").write_text(str(one.pid))
        yield
    finally:
        family = worker.family() if worker.is_alive() else []
        for one in family:
            one.kill()
        psutil.wait_procs(family, timeout=GONE_S)
        folder.rmdir()


async def measure(workers: int, share: float, bootstrap: str, count: int, folder: Path) -> float:
    """Listings a second that a group of so many workers decides and commits.

    Raises:
        TimeoutError: the group was not whole, or nothing moved, in time.
    """
    group, topic = f"group-{uuid.uuid4().hex[:8]}", "bench-listings"
    with contextlib.ExitStack() as stack:
        started = [
            stack.enter_context(running("takin", bootstrap, "bench", folder, group)) for _ in range(workers)
        ]
        for worker in started:
            stack.enter_context(limited(worker, share))
        until = time.monotonic() + WITHIN_S
        async with admin_client(bootstrap) as admin:
            while not await _whole(admin, group, workers):
                await _wait(until, "the group is not whole", started)
            await asyncio.sleep(SETTLE_S)
            first = await _reached(admin, group, topic)
            began = time.monotonic()
            while max(reached := await _reached(admin, group, topic)) < WHOLE * count / PARTITIONS:
                await _wait(until, "not done", started)
            if workers > 1 and min(reached) < WHOLE / 2 * count / PARTITIONS:
                raise TimeoutError(f"the partitions went on unevenly: {reached}")
            return (sum(reached) - sum(first)) / (time.monotonic() - began)


async def _wait(until: float, what: str, workers: list[Running]) -> None:
    if time.monotonic() > until or not all(worker.is_alive() for worker in workers):
        raise TimeoutError(f"{what}: {[worker.last_words() for worker in workers]}")
    await asyncio.sleep(LOOK_S)


async def _whole(admin: AIOKafkaAdminClient, group: str, workers: int) -> bool:
    answers = await admin.describe_consumer_groups([group])
    told = answers[0].groups[0]
    return told[2] == "Stable" and len(told[5]) == workers


async def _reached(admin: AIOKafkaAdminClient, group: str, topic: str) -> list[int]:
    offsets = await admin.list_consumer_group_offsets(group)
    return [max(0, meta.offset) for part, meta in offsets.items() if part.topic == topic] or [0]


async def run(share: float, count: int, rounds: int, seed: int) -> dict[int, list[float]]:
    """Rates of one and of two workers, rounds in turn."""
    found: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory(prefix="takin-bench-") as name:
        folder = Path(name)
        async with LocalKafka(folder / "kafka") as kafka:
            await fill(kafka.bootstrap, "bench", count, seed)
            for turn in range(rounds):
                for workers in (1, 2) if turn % 2 == 0 else (2, 1):
                    rate = await measure(workers, share, kafka.bootstrap, count, folder)
                    found[workers].append(rate)
                    print(f"round {turn + 1}, {workers}: {rate:.0f}/s", file=sys.stderr, flush=True)
    return found


def told(found: dict[int, list[float]], share: float, arguments: list[str]) -> dict[str, Any]:
    """What the page says."""
    return {
        "arguments": " ".join(arguments),
        "measured": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "share": share,
        "one": round(statistics.median(found[1])),
        "two": round(statistics.median(found[2])),
        "ratios": [round(two / one, 3) for one, two in zip(found[1], found[2], strict=True)],
    }


def main() -> None:
    """Measure and write a JSON line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--listings", type=int, default=200_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--share", type=float, default=0.4, help="of a core, for each worker")
    options.add_argument("--seed", type=int, default=20_261_126)
    options.add_argument("--page", action="store_true", help="write deploy/performance.md")
    given = options.parse_args()
    if not CGROUPS.joinpath("cpu.cfs_quota_us").exists() and not CGROUPS.joinpath("cgroup.procs").exists():
        options.error(f"{CGROUPS} is not there: this needs root and cgroup v1's cpu controller.")
    found = asyncio.run(run(given.share, given.listings, given.rounds, given.seed))
    figures = told(found, given.share, sys.argv[1:])
    if given.page:
        page.keep("workers", figures)
        page.write()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
