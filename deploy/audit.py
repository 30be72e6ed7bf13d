"""Asks a vulnerability service about every locked package: `make audit`. Needs a network: not in `make test`.

python -m deploy.audit               PyPI's own service
python -m deploy.audit --osv URL     another that speaks OSV's query API

Exit code 0: nothing open. 1: something to do, said in a sentence each. 2: the service could not be asked, so
that nothing is known. pip-audit calls a package clean that the service does not know; here it is not.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from schemas.errors import OperatorError, not_yaml

REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements"
LOCKS = ("dev.lock", "bootstrap.lock", "rivals.lock")
"""`run.lock` and `local.lock` are parts of `dev.lock`."""
CANARY = "requests==2.19.0"
CANARY_FAULT = "CVE-2018-18074"
"""A version with a known fault, asked about first: a service that does not name it is not one to believe."""


class Accepted(BaseModel):
    """A known fault that is lived with for a time: a row of `requirements/audit.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    package: str
    reason: str
    until: date


class Fault(BaseModel):
    """What the service says of one version: its id, other ids of the same fault, and versions without it."""

    model_config = ConfigDict(frozen=True)

    id: str
    aliases: tuple[str, ...] = ()
    fix_versions: tuple[str, ...] = ()


class Package(BaseModel):
    """One package as pip-audit answers: `skip_reason` where the service was not asked, or did not know it."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: str = ""
    skip_reason: str = ""
    vulns: tuple[Fault, ...] = ()


def told(packages: Sequence[Package], accepted: Sequence[Accepted], today: date) -> tuple[str, ...]:
    """What is to do, a sentence each: faults, packages not asked about, rows that ran out or fit nothing."""
    sentences: list[str] = []
    used: set[Accepted] = set()
    for package in packages:
        if package.skip_reason:
            sentences.append(f"{package.name} was not asked about: {package.skip_reason}")
        for fault in package.vulns:
            names = {fault.id, *fault.aliases}
            rows = [row for row in accepted if row.package == package.name and row.id in names]
            used.update(rows)
            if any(today <= row.until for row in rows):
                continue
            mended = ", ".join(fault.fix_versions)
            sentences.append(
                f"{package.name} {package.version} has {' = '.join(sorted(names))}: "
                + (f"mended in {mended}" if mended else "no version without it is known")
                + "".join(f"; it was accepted until {row.until}" for row in rows)
            )
    sentences += [
        f"requirements/audit.yaml accepts {row.id} of {row.package}, which no package has: take the row out"
        for row in accepted
        if row not in used
    ]
    return tuple(sentences)


def accepted_in(file: Path) -> tuple[Accepted, ...]:
    """The rows of the file; raises `OperatorError` where one is not well-formed."""
    try:
        return TypeAdapter(tuple[Accepted, ...]).validate_python(
            yaml.safe_load(file.read_text("utf-8")) or ()
        )
    except ValidationError as error:
        raise OperatorError(
            f"{file} cannot be read: each row has id, package, reason, until: {error}"
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise OperatorError(f"{file} {not_yaml(error)}.") from None


def asked(file: Path, *options: str) -> tuple[Package, ...]:
    """What the service says of the packages of one file; raises `OperatorError` where it gives no answer."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip_audit", "--disable-pip", "--progress-spinner", "off"),
            *("--format", "json", "--requirement", str(file), *options),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        document: Mapping[str, object] = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise OperatorError(
            f"The vulnerability service could not be asked, so nothing is known: {last}"
        ) from None
    return TypeAdapter(tuple[Package, ...]).validate_python(document["dependencies"])


def try_the_service(*options: str) -> None:
    """Raise `OperatorError` unless the service names the fault of the canary."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "canary.txt"
        file.write_text(CANARY + "\n", "utf-8")
        (package,) = asked(file, "--no-deps", *options)
    if not any(CANARY_FAULT in (fault.id, *fault.aliases) for fault in package.vulns):
        raise OperatorError(
            f"The vulnerability service does not name {CANARY_FAULT} of {CANARY}, so nothing is known: "
            f"{package.skip_reason or 'it says that this version is clean'}. A mirror of PyPI often has no "
            "vulnerabilities: run this where PyPI itself is reached, or name a service with --osv URL"
        )


def main(arguments: Sequence[str] | None = None, *, requirements: Path = REQUIREMENTS) -> int:
    """Ask about every lock and print what is to do; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make audit", description=__doc__)
    parser.add_argument(
        "--osv", metavar="URL", help="a service that speaks OSV's query API, instead of PyPI's own"
    )
    osv = parser.parse_args(arguments).osv
    options = ("--vulnerability-service", "osv", "--osv-url", osv) if osv else ()
    try:
        accepted = accepted_in(requirements / "audit.yaml")
        try_the_service(*options)
        packages = {package for lock in LOCKS for package in asked(requirements / lock, *options)}
    except OperatorError as error:
        print(f"takin: {error}", file=sys.stderr)
        return 2
    sentences = told(sorted(packages, key=lambda package: package.name), accepted, datetime.now(UTC).date())
    for sentence in sentences:
        print(sentence, file=sys.stderr)
    print(f"{len(packages)} packages asked about, {len(sentences)} things to do")
    return 1 if sentences else 0


if __name__ == "__main__":
    sys.exit(main())
