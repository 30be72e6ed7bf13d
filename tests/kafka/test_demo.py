"""``takin demo --once``: the whole demonstration, as a newcomer starts it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

MINUTES = 3


def takin(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "streams.cli", *arguments],
        check=False,
        cwd=cwd,
        env={"PYTHONPATH": os.getcwd(), **kept, **env},
        capture_output=True,
        text=True,
        timeout=MINUTES * 60 + 30,
        stdin=subprocess.DEVNULL,
    )


def test_it_ends_by_itself_and_reports_what_each_platform_did(tmp_path: Path) -> None:
    began = time.monotonic()

    done = takin("demo", "--once", "--report", "demo.json", cwd=tmp_path)

    took = time.monotonic() - began
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
    assert took < MINUTES * 60
    report = json.loads((tmp_path / "demo.json").read_text())
    rows = {row["platform"]: row for row in report["platforms"]}
    summary = report["summary"]
    assert summary["read"] == summary["screened"] == 360
    assert summary["set_aside"] == {}
    assert summary["noticed"] == summary["sent"] == summary["answered"] > 20
    assert len(rows) >= 3
    assert all(name in done.stdout for name in rows)
    # Each temper shows in its own figures.
    assert rows["sandbox-prompt"]["removed_seen"]["n"] == rows["sandbox-prompt"]["sent"]
    assert rows["sandbox-prompt"]["late"] == 0
    assert rows["sandbox-silent"]["late"] == rows["sandbox-silent"]["still_open"] > 0
    assert rows["sandbox-silent"]["decided"]["n"] == 0
    assert rows["sandbox-liar"]["removed_claimed"]["n"] == rows["sandbox-liar"]["claim_mismatch"] > 0
    assert rows["sandbox-liar"]["removed_seen"]["n"] == 0
    assert rows["sandbox-relister"]["reappeared"] > 0

    folder = tmp_path / ".takin" / "demo"
    casebook = f"sqlite:///{folder / 'casebook.db'}"
    again = takin("report", "sla", "--json", cwd=tmp_path, DATABASE_URL=casebook)
    chain = takin("audit", "verify", cwd=tmp_path, DATABASE_URL=casebook, TAKIN_DATA_DIR=str(folder))
    listed = takin("notices", "list", "--open", "--json", cwd=tmp_path, DATABASE_URL=casebook)
    assert "holds" in chain.stdout, chain.stdout + chain.stderr
    still_open = sum(row["still_open"] for row in rows.values())
    assert len(listed.stdout.splitlines()) == still_open
    assert [row["removed_seen"] for row in json.loads(again.stdout)["platforms"]] == [
        row["removed_seen"] for row in report["platforms"]
    ]
    reference = json.loads(listed.stdout.splitlines()[0])["reference"]
    shown = takin("notices", "show", reference, cwd=tmp_path, DATABASE_URL=casebook)
    assert "deadline_missed" in shown.stdout
