"""Writes what is made from declarations: the page of metrics, the dashboards, and resources for Kubernetes.

python -m deploy.generate            write what differs
python -m deploy.generate --check    only compare; exit code 1 when a file is stale
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy import catalogue, strimzi, workloads
from deploy.grafana import build

HERE = Path(__file__).resolve().parent


def files() -> Mapping[str, str]:
    """Every generated file: path inside this folder, text."""
    return {"metrics.md": catalogue.page(), **build.files(), **strimzi.files(), **workloads.files()}


def stale(folder: Path = HERE) -> tuple[str, ...]:
    """Paths whose file is missing or differs."""
    return tuple(
        path
        for path, text in sorted(files().items())
        if not (folder / path).is_file() or (folder / path).read_text(encoding="utf-8") != text
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 when a file is stale")
    check = parser.parse_args(arguments).check
    wanted, outdated = files(), stale()
    for path in outdated:
        if check:
            print(f"deploy/{path} is stale: run 'make observability'", file=sys.stderr)
        else:
            (HERE / path).parent.mkdir(parents=True, exist_ok=True)
            (HERE / path).write_text(wanted[path], encoding="utf-8")
            print(f"deploy/{path}: written")
    return int(bool(check and outdated))


if __name__ == "__main__":
    raise SystemExit(main())
