"""``takin doctor`` against real set-ups, broken ones and a good one."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from schemas.topics import CATALOGUE
from streams.local.kafka import LocalKafka
from streams.local.ports import free_port
from streams.local.topics import apply
from streams.notices.casebook.database import Casebook
from tests.faults.wall_clock import WallClock


def doctor(folder: Path, **env: str) -> tuple[int, dict[str, Any]]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TAKIN_CACHE_DIR") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", "doctor", "--json"],
        env={**kept, "PYTHONPATH": os.getcwd(), "TAKIN_DATA_DIR": str(folder), **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    document = json.loads(done.stdout)
    return done.returncode, {row["check"]: row for row in document["checks"]}


def test_without_a_broker_it_says_so_and_judges_the_rest(tmp_path: Path) -> None:
    secret = tmp_path / "platforms.yaml"
    secret.write_text(
        "platforms:\n  - {name: p, kind: sandbox, base_url: 'https://p.example', secret: env:NOT_SET}\n"
    )

    code, checks = doctor(
        tmp_path, KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}", TAKIN_PLATFORMS_FILE=str(secret)
    )

    assert code == 1
    assert checks["kafka"]["verdict"] == "wrong"
    assert "NOT_SET" in checks["platforms"]["sentence"]
    assert checks["disk"]["verdict"] == "well"
    assert "topics" not in checks


async def test_a_clock_that_two_platforms_contradict_is_named(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        date = format_datetime(datetime.now(UTC), usegmt=True)
        writer.write(f"HTTP/1.1 204 No Content\r\ndate: {date}\r\n\r\n".encode())
        writer.close()

    clock = WallClock(tmp_path)
    async with (
        await asyncio.start_server(answer, "127.0.0.1", 0) as one,
        await asyncio.start_server(answer, "127.0.0.1", 0) as other,
    ):
        ports = [there.sockets[0].getsockname()[1] for there in (one, other)]
        platforms = tmp_path / "platforms.yaml"
        document = [
            {
                "name": f"p{port}",
                "kind": "sandbox",
                "base_url": f"http://127.0.0.1:{port}",
                "private_address": True,
            }
            for port in ports
        ]
        platforms.write_text(json.dumps({"platforms": document}))
        settings = {
            "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}",
            "TAKIN_PLATFORMS_FILE": str(platforms),
            **clock.environment,
        }
        found = []
        for hours in (2, 0):
            clock.set(timedelta(hours=hours))
            _, checks = await asyncio.to_thread(doctor, tmp_path, **settings)
            found.append(checks["clock"])

    assert found[0]["verdict"] == "wrong"
    assert "wrong by +7200 s: set it right" in found[0]["sentence"]
    assert "wrong by" not in found[1]["sentence"]


async def test_missing_topics_and_a_casebook_of_another_version_are_named(
    own_broker: LocalKafka, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'casebook.db'}"
    Casebook.open(url, threads=1, migrate=False).close()

    code, checks = doctor(tmp_path, KAFKA_BOOTSTRAP_SERVERS=own_broker.bootstrap, DATABASE_URL=url)

    assert code == 1
    assert checks["kafka"]["verdict"] == "well"
    assert "listings" in checks["topics"]["sentence"]
    assert checks["casebook"]["verdict"] == "wrong"
    assert "version none" in checks["casebook"]["sentence"]

    await apply(own_broker.bootstrap, CATALOGUE)
    Casebook.open(url, threads=1).close()
    code, checks = doctor(tmp_path, KAFKA_BOOTSTRAP_SERVERS=own_broker.bootstrap, DATABASE_URL=url)

    assert {name for name, row in checks.items() if row["verdict"] == "wrong"} == set()
    assert code == 0
    assert {"topics", "lag", "dead letters", "casebook"} <= checks.keys()
