"""The store of evidence: named by content, whole or not at all, its owner's only."""

import hashlib
import os
import stat
from pathlib import Path

import pytest

from streams.notices.evidence import EvidenceDamaged, EvidenceStore, EvidenceTooLarge


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    return EvidenceStore(tmp_path / "evidence", largest=1_000)


def files(store: EvidenceStore) -> list[Path]:
    return [path for path in store.folder.rglob("*") if path.is_file()]


def test_what_is_put_is_there_once_and_for_its_owner_only(store: EvidenceStore) -> None:
    sha256 = store.put(b"a page")

    assert sha256 == hashlib.sha256(b"a page").hexdigest() == store.put(b"a page")
    assert store.get(sha256) == b"a page"
    [file] = files(store)
    assert file == store.path(sha256)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_changed_or_missing_file_is_found_and_can_be_put_again(store: EvidenceStore) -> None:
    sha256 = store.put(b"a page")
    store.path(sha256).write_bytes(b"a pagf")
    with pytest.raises(EvidenceDamaged, match="changed"):
        store.get(sha256)
    store.path(sha256).unlink()
    with pytest.raises(EvidenceDamaged, match="missing"):
        store.get(sha256)

    store.put(b"a page")
    assert store.get(sha256) == b"a page"


def test_too_much_is_refused_and_leaves_nothing(store: EvidenceStore) -> None:
    with pytest.raises(EvidenceTooLarge):
        store.put(b"x" * 1_001)

    assert not store.folder.exists()


def test_a_failed_write_leaves_nothing(store: EvidenceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(place: int) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        store.put(b"a page")

    assert files(store) == []


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "a" * 63])
def test_only_hashes_name_files(store: EvidenceStore, name: str) -> None:
    with pytest.raises(ValueError, match="64"):
        store.path(name)
