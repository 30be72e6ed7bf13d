"""The committed lock file and how it is read."""

from pathlib import Path

import pytest

from schemas.errors import OperatorError
from streams.local.jars import (
    BROKER,
    KAFKA_VERSION,
    LOCK_FILE,
    LOG_BINDING,
    Jar,
    cache_dir,
    read_lock,
    write_lock,
)


def test_the_committed_lock_names_one_kafka_and_no_address() -> None:
    jars = read_lock()
    roots = {(jar.group, jar.artifact, jar.version) for jar in jars}
    assert {BROKER, LOG_BINDING} <= roots
    assert {jar.version for jar in jars if jar.group == "org.apache.kafka"} == {KAFKA_VERSION}
    assert len({jar.file_name for jar in jars}) == len(jars) > 40
    assert "://" not in LOCK_FILE.read_text()


def test_what_is_written_is_read_again_in_one_order(tmp_path: Path) -> None:
    jars = [Jar("b", "b", "1", "b" * 64), Jar("a", "a", "2", "a" * 64)]
    write_lock(jars, tmp_path / "lock")
    assert read_lock(tmp_path / "lock") == (jars[1], jars[0])


@pytest.mark.parametrize(
    "line", ["abc  g:a:1", f"{'a' * 64}  g:a", f"{'g' * 64}  g:a:1", "a b c", f"{'a' * 64}"]
)
def test_a_damaged_line_is_said_by_number(tmp_path: Path, line: str) -> None:
    (tmp_path / "lock").write_text(f"# head\n{line}\n")
    with pytest.raises(OperatorError, match="Line 2 of lock"):
        read_lock(tmp_path / "lock")


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("TAKIN_CACHE_DIR", raising=False)
    assert cache_dir() == tmp_path / "xdg" / "takin"
    monkeypatch.setenv("TAKIN_CACHE_DIR", str(tmp_path / "mine"))
    assert cache_dir() == tmp_path / "mine"
