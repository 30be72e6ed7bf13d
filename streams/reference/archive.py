"""Imported lists as they are kept in the data folder: every version whole, and which was in force when."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from schemas.errors import OperatorError
from schemas.watchlist import ReferenceRelease


class Archive:
    """The folder ``reference`` of the data folder. Files are written whole or not at all."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "reference"

    def keep(self, release: ReferenceRelease, original: bytes) -> Path:
        """Keep a version and the file that it was made of; keeping it twice changes nothing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        _write(self.folder / f"{release.version}.source", original)
        target = self.folder / f"{release.version}.json"
        _write(target, release.to_bytes())
        return target

    def read(self, version: str) -> ReferenceRelease:
        """A version that is kept.

        Raises:
            OperatorError: it is not there, or its file was damaged.
        """
        if version not in self.versions():
            kept = ", ".join(self.versions()) or "none"
            raise OperatorError(f"No version {version!a} is kept in {self.folder} (there: {kept}).")
        path = self.folder / f"{version}.json"
        try:
            return ReferenceRelease.from_bytes(path.read_bytes())
        except ValidationError as error:
            raise OperatorError(f"{path} is damaged: import the list again.") from error

    def versions(self) -> tuple[str, ...]:
        """The versions that are kept, by name."""
        return tuple(sorted(path.stem for path in self.folder.glob("*.json") if path.stem != "in-force"))

    def in_force(self) -> tuple[str, ...]:
        """Versions put in force from this folder, the present one last; empty: the built-in list alone.

        Raises:
            OperatorError: the file that says so is damaged.
        """
        path = self.folder / "in-force.json"
        try:
            told = json.loads(path.read_bytes())
        except FileNotFoundError:
            return ()
        except ValueError as error:
            raise OperatorError(f"{path} is damaged: remove it and import the list again.") from error
        return tuple(str(version) for version in told)

    def put_in_force(self, versions: Sequence[str]) -> None:
        """Note which versions were in force, the present one last."""
        self.folder.mkdir(parents=True, exist_ok=True)
        _write(self.folder / "in-force.json", json.dumps(list(versions)).encode())

    def current(self) -> ReferenceRelease | None:
        """The version in force on this machine.

        Raises:
            OperatorError: its file is gone or damaged.
        """
        versions = self.in_force()
        return self.read(versions[-1]) if versions else None


def _write(path: Path, raw: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
