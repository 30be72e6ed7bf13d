"""What may stand in no committed file: an index's address, or a path of somebody's machine."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent

# In parts, so that this file names none either.
REGISTRIES = (
    ("pypi", "org"),
    ("python" + "hosted", "org"),
    ("registry", "npm" + "js", "org"),
    ("repo1", "maven", "org"),
    ("repo", "maven", "apache", "org"),
)
REGISTRY = re.compile("|".join(re.escape(".".join(parts)) for parts in REGISTRIES))
MACHINE_PATH = re.compile(r"(?<![\w.~/-])/(?:work|root|home/\w+|Users/\w+)/[\w.-]+")


def committed_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    files = [ROOT / name.decode() for name in listed.stdout.split(b"\0") if name]
    return [file for file in files if file.is_file()]


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for file in committed_files():
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{file.relative_to(ROOT)}:{number}"
            for number, line in enumerate(text.splitlines(), 1)
            if pattern.search(line)
        ]
    return found


def test_no_file_names_a_package_registry() -> None:
    assert lines_with(REGISTRY) == []


def test_no_file_names_a_path_of_one_machine() -> None:
    assert lines_with(MACHINE_PATH) == []


def test_the_locks_carry_hashes_and_no_address() -> None:
    locks = sorted((ROOT / "requirements").glob("*.lock"))

    assert {lock.name for lock in locks} == {
        "bootstrap.lock",
        "dev.lock",
        "local.lock",
        "rivals.lock",
        "run.lock",
    }
    for lock in locks:
        text = lock.read_text(encoding="utf-8")
        blocks = re.findall(r"^[A-Za-z].*(?:\n    .*)*", text, re.MULTILINE)

        assert blocks, lock.name
        assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == [], lock.name
        assert "://" not in text, lock.name
        assert "-index" not in text, lock.name


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    found = re.findall(r"^([A-Za-z0-9][\w.-]*)==([^\s;]+)", text, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def test_the_locks_hold_what_the_project_asks_for() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project, groups = declared["project"], declared["dependency-groups"]
    run = project["dependencies"]
    local = [*run, *project["optional-dependencies"]["local"]]
    asked = {
        "run.lock": run,
        "local.lock": local,
        "dev.lock": [*local, *groups["dev"]],
        "bootstrap.lock": groups["bootstrap"],
        "rivals.lock": groups["rivals"],
    }

    unmet = [
        f"{lock}: {wanted}"
        for lock, texts in asked.items()
        for wanted in map(Requirement, texts)
        if (pin := pins(lock).get(canonicalize_name(wanted.name))) is None
        or not wanted.specifier.contains(pin, prereleases=True)
    ]
    assert unmet == [], "run 'make lock'"


def test_a_package_has_one_version_in_every_lock_that_holds_it() -> None:
    whole = pins("dev.lock")

    for lock in ("run.lock", "local.lock"):
        assert pins(lock).items() <= whole.items()
