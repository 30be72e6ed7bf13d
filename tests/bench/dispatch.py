"""How many notices one dispatcher process delivers to a fast platform, on one core.

The platform is another process (:mod:`tests.bench.fast_platform`) on another core; its journal is the
oracle. The casebook is a real one, filled with notices that wait. Prints JSON lines.

Example: .venv/bin/python -m tests.bench.dispatch --notices 3000
Example: .venv/bin/python -m tests.bench.dispatch --notices 3000 --one-by-one   (a transaction a result)
"""

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from connectors.platform_config import PlatformConfig
from connectors.registry import build
from streams.notices import handlers
from streams.notices.bridge import Bridge, policy_of
from streams.notices.casebook import outbox
from streams.notices.casebook.database import Casebook
from streams.notices.dispatcher import SETTLED_AT_ONCE, Dispatcher
from streams.notices.loops import Bell
from streams.notices.metrics import NoticeMetrics
from streams.notices.sender import demonstration_sender
from tests.support.notices import LAW, T0, make_detection

SECRET = "whsec_" + "dGFraW4gYmVuY2ggc2VjcmV0IGZvciBsb2FkIHRlc3Rz"  # for a platform that lives for a minute


def platform_config(port: int, *, concurrency: int) -> PlatformConfig:
    """The fast platform as an operator would write it down."""
    return PlatformConfig(
        name="market",
        kind="sandbox",
        base_url=f"http://127.0.0.1:{port}",
        private_address=True,
        dev_only=True,
        secret=(SECRET,),
        rate_per_s=10_000,
        concurrency=concurrency,
        sla={"policy": "bench", "source": "bench", "acknowledge_s": 60, "decide_s": 600, "remove_s": 3_600},
    )


def fill(casebook: Casebook, desk: handlers.Desk, notices: int) -> None:
    """Queue that many notices."""
    for start in range(0, notices, 200):
        with casebook.write() as tx:
            for number in range(start, min(start + 200, notices)):
                taken = handlers.take_detection(tx, make_detection(str(number)), desk, now=T0)
                assert taken.result == "noticed", taken


async def deliver_all(
    casebook: Casebook, desk: handlers.Desk, bridge: Bridge, *, at_once: int
) -> dict[str, float]:
    """Run the dispatcher until everything is sent; returns seconds of wall and CPU."""
    metrics = NoticeMetrics(CollectorRegistry())
    dispatcher = Dispatcher(
        casebook, desk, bridge, metrics, worker="bench", answered=Bell(), settle_at_once=at_once
    )
    wall, cpu = time.perf_counter(), time.process_time()

    async def go() -> None:
        while True:
            await dispatcher.step()

    going = asyncio.create_task(go())
    while await casebook.look(outbox.next_due) is not None:
        if going.done():
            going.result()
        await asyncio.sleep(0.2)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    going.cancel()
    await asyncio.gather(going, return_exceptions=True)
    await dispatcher.drain(5.0)
    return {"wall_s": wall, "cpu_s": cpu}


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--notices", type=int, default=3_000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--one-by-one", action="store_true", help="a transaction for each result")
    parser.add_argument("--database", help="postgresql://… of an empty database; absent: SQLite")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    cores = sorted(os.sched_getaffinity(0))
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.fast_platform"], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        port = int(server.stdout.readline())
        os.sched_setaffinity(server.pid, {cores[-1]})
        os.sched_setaffinity(0, {cores[0]})
        with tempfile.TemporaryDirectory() as folder:
            casebook = Casebook.open(options.database or f"sqlite:///{Path(folder) / 'casebook.db'}")
            config = platform_config(port, concurrency=options.concurrency)
            bridge = Bridge({config.name: build(config)})
            desk = handlers.Desk(
                platforms={config.name: policy_of(config)},
                sender=demonstration_sender(reply_base="http://127.0.0.1:1"),
                law=LAW,
                render=bridge.render,
            )
            fill(casebook, desk, options.notices)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            profile = cProfile.Profile() if options.profile else None

            async def run() -> dict[str, float]:
                try:
                    return await deliver_all(
                        casebook, desk, bridge, at_once=1 if options.one_by_one else SETTLED_AT_ONCE
                    )
                finally:
                    await bridge.aclose()

            if profile:
                profile.enable()
            took = asyncio.run(run())
            if profile:
                profile.disable()
                pstats.Stats(profile).sort_stats("tottime").print_stats(45)
            after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/journal", timeout=5) as reply:
                journal = json.load(reply)
            casebook.close()
    finally:
        server.kill()
        server.wait()
    assert journal["keys"] == options.notices, journal
    assert journal["changed"] == 0, journal
    name = "dispatcher" + (", one transaction a result" if options.one_by_one else "")
    for what, value, unit in (
        ("throughput", options.notices / took["wall_s"], "notices/s"),
        ("cpu", 1_000 * took["cpu_s"] / options.notices, "ms/notice"),
        ("peak memory", after, "MB"),
        ("peak memory before sending", before, "MB"),
        ("deliveries a key", journal["deliveries"] / journal["keys"], "ratio"),
    ):
        line = {"system": name, "what": what, "value": round(value, 2), "unit": unit, "n": options.notices}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
