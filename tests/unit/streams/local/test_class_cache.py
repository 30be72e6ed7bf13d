"""The class cache: used by exactly those it was made for, and missed by nobody where it cannot be."""

import logging
import mmap
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog
from structlog.testing import LogCapture
from structlog.typing import EventDict

from schemas.errors import OperatorError
from streams.local import class_cache
from streams.local.class_cache import find, make, reading, writing
from streams.local.java import find_java

OPTIONS = ("-Xmx1m",)
CONTENT = b"classes"


@pytest.fixture
def java(tmp_path: Path) -> Path:
    """A Java that takes every cache."""
    return _java(tmp_path / "java")


def _java(home: Path, does: str = "exit 0", *, version: str = "25.0.2", release: str = "") -> Path:
    (home / "bin").mkdir(parents=True)
    (home / "release").write_text(f'JAVA_VERSION="{version}"\n{release}', "utf-8")
    program = home / "bin" / "java"
    program.write_text(f"#!/bin/sh\n{does}\n", "utf-8")
    program.chmod(0o755)
    return program


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[EventDict]:
    """What is logged, at whatever level another test set this process to log."""
    capture = LogCapture()
    every_level = structlog.make_filtering_bound_logger(logging.DEBUG)
    logger = structlog.wrap_logger(None, processors=[capture], wrapper_class=every_level)
    monkeypatch.setattr(class_cache, "log", logger)
    return capture.entries


@pytest.fixture
def jars(tmp_path: Path) -> tuple[Path, ...]:
    folder = tmp_path / "jars"
    folder.mkdir()
    for name in ("a.jar", "b.jar"):
        (folder / name).write_bytes(b"jar")
    return (folder / "a.jar", folder / "b.jar")


class Training:
    """Stands for the broker that is started and stopped; ``runs`` counts."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self.content = content
        self.runs = 0

    def __call__(self, folder: Path, to: Path) -> None:
        self.runs += 1
        folder.mkdir()
        to.write_bytes(self.content)


def _names(jars: tuple[Path, ...]) -> list[str]:
    return sorted(path.name for path in jars[0].parent.iterdir())


def test_it_is_made_once_beside_the_jars_and_found(java: Path, jars: tuple[Path, ...]) -> None:
    training = Training()
    assert find(java, jars, OPTIONS) is None

    made = make(java, jars, OPTIONS, train=training)
    assert made is not None
    assert made.read_bytes() == CONTENT
    assert made.name.startswith("classes-4.1.0-java-25.0.2-")
    assert _names(jars) == [".class-cache.lock", "a.jar", "b.jar", made.name]

    assert make(java, jars, OPTIONS, train=training) == made
    assert find(java, jars, OPTIONS) == made
    assert training.runs == 1


def test_two_that_make_it_at_once_make_one(java: Path, jars: tuple[Path, ...]) -> None:
    training = Training()
    with ThreadPoolExecutor(4) as pool:
        doing = [pool.submit(make, java, jars, OPTIONS, train=training) for _ in range(4)]
        made = {done.result() for done in doing}

    assert made == {find(java, jars, OPTIONS)}
    assert training.runs == 1


def _other_size(jar: Path) -> None:
    before = jar.stat().st_mtime_ns
    jar.write_bytes(b"another jar")
    os.utime(jar, ns=(0, before))


def _other_time(jar: Path) -> None:
    os.utime(jar, ns=(0, jar.stat().st_mtime_ns + 1_000_000_000))


@pytest.mark.parametrize("change", [_other_size, _other_time])
def test_another_jar_does_not_use_it(
    java: Path, jars: tuple[Path, ...], change: Callable[[Path], None]
) -> None:
    make(java, jars, OPTIONS, train=Training())
    change(jars[1])

    assert find(java, jars, OPTIONS) is None


def test_other_jars_options_or_java_do_not_use_it(java: Path, jars: tuple[Path, ...], tmp_path: Path) -> None:
    make(java, jars, OPTIONS, train=Training())

    moved = tmp_path / "b.jar"
    shutil.copy2(jars[1], moved)
    assert find(java, (jars[0], moved), OPTIONS) is None
    assert find(java, jars[:1], OPTIONS) is None
    assert find(java, jars[::-1], OPTIONS) is None
    assert find(java, jars, (*OPTIONS, "-XX:+UseSerialGC")) is None
    assert find(_java(tmp_path / "newer", version="25.0.3"), jars, OPTIONS) is None
    assert find(_java(tmp_path / "vendors", release='IMPLEMENTOR="another"'), jars, OPTIONS) is None
    assert find(_java(tmp_path / "same"), jars, OPTIONS) is not None


def _cut(cache: Path) -> None:
    cache.write_bytes(CONTENT[:-1])


def _one_bit(cache: Path) -> None:
    cache.write_bytes(bytes([CONTENT[0] ^ 1]) + CONTENT[1:])


@pytest.mark.parametrize("damage", [_cut, _one_bit])
def test_a_damaged_one_is_not_used_and_made_anew(
    java: Path, jars: tuple[Path, ...], lines: list[EventDict], damage: Callable[[Path], None]
) -> None:
    made = make(java, jars, OPTIONS, train=Training())
    assert made is not None
    damage(made)

    assert find(java, jars, OPTIONS) is None
    assert lines == [{"event": "class_cache_damaged", "file": str(made), "log_level": "debug"}]
    again = make(java, jars, OPTIONS, train=Training(b"other classes"))
    assert again == find(java, jars, OPTIONS) != made
    assert not made.exists()


def test_jars_that_are_gone_are_no_trouble_of_its(java: Path, tmp_path: Path) -> None:
    assert find(java, (tmp_path / "none.jar",), OPTIONS) is None


def test_caches_of_jars_that_are_gone_go_when_another_is_made(java: Path, jars: tuple[Path, ...]) -> None:
    of_other_jars = [make(java, jars, OPTIONS, train=Training())]
    _other_size(jars[0])
    of_other_jars.append(make(java, jars, OPTIONS, train=Training()))
    _other_time(jars[1])
    other = jars[0].parent / "classes-of-mine.aot"
    other.touch()

    made = make(java, jars, OPTIONS, train=Training())
    assert made is not None
    assert _names(jars) == [".class-cache.lock", "a.jar", "b.jar", made.name, other.name]
    assert made not in of_other_jars


def test_a_cache_of_these_jars_for_another_java_stays_while_it_is_used(
    java: Path, jars: tuple[Path, ...], tmp_path: Path
) -> None:
    javas = [java, *(_java(tmp_path / name, version=name) for name in ("25.0.3", "25.0.4"))]
    used, unused, _ = (make(one, jars, OPTIONS, train=Training()) for one in javas)
    assert used
    assert unused
    long_ago = time.time() - class_cache.UNUSED_AFTER_S - 60
    for cache in (used, unused):
        os.utime(cache, (long_ago, long_ago))
    assert find(java, jars, OPTIONS) == used

    make(_java(tmp_path / "newest", version="26"), jars, OPTIONS, train=Training())
    assert [one is not None for one in (find(java, jars, OPTIONS) for java in javas)] == [True, False, True]
    assert (used.exists(), unused.exists()) == (True, False)


def test_the_folder_by_another_path_holds_the_same_jars(
    java: Path, jars: tuple[Path, ...], tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(jars[0].parent)
    by_link = tuple(tmp_path / "link" / jar.name for jar in jars)
    make(java, jars, OPTIONS, train=Training())
    make(java, by_link, OPTIONS, train=Training())

    assert find(java, jars, OPTIONS)
    assert find(java, by_link, OPTIONS)


def test_one_that_is_removed_stays_whole_for_a_process_that_has_it_mapped(
    java: Path, jars: tuple[Path, ...]
) -> None:
    old = make(java, jars, OPTIONS, train=Training())
    assert old
    with old.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        _other_size(jars[0])
        make(java, jars, OPTIONS, train=Training(b"others"))
        assert not old.exists()

        assert mapped[:] == CONTENT


def test_one_that_cannot_be_removed_keeps_nobody_from_the_new_one(java: Path, jars: tuple[Path, ...]) -> None:
    old = make(java, jars, OPTIONS, train=Training())
    assert old
    old.unlink()
    old.mkdir()  # which unlink does not remove, not even for root
    _other_size(jars[0])

    made = make(java, jars, OPTIONS, train=Training())
    assert made is not None
    assert made == find(java, jars, OPTIONS)


def _full(folder: Path, to: Path) -> None:
    to.write_bytes(CONTENT[:3])
    raise OSError(28, "No space left on device")


def _does_not_start(folder: Path, to: Path) -> None:
    raise OperatorError("The embedded Kafka stopped; its last line was: Unrecognized VM option.")


def _writes_nothing(folder: Path, to: Path) -> None:
    folder.mkdir()


@pytest.mark.parametrize("train", [_full, _does_not_start, _writes_nothing])
def test_where_it_cannot_be_made_there_is_none_and_one_line_says_why(
    java: Path, jars: tuple[Path, ...], lines: list[EventDict], train: Callable[[Path, Path], None]
) -> None:
    assert make(java, jars, OPTIONS, train=train) is None

    assert [(line["event"], line["log_level"]) for line in lines] == [("class_cache_not_made", "debug")]
    assert _names(jars) == [".class-cache.lock", "a.jar", "b.jar"]


def test_one_that_the_jvm_refuses_is_not_kept(
    jars: tuple[Path, ...], lines: list[EventDict], tmp_path: Path
) -> None:
    refuses = _java(tmp_path / "other", 'case "$*" in *AOTMode=on*) exit 1;; esac')
    assert make(refuses, jars, OPTIONS, train=Training()) is None

    assert [line["event"] for line in lines] == ["class_cache_not_made"]
    assert _names(jars) == [".class-cache.lock", "a.jar", "b.jar"]


def test_a_folder_that_takes_nothing_means_none(
    java: Path, jars: tuple[Path, ...], lines: list[EventDict]
) -> None:
    # A folder in the lock's place: root may write to a folder that says read only.
    (jars[0].parent / ".class-cache.lock").mkdir()
    assert make(java, jars, OPTIONS, train=Training()) is None

    assert [line["event"] for line in lines] == ["class_cache_not_made"]


@pytest.mark.parametrize("content", [b"", b"no cache", None], ids=["empty", "rubbish", "missing"])
def test_a_jvm_starts_without_a_word_where_the_cache_is_of_no_use(
    tmp_path: Path, content: bytes | None
) -> None:
    cache = tmp_path / "classes.aot"
    if content is not None:
        cache.write_bytes(content)
    done = subprocess.run(
        [str(find_java()), *reading(cache), "-version"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")
    assert "sharing" not in done.stderr


def test_no_cache_is_no_option(tmp_path: Path) -> None:
    assert reading(None) == ()
    assert reading(tmp_path / "classes")[0] == f"-XX:AOTCache={tmp_path / 'classes'}"
    assert writing(tmp_path / "classes")[0] == f"-XX:AOTCacheOutput={tmp_path / 'classes'}"
