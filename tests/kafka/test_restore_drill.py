"""The drill: a casebook on PostgreSQL is lost, an older dump restored, and Kafka gives back what came since.

Minutes: ``pytest -m long tests/kafka/test_restore_drill.py``. The steps are those of
``deploy/restore.md``; the oracle is the practice platforms' own journal.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from connectors.sandbox.journal import Journal
from connectors.sandbox.scenario_file import parse_scenario
from streams.local.kafka import LocalKafka
from streams.local.machine import Machine
from streams.notices.casebook import events, figures, sealing
from streams.notices.casebook.database import Casebook
from tests.kafka.test_spine import QUICK, reached, write_listings
from tests.support.machine import running, until_sent
from tests.support.postgres import PostgresServer, find_bin

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.long]


def pg(tool: str, *arguments: str) -> None:
    done = subprocess.run([find_bin() / tool, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


async def takin(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "streams.cli", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def notices_in(machine: Machine) -> Counter[str]:
    """How many times each key came to a platform, as its own journal has it."""
    journal = Journal.load(machine.data_dir / "sandbox" / "journal.jsonl")
    return Counter(request.key for request in journal.requests if request.key and request.attempt)


async def test_an_old_dump_is_restored_and_nothing_is_sent_twice_or_lost(
    own_broker: LocalKafka, postgres: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    listings, first, second = (tmp_path / f"{name}.jsonl" for name in ("all", "first", "second"))
    planted = write_listings(listings, 200, seed=3)
    lines = listings.read_text("utf-8").splitlines(keepends=True)
    first.write_text("".join(lines[:80]), "utf-8")
    second.write_text("".join(lines[80:]), "utf-8")
    dump = tmp_path / "casebook.dump"

    def machine(source: Path | None) -> Machine:
        return Machine(
            data_dir=tmp_path / "takin",
            source=f"file:{source}" if source else None,
            stock=listings,
            scenario=parse_scenario(QUICK, source="test"),
            bootstrap=own_broker.bootstrap,
            casebook_url=postgres_url,
        )

    async with running(machine(first)) as (supervisor, prepared, casebook):
        await supervisor.finished("connect")
        await until_sent(prepared, casebook, within_s=120)
        in_dump = casebook.answer(figures.totals).sent
        pg("pg_dump", "--format=custom", f"--file={dump}", postgres_url)
    async with running(machine(second)) as (supervisor, prepared, casebook):
        await supervisor.finished("connect")
        await until_sent(prepared, casebook, within_s=120)
        before = casebook.answer(figures.totals)
    lost = notices_in(machine(None))
    assert 0 < in_dump < before.sent == len(lost) == len(planted)

    # The database is gone. What comes now is the runbook.
    pg("pg_restore", "--clean", "--if-exists", "--single-transaction", f"--dbname={postgres_url}", str(dump))
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": own_broker.bootstrap,
        "DATABASE_URL": postgres_url,
        "TAKIN_DATA_DIR": str(tmp_path / "takin"),
        "TAKIN_PLATFORMS_FILE": str(prepared.platforms_file),
    }
    who = ("--as", "Ada Example")
    stopped = await takin(environment, "notices", "stop", "--all", *who, "--reason", "restore")
    assert stopped.returncode == 0, stopped.stderr
    async with running(machine(None)) as (supervisor, prepared, casebook):
        recovered = await until_recovered(environment, who)
        resumed = await takin(environment, "notices", "resume", "--all", *who)
        assert resumed.returncode == 0, resumed.stderr
        await until_sent(prepared, casebook, within_s=60)
        await asyncio.sleep(3)  # a second sending would be on its way by now
        after = casebook.answer(figures.totals)
        breaks = casebook.answer(sealing.verify).breaks
        acted = marked_by_recovery(casebook)
    noticed, effects = reached(machine(None))

    again = before.sent - in_dump
    assert (recovered["recovered"], recovered["missing"]) == (again, 0)
    assert notices_in(machine(None)) == lost, "no request came a second time"
    assert set(noticed) == planted
    assert set(effects.values()) == {1}
    assert (after.sent, after.waiting, after.undeliverable) == (before.sent, 0, 0)
    assert breaks == ()
    assert acted == again


async def until_recovered(environment: dict[str, str], who: tuple[str, ...]) -> dict[str, Any]:
    """As a person would: again while the notice service still writes the lost notices anew."""
    recovered = 0
    async with asyncio.timeout(90):
        while True:
            answer = await takin(environment, "notices", "recover", "--apply", "--json", *who)
            assert answer.returncode in (0, 1), answer.stderr
            told: dict[str, Any] = json.loads(answer.stdout)
            recovered += told["recovered"]
            if answer.returncode == 0:
                return {**told, "recovered": recovered}


def marked_by_recovery(casebook: Casebook) -> int:
    with casebook.read() as tx:
        found = [event for _, event in events.after(tx, 0, limit=100_000)]
    return sum(1 for one in found if one.type == "notice_sent" and one.actor == "recovery:Ada Example")
