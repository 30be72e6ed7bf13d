"""Files of evidence, named by their content, written once, never changed.

A file lies at ``ab/ab12…`` below the store's folder, readable by its owner only.
"""

import contextlib
import hashlib
import os
import secrets
from pathlib import Path

LARGEST = 8 * 1024 * 1024
"""Bytes of one file."""


class EvidenceTooLarge(Exception):
    """More than the store keeps in one file."""


class EvidenceDamaged(Exception):
    """A file is missing or is not what its name says."""


class EvidenceStore:
    """A folder of evidence. Safe for several processes at once."""

    def __init__(self, folder: Path, *, largest: int = LARGEST) -> None:
        self.folder = folder
        self._largest = largest

    def path(self, sha256: str) -> Path:
        """Where a file is, or would be.

        Raises:
            ValueError: that is no SHA-256.
        """
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise ValueError("evidence is named by 64 lower-case hexadecimal digits")
        return self.folder / sha256[:2] / sha256

    def put(self, content: bytes) -> str:
        """Keep this and return its SHA-256; it is on the disk when this returns.

        Raises:
            EvidenceTooLarge: it is more than one file may hold.
            OSError: it could not be written; nothing of it stays.
        """
        if len(content) > self._largest:
            raise EvidenceTooLarge(f"{len(content)} bytes; at most {self._largest} are kept")
        sha256 = hashlib.sha256(content).hexdigest()
        target = self.path(sha256)
        with contextlib.suppress(EvidenceDamaged):
            self.get(sha256)
            return sha256
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = target.parent / f".{secrets.token_hex(8)}"
        try:
            place = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(place, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
        for folder in (target.parent, self.folder):
            _settle(folder)
        return sha256

    def get(self, sha256: str) -> bytes:
        """The file with that content.

        Raises:
            EvidenceDamaged: it is missing, or its content is another.
        """
        try:
            content = self.path(sha256).read_bytes()
        except FileNotFoundError as error:
            raise EvidenceDamaged(f"evidence {sha256} is missing") from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise EvidenceDamaged(f"evidence {sha256} was changed")
        return content

    def remove(self, sha256: str) -> bool:
        """Remove a file for good; ``False``: it is not there.

        Raises:
            ValueError: that is no SHA-256.
            OSError: it could not be removed.
        """
        place = self.path(sha256)
        try:
            place.unlink()
        except FileNotFoundError:
            return False
        _settle(place.parent)
        return True


def _settle(folder: Path) -> None:
    """Make a new name in a folder survive a power cut."""
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)
