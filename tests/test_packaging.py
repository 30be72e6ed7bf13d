"""The wheel holds the three packages, all of their data, and nothing else.

``TAKIN_WHEEL`` names a wheel that is built already.
"""

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email.parser import BytesParser
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("schemas", "connectors", "streams")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (ROOT / "schemas").is_dir(), reason="builds from the source tree, which does not stand here"
    ),
]

DATA = {
    "JSON Schemas": "schemas/json/*.json",
    "AsyncAPI document": "schemas/asyncapi.json",
    "examples": "schemas/examples/*.json",
    "type markers": "*/py.typed",
    "reference data": "streams/screening/reference/*",
    "rule packs": "streams/screening/packs/*.yaml",
    "the desk's templates": "streams/desk/templates/*.html",
    "the desk's style and scripts": "streams/desk/static/desk.*",
    "sandbox scenarios": "connectors/sandbox/scenarios/*",
    "lock of the Kafka jars": "streams/local/kafka-jars.lock",
    "database migrations": "streams/notices/casebook/migrations/versions/v*.py",
}
"""What a process reads at run time, by the place where it looks for it."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    if given := os.environ.get("TAKIN_WHEEL"):
        with zipfile.ZipFile(given) as opened:
            yield opened
        return
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as opened:
        yield opened


def metadata_folder(wheel: zipfile.ZipFile) -> str:
    (folder,) = {name.partition("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    return folder


def test_its_top_level_names_are_exactly_the_three_packages(wheel: zipfile.ZipFile) -> None:
    names = {name.partition("/")[0] for name in wheel.namelist()} - {metadata_folder(wheel)}

    assert names == set(PACKAGES)


def known_files() -> set[str]:
    """The packages' files that git tracks or would; where no git is, all that stand there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *PACKAGES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        return {name for name in listed.stdout.split("\0") if name}
    return {
        file.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def test_it_holds_every_file_of_the_packages_as_it_is_and_no_other(wheel: zipfile.ZipFile) -> None:
    known = known_files()
    names = [name for name in wheel.namelist() if not name.startswith(f"{metadata_folder(wheel)}/")]
    missing = known - set(names)
    different = [name for name in known - missing if wheel.read(name) != (ROOT / name).read_bytes()]

    assert "streams/cli.py" in known
    assert sorted(missing) == [], "not in the wheel"
    assert sorted(set(names) - known) == [], "in the wheel, and no file of the packages"
    assert sorted(different) == [], "different in the wheel"
    assert len(names) == len(set(names))


@pytest.mark.parametrize("pattern", DATA.values(), ids=DATA.keys())
def test_what_a_process_reads_is_inside(wheel: zipfile.ZipFile, pattern: str) -> None:
    assert [name for name in wheel.namelist() if PurePosixPath(name).match(pattern)]


def test_it_says_what_it_is_and_carries_its_licence(wheel: zipfile.ZipFile) -> None:
    folder = metadata_folder(wheel)
    said = BytesParser().parsebytes(wheel.read(f"{folder}/METADATA"))

    assert said["Name"] == "takin"
    assert said["License-Expression"] == "Apache-2.0 AND CC-BY-SA-4.0"
    assert said["Requires-Python"] == ">=3.11"
    assert b"Apache License" in wheel.read(f"{folder}/licenses/LICENSE")
    assert wheel.read(f"{folder}/licenses/NOTICE").startswith(b"Takin")
    assert b"takin = streams.cli:main" in wheel.read(f"{folder}/entry_points.txt")
