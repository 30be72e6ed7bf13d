"""promtool, prometheus and amtool for tests: those of PATH, or of Debian's packages in our cache folder."""

import functools
import os
import shutil
import subprocess
from pathlib import Path

from streams.local.jars import cache_dir

ROOT = Path(__file__).parents[2]


@functools.cache
def tool(name: str) -> str:
    """Path of a tool; fetched when it is not there."""
    if given := os.environ.get("TAKIN_PROMETHEUS_TOOLS"):
        return str(Path(given) / name)
    if found := shutil.which(name):
        return found
    folder = cache_dir() / "prometheus"
    subprocess.run([ROOT / "deploy/ci/prometheus.sh", folder], check=True)
    return str(folder / name)
