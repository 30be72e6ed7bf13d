"""The clock of the fault runs: readings change, waits do not."""

import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from tests.faults.wall_clock import WallClock

HOUR = 3_600.0
READ = """
import datetime, sys, threading, time
for _ in sys.stdin:
    before = time.monotonic()
    time.sleep(.05)
    threading.Event().wait(.05)
    waited = time.monotonic() - before
    readings = (time.time(), datetime.datetime.now().timestamp(), time.clock_gettime(time.CLOCK_REALTIME))
    print(waited, time.monotonic(), *readings, flush=True)
"""


@pytest.mark.parametrize("at_start", [2, 0, -2])
def test_a_process_reads_the_clock_as_it_is_set_and_waits_as_long_as_ever(
    tmp_path: Path, at_start: int
) -> None:
    clock = WallClock(tmp_path)
    clock.set(timedelta(hours=at_start))
    with subprocess.Popen(
        [sys.executable, "-c", READ],
        env={**os.environ, **clock.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for hours in (at_start, 0, -3, 3, at_start):
            clock.set(timedelta(hours=hours))
            process.stdin.write("\n")
            process.stdin.flush()
            waited, steady, *readings = map(float, process.stdout.readline().split())
            now, steady_now = time.time(), time.monotonic()

            assert 0.1 <= waited < 10
            assert 0 <= steady_now - steady < 10
            assert all(0 <= now + hours * HOUR - one < 10 for one in readings)
        process.stdin.close()
        assert process.wait(10) == 0
