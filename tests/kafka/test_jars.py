"""The broker's jars: fetched from a registry on loopback, and used only with the right checksum."""

import gc
import hashlib
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from schemas.errors import OperatorError
from streams.local import jars
from streams.local.jars import Jar, ensure_jars, write_lock

CONTENT = {"one": b"jar one", "two": b"jar two"}


def _jar(name: str, content: bytes) -> Jar:
    return Jar("org.example", name, "1.0", hashlib.sha256(content).hexdigest())


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "jars.lock"
    write_lock([_jar(name, content) for name, content in CONTENT.items()], path)
    return path


class Registry:
    """A Maven repository on loopback; ``requests`` says what was asked of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.requests: list[str] = []
        for name, content in CONTENT.items():
            self.put(name, content)

    def put(self, name: str, content: bytes) -> None:
        folder = self.root / "org" / "example" / name / "1.0"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}-1.0.jar").write_bytes(content)

    def jars_asked_for(self) -> list[str]:
        return sorted(path.rpartition("/")[2] for path in self.requests if path.endswith(".jar"))


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    registry = Registry(tmp_path / "registry")

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            registry.requests.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(registry.root)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(jars, "_repositories", lambda: {"local": url})
    yield registry
    server.shutdown()
    server.server_close()
    thread.join()


def test_missing_jars_are_fetched_once(tmp_path: Path, lock: Path, registry: Registry) -> None:
    cache = tmp_path / "cache"
    paths = ensure_jars(cache, lock=lock)
    assert [path.read_bytes() for path in paths] == [b"jar one", b"jar two"]

    ensure_jars(cache, lock=lock)
    assert registry.jars_asked_for() == ["one-1.0.jar", "two-1.0.jar"]
    assert sorted(path.name for path in cache.iterdir()) == [".lock", "one-1.0.jar", "two-1.0.jar"]


def test_two_that_need_them_at_once_fetch_them_once(tmp_path: Path, lock: Path, registry: Registry) -> None:
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(ensure_jars, tmp_path / "cache", lock=lock) for _ in range(4)]:
            assert len(done.result()) == 2
    assert registry.jars_asked_for() == ["one-1.0.jar", "two-1.0.jar"]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda jar: jar.write_bytes(b"jar oXe"), id="altered"),
        pytest.param(lambda jar: jar.write_bytes(b"jar"), id="cut"),
        pytest.param(lambda jar: jar.unlink(), id="missing"),
    ],
)
def test_a_damaged_jar_is_fetched_anew(
    tmp_path: Path, lock: Path, registry: Registry, damage: Callable[[Path], object]
) -> None:
    cache = tmp_path / "cache"
    first, _ = ensure_jars(cache, lock=lock)
    damage(first)
    registry.requests.clear()

    ensure_jars(cache, lock=lock)
    assert first.read_bytes() == b"jar one"
    assert registry.jars_asked_for() == ["one-1.0.jar"]


def test_a_damaged_jar_that_cannot_be_fetched_is_said(tmp_path: Path, lock: Path, registry: Registry) -> None:
    cache = tmp_path / "cache"
    first, _ = ensure_jars(cache, lock=lock)
    first.write_bytes(b"broken")
    with pytest.raises(OperatorError, match=r"one-1\.0\.jar is missing or damaged and could not be fetched"):
        ensure_jars(cache, lock=lock, offline=True)


def test_a_jar_the_registry_does_not_have_is_said(tmp_path: Path, lock: Path, registry: Registry) -> None:
    (registry.root / "org/example/two/1.0/two-1.0.jar").unlink()
    with pytest.raises(OperatorError, match=r"two-1\.0\.jar is missing"):
        ensure_jars(tmp_path / "cache", lock=lock)
    with warnings.catch_warnings():
        # jgo 3.2 leaves its connection open when the answer is not 200; let it go here and now.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_a_jar_that_was_altered_on_its_way_is_never_kept(
    tmp_path: Path, lock: Path, registry: Registry
) -> None:
    registry.put("two", b"something else")
    with pytest.raises(OperatorError, match=r"two-1\.0\.jar was fetched but its checksum is not"):
        ensure_jars(tmp_path / "cache", lock=lock)
    assert not (tmp_path / "cache" / "two-1.0.jar").exists()


def test_without_jgo_nothing_can_be_fetched_and_it_is_said(
    tmp_path: Path, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jgo.maven", None)
    with pytest.raises(OperatorError, match=r"2 Kafka jars have to be fetched.*takin\[local\]"):
        ensure_jars(tmp_path / "cache", lock=lock)


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path, lock: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OperatorError, match="set TAKIN_CACHE_DIR to another folder"):
        ensure_jars(tmp_path / "file" / "cache", lock=lock)
