"""The bill of materials lists what a production image holds, and nothing else."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_locked_package_is_listed_with_its_version_and_hashes(tmp_path: Path) -> None:
    file = tmp_path / "takin.cdx.json"
    tools = Path(sys.executable).parents[1]

    done = subprocess.run(
        [ROOT / "deploy/ci/sbom.sh", file],
        env={**os.environ, "VENV": str(tools)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    bill = json.loads(file.read_text("utf-8"))
    locked = set(
        re.findall(
            r"^([\w.-]+)(?:\[[\w,-]+\])?==(\S+)", (ROOT / "requirements/run.lock").read_text("utf-8"), re.M
        )
    )
    listed = {(one["name"], one["version"]) for one in bill["components"]}
    assert len(locked) > 50
    assert listed == locked
    assert bill["metadata"]["component"]["name"] == "takin"
    hashed = {
        one["name"]
        for one in bill["components"]
        if any(reference.get("hashes") for reference in one.get("externalReferences", []))
    }
    assert hashed == {name for name, _ in locked}
