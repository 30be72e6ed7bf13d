"""Every command in the README is run, against a real broker and a real database file."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from schemas.topics import CATALOGUE
from tests.support.broker import Broker, _in_own_loop

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.skipif(
        not README.exists(), reason="reads the source tree, which does not stand beside these tests"
    ),
]

SERVES = {"up", "screening", "intake", "notices serve"}
"""Commands that go on until somebody stops them."""


def commands() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", README.read_text("utf-8"), re.S | re.M)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith(("#", "export "))]


def test_the_readme_names_the_two_commands_first() -> None:
    assert [line.split()[1] for line in commands()[:2]] == ["demo", "test"]


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("make ")])
def test_make_knows_its_targets(line: str) -> None:
    words = shlex.split(line)

    done = subprocess.run(
        [words[0], "--dry-run", *words[1:]], check=False, cwd=ROOT, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the README's commands name."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "listings.jsonl").write_text('{"id": "1", "title": "Bicycle", "text": "Blue."}\n')
    (folder / "platforms.yaml").write_text(
        """
platforms:
  - name: example-market
    kind: sandbox
    base_url: https://desk.example.org
    secret: env:EXAMPLE_SIGNING_SECRET
    sla: {policy: example-2026, source: "Agreement of 3 May 2026", acknowledge_s: 3600, remove_s: 86400}
"""
    )
    (folder / "sender.yaml").write_text(
        "reporter: {organisation: Example Watch, email: desk@watch.example}\nsigned_by: A. Person\n"
    )
    return folder


@pytest.fixture(scope="module")
def environment(place: Path, broker: Broker) -> Iterator[dict[str, str]]:
    """What the commands are told. The shared broker is left without the catalogue's topics, as it was."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    yield {
        **kept,
        "PYTHONPATH": str(ROOT),
        "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap,
        "DATABASE_URL": f"sqlite:///{place / 'casebook.db'}",
        "TAKIN_DATA_DIR": str(place / ".takin"),
        "EXAMPLE_SIGNING_SECRET": "whsec_cHJhY3RpY2Uta2V5LW9mLXByb21wdC4uLi4uLi4uLi4=",
    }
    _in_own_loop(_remove_topics(broker.bootstrap))


def run(words: list[str], place: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "streams.cli", *words],
        check=False,
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        stdin=subprocess.DEVNULL,
    )


def serve(words: list[str], place: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Start, let it live for a moment, stop it with SIGTERM; exit code and output."""
    log = place / "serving.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", *words],
            cwd=place,
            env=environment,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + 60
            while not re.search(r"ready|metrics and health", log.read_text()):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            if words[0] == "up":
                while "all " not in log.read_text():
                    assert process.poll() is None, log.read_text()
                    assert time.monotonic() < deadline, log.read_text()
                    time.sleep(0.1)
            process.send_signal(signal.SIGTERM)
            return process.wait(40), log.read_text()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def test_every_takin_command_runs_as_written(place: Path, environment: dict[str, str]) -> None:
    lines = [shlex.split(line)[1:] for line in commands() if line.startswith("takin ")]
    applied = run(["topics", "apply"], place, environment)
    key = run(["intake-key", "k", "--organisation", "Example", "--reports"], place, environment)
    (place / "intake_keys.yaml").write_text("keys:\n" + key.stdout)
    failed: dict[str, str] = {}

    for words in lines:
        name = " ".join(words[:2]) if words[0] in ("notices", "topics") else words[0]
        if name in SERVES:
            free = [] if name in ("up", "screening") else ["--port", "0", "--metrics-port", "0"]
            code, output = serve([*words, *free], place, environment)
        else:
            done = run(words, place, environment)
            code, output = done.returncode, done.stdout + done.stderr
        if code != 0 or "Traceback" in output:
            failed[" ".join(words)] = f"exit {code}: {output[-1_500:]}"

    assert applied.returncode == 0, applied.stderr
    assert len(lines) >= 10
    assert failed == {}


async def _remove_topics(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([topic.name for topic in CATALOGUE])
    finally:
        await admin.close()
