"""``takin load`` from start to account: everything sent is decided, every offer is noticed once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.kafka, pytest.mark.long]


def test_a_small_load_comes_through_whole_and_a_threshold_can_fail(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "streams.cli", "load", "--rate", "40", "--listings", "200"),
            *("--offers", "0.1", "--threshold-p99-ms", "0.001", "--json"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        timeout=240,
    )
    told = json.loads(done.stdout)

    assert done.returncode == 1
    assert (told["listings"], told["decided"], told["dropped"], told["effects_twice"]) == (200, 200, 0.0, 0)
    assert told["detected"]["count"] == told["noticed"]["count"] == told["offers"] == 20
    assert [one for one in told["faults"] if "p99 to the detection" not in one] == []
    assert len(told["faults"]) == 1
    assert "takin load: sending 200 listings, 40 a second, 20 of them offers\n" in done.stderr
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"
