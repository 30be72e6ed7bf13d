"""The queries of the dashboards, as a test asks them."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.prometheus_tools import tool

CONCRETE = {
    "$job": ".+",
    "$instance": ".+",
    "$platform": ".+",
    "$__rate_interval": "30s",
    "$__range": "10m",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One query of one panel."""

    board: str
    panel: str
    text: str

    def __str__(self) -> str:
        return f"{self.board}: {self.panel}"

    def concrete(self) -> str:
        """With everything filled in that Grafana would fill in."""
        query = self.text
        for name, value in CONCRETE.items():
            query = query.replace(name, value)
        return query


def asked(document: dict[str, Any]) -> list[Asked]:
    """Every query of a dashboard."""
    return [
        Asked(document["uid"], panel["title"], target["expr"])
        for panel in document["panels"]
        for target in panel["targets"]
    ]


def promtool_accepts(queries: Sequence[str], folder: Path) -> None:
    """Every query parses, each as a recording rule."""
    rules = [{"record": f"test:query:{number}", "expr": query} for number, query in enumerate(queries)]
    file = folder / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run(
        [tool("promtool"), "check", "rules", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
