"""``make demo-atproto`` goes to its end, on a network of its own, and shows the table."""

import subprocess
import sys

import pytest

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(240)]


def test_the_play_ends_with_its_table() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "tests.atproto.demo"], capture_output=True, text=True, timeout=220, check=False
    )

    assert shown.returncode == 0, shown.stderr[-2_000:]
    assert "BACK ONLINE" in shown.stdout
    heading, row = (
        line.split() for line in shown.stdout.splitlines() if line.startswith(("platform ", "net  "))
    )
    assert (heading[:2], row[0]) == (["platform", "sent"], "net")
