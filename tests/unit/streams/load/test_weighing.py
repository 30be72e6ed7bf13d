"""What a service weighs, and what a line through it says."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.load.weighing import Burden, Scales, Weight, weight

MB = 1_000_000


@given(st.floats(-500, 500), st.integers(10, 200), st.integers(50, 900))
def test_the_slope_is_that_of_the_memory_once_it_has_settled(
    mb_per_hour: float, looks: int, first_mb: int
) -> None:
    def resident(number: int) -> float:
        start_up = 400 * MB if number < looks // 3 else 0  # a load that is still being read in
        return (first_mb + 600) * MB + start_up + mb_per_hour * MB * number * 2 / 3600

    burden = Burden.of([Weight(2.0 * n, int(resident(n)), 0.1 * n) for n in range(looks)])

    assert burden is not None
    assert burden.mb_per_hour == pytest.approx(mb_per_hour, abs=0.2)
    assert burden.cores == pytest.approx(0.05, abs=0.001)


def test_few_looks_say_nothing() -> None:
    assert Burden.of([Weight(float(n), MB, 0.0) for n in range(9)]) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1_800, "0.05 of a core, 107 to 117 MB, +36.0 MB an hour"),
        (30, "0.05 of a core, 100 to 100 MB (too short to say by the hour: below 15 minutes)"),
    ],
)
def test_growth_by_the_hour_is_told_where_enough_of_one_was_seen(seconds: int, words: str) -> None:
    looks = [Weight(float(n), 100 * MB + n * MB // 100, 0.05 * n) for n in range(0, seconds + 1, 2)]
    burden = Burden.of(looks)

    assert burden is not None
    assert burden.in_words == words


def test_our_own_process_has_memory_and_time() -> None:
    look = weight(os.getpid(), 1.0)

    assert look is not None
    assert 10 * MB < look.rss_bytes < 4_000 * MB
    took = os.times()
    with_children = took.user + took.system + took.children_user + took.children_system
    assert look.cpu_s == pytest.approx(with_children, abs=0.5)


@pytest.mark.parametrize("stat", ["", "1 (a b) c) S"])
def test_a_process_that_is_gone_or_odd_weighs_nothing(tmp_path: Path, stat: str) -> None:
    assert weight(7, 1.0, tmp_path) is None
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "statm").write_text("1 1 1")
    (tmp_path / "7" / "stat").write_text(stat)

    assert weight(7, 1.0, tmp_path) is None


def test_copies_weigh_what_they_hold_for_themselves_and_what_they_did() -> None:
    held = bytearray(os.urandom(40 * MB))
    alone = weight(os.getpid(), 1.0)
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        held = bytearray(os.urandom(60 * MB))
        until = time.process_time() + 0.3
        while time.process_time() < until:
            pass
        os.write(tell, b"x")
        time.sleep(30)
        os._exit(0)
    try:
        os.read(told, 1)
        both = weight(os.getpid(), 2.0)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(told)
        os.close(tell)
    after = weight(os.getpid(), 3.0)

    assert alone is not None
    assert both is not None
    assert after is not None
    assert len(held) == 40 * MB
    assert 55 * MB < both.rss_bytes - alone.rss_bytes < 90 * MB
    assert 0.25 < both.cpu_s - alone.cpu_s < 1.5
    assert after.cpu_s >= both.cpu_s


@pytest.fixture
def sleepers() -> Iterator[list[subprocess.Popen[bytes]]]:
    made = [subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"]) for _ in range(2)]
    yield made
    for process in made:
        process.kill()
        process.wait()


async def test_a_service_that_is_started_again_is_counted(sleepers: list[subprocess.Popen[bytes]]) -> None:
    first, second = sleepers
    now = [first.pid]
    scales = Scales({"worker": lambda: now[0], "away": lambda: None}, every_s=0.005)
    weighing = asyncio.create_task(scales.weigh())
    await asyncio.sleep(0.2)
    now[0] = second.pid
    await asyncio.sleep(0.3)
    weighing.cancel()

    assert {name: burden.starts for name, burden in scales.burdens().items()} == {"worker": 2}
