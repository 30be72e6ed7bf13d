"""No connection leaves to an address that is not public, however its URL is written."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_no_hostile_url_leads_inside() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.hostile_urls"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    )

    told = json.loads(done.stdout)
    assert told["urls"] >= 500
    assert told["inside"] == []
    assert told["answered"] == 0
    # Our client was led to every address, and a platform's own calls to many of them: nobody went there.
    assert told["redirects"] >= 1.9 * told["urls"]
    assert told["led_to"] == []
    # The names that lead outside at first were tried there: the oracle does see connects.
    assert told["connects"] >= 20
