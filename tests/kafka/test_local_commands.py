"""The commands as a person runs them, each in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from schemas.dead_letter import dead_letter
from streams.local.ports import free_port
from tests.support.broker import _in_own_loop, send
from tests.support.processes import is_gone

TAKIN = (sys.executable, "-m", "streams.cli")


def _run(bootstrap: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TAKIN, *arguments],
        env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": bootstrap},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _start_kafka(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*TAKIN, "kafka", "--port", "0", "--data-dir", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address that ``takin kafka`` prints; stopped as by Ctrl-C at the end."""
    process = _start_kafka(tmp_path_factory.mktemp("takin-kafka"))
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    (java,) = psutil.Process(process.pid).children()
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert is_gone(java.pid)


def test_topics_are_made_once_and_listed(bootstrap: str) -> None:
    dry = _run(bootstrap, "topics", "apply", "--dry-run")
    assert "listings: would be made" in dry.stdout
    first = json.loads(_run(bootstrap, "topics", "apply", "--json").stdout)
    again = json.loads(_run(bootstrap, "topics", "apply", "--json").stdout)
    assert first["created"] == again["present"]
    assert again["created"] == []

    listed = json.loads(_run(bootstrap, "topics", "list", "--json").stdout)
    assert [row["exists"] and not row["differences"] for row in listed] == [True] * len(listed)
    assert "as it should be" in _run(bootstrap, "topics", "list").stdout


def test_dead_letters_are_listed_shown_and_put_back(bootstrap: str) -> None:
    _run(bootstrap, "topics", "apply")
    letter = dead_letter(
        stage="screening",
        reason="not_json",
        detail="The record is not JSON.",
        value=b"{\x1b[2J",
        now=datetime(2026, 1, 2, tzinfo=UTC),
        topic="listings",
        partition=0,
        offset=3,
    )
    _in_own_loop(send(bootstrap, "dead-letters", (letter.dead_letter_id.encode(), letter.to_bytes())))

    assert letter.dead_letter_id in _run(bootstrap, "dead-letters", "list").stdout
    assert "{\\x1b[2J" in _run(bootstrap, "dead-letters", "show", letter.dead_letter_id[:10]).stdout
    assert "0 dead letters" in _run(bootstrap, "dead-letters", "list", "--reason", "too_large").stdout
    assert "1 would be put back" in _run(bootstrap, "dead-letters", "replay", "--all", "--dry-run").stdout
    assert "1 put back, 0 refused" in _run(bootstrap, "dead-letters", "replay", letter.dead_letter_id).stdout

    assert json.loads(_run(bootstrap, "dead-letters", "list", "--json").stdout)["dead_letters"] == []
    (row,) = json.loads(_run(bootstrap, "dead-letters", "list", "--all", "--json").stdout)["dead_letters"]
    assert row["state"] == "replayed"
    twice = _run(bootstrap, "dead-letters", "replay", letter.dead_letter_id)
    assert (twice.returncode, "put back already" in twice.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["dead-letters", "replay"], "Say which dead letters", id="none chosen"),
        pytest.param(
            ["dead-letters", "replay", "--all", "--reason", "not_json"], "Say which", id="two ways chosen"
        ),
        pytest.param(["dead-letters", "list", "--reason", "odd"], "'odd' is no reason", id="no such reason"),
        pytest.param(["dead-letters", "show", "x_nothing"], "There is no dead letter", id="no such letter"),
    ],
)
def test_a_wrong_question_is_one_sentence(bootstrap: str, arguments: list[str], said: str) -> None:
    _run(bootstrap, "topics", "apply")
    answer = _run(bootstrap, *arguments)
    assert answer.returncode == 2
    assert said in answer.stderr
    assert answer.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [["topics", "apply"], ["topics", "list"], ["dead-letters", "list"], ["dead-letters", "replay", "--all"]],
    ids=" ".join,
)
def test_a_missing_broker_is_one_sentence(arguments: list[str]) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    answer = _run(nowhere, *arguments)
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"takin: No Kafka broker answers at {nowhere}:")
    assert answer.stderr.count("\n") == 1


def test_kafka_that_is_killed_takes_its_java_with_it(tmp_path: Path) -> None:
    process = _start_kafka(tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    (java,) = psutil.Process(process.pid).children()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert is_gone(java.pid)


def test_kafka_is_told_to_stop_while_it_starts(tmp_path: Path) -> None:
    process = _start_kafka(tmp_path)
    while not (children := psutil.Process(process.pid).children()):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGTERM)
    output, _ = process.communicate(timeout=30)
    assert (process.returncode, output) == (0, "")
    assert all(is_gone(child.pid) for child in children)


def test_kafka_on_a_taken_port_is_one_sentence(bootstrap: str, tmp_path: Path) -> None:
    port = bootstrap.rpartition(":")[2]
    answer = _run("", "kafka", "--port", port, "--data-dir", str(tmp_path))
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"takin: Port {port} is in use by another program")
    assert answer.stderr.count("\n") == 1
