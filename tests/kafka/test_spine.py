"""The whole path as its own processes: real Kafka, real HTTP, kill -9, and the sandbox's journal as oracle.

What should be noticed is planted by this test; what reached the platforms is read from their journal.
"""

import asyncio
import json
import os
import random
import signal
from collections import Counter
from pathlib import Path

import psutil
import pytest

from connectors.sandbox.journal import Journal
from connectors.sandbox.scenario_file import load_scenario, parse_scenario
from schemas.topics import LISTINGS
from streams.local.machine import Machine
from streams.local.supervisor import Supervisor
from streams.notices.casebook import figures, sealing
from tests.support.broker import read_all
from tests.support.machine import kill, running, until_sent
from tests.support.notices import T0, make_listing
from tests.support.rules import built_in

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

OFFERS = (
    "Hand carved elephant ivory netsuke, {n} g",
    "Genuine rhino horn, raw, {n} g, discreet shipping",
    "Pangolin scales, dried, {n} kg available",
    "Genuine elephant ivory bangle, {n} g, antique",
)
INNOCENT = (
    "Ivory lace wedding dress size {n}",
    "Mountain bike, {n} gears, like new",
    "Plush elephant toy, {n} cm",
    "Book about the ivory trade, {n} pages, hardcover",
    "Oak table, {n} cm, collection only",
    "Tagua nut vegetable ivory buttons, pack of {n}",
)

QUICK = """
description: prompt, but loses some replies after taking the notice
platforms:
  - name: quick-a
    secret: whsec_cXVpY2stYS1rZXktZm9yLXRlc3RzLW9ubHktLi4uLi4=
    temper: [{do: prompt, after_s: 0.5}]
    trouble: [{do: flaky, every: 7, how: reset_after}]
  - name: quick-b
    secret: whsec_cXVpY2stYi1rZXktZm9yLXRlc3RzLW9ubHktLi4uLi4=
    temper: [{do: prompt, after_s: 0.5}]
"""


def write_listings(path: Path, count: int, *, seed: int) -> set[str]:
    """A file of listings, one in ten an offer; returns the ids of those that must be noticed.

    That is computed here with the rules alone, without Kafka, worker or casebook: what is tested is
    whether each of them arrives.
    """
    chance = random.Random(seed)
    screener = built_in().screener({})
    planted = set()
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            offer = chance.random() < 0.1
            text = chance.choice(OFFERS if offer else INNOCENT).format(n=20 + number % 400)
            listing_id = f"{'offer' if offer else 'plain'}-{number:05d}"
            row = {"id": listing_id, "title": text, "text": f"{text}. No. {number}."}
            listing = make_listing(listing_id, title=row["title"], description=row["text"])
            if screener.screen(listing, T0).outcome == "notify":
                planted.add(listing_id)
            file.write(json.dumps(row) + "\n")
    assert count / 50 < len(planted) < count / 5, "the rules see something, and not everything"
    return planted


async def kill_times(supervisor: Supervisor, name: str, times: int, chance: random.Random) -> int:
    """Kill a service that often, each time after it has come back and worked for a moment."""
    done = 0
    while done < times:
        await asyncio.sleep(chance.uniform(0.5, 2.0))
        if supervisor.is_ready(name) and kill(supervisor, name):
            done += 1
            await asyncio.sleep(0.5)
    return done


def reached(machine: Machine) -> tuple[Counter[str], dict[str, int]]:
    """From the platforms' own journal: notices (keys) per listing, and effects per key."""
    journal = Journal.load(machine.data_dir / "sandbox" / "journal.jsonl")
    keys = {listing: len(found) for (_, listing), found in journal.noticed_listings().items()}
    return Counter(keys), journal.effects()


async def test_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    count = int(os.environ.get("TAKIN_TEST_LISTINGS", "2000"))
    seed = int(os.environ.get("TAKIN_TEST_SEED", "20260302"))
    print(f"seed {seed}")
    chance = random.Random(seed)
    listings = tmp_path / "listings.jsonl"
    planted = write_listings(listings, count, seed=seed)
    machine = Machine(
        data_dir=tmp_path / "takin",
        source=f"file:{listings}",
        stock=listings,
        scenario=parse_scenario(QUICK, source="test"),
        rate=count / 25,
    )
    async with running(machine) as (supervisor, prepared, casebook):
        kills = await asyncio.gather(
            kill_times(supervisor, "screening", 5, chance), kill_times(supervisor, "notices", 5, chance)
        )
        await supervisor.finished("connect")
        await until_sent(prepared, casebook, within_s=120)
        totals = casebook.answer(figures.totals)
        breaks = casebook.answer(sealing.verify).breaks
    listings_noticed, effects = reached(machine)

    assert list(kills) == [5, 5]
    assert set(listings_noticed) == planted
    assert set(listings_noticed.values()) == {1}
    assert set(effects.values()) == {1}
    assert (totals.sent, totals.waiting, totals.undeliverable) == (len(planted), 0, 0)
    assert breaks == ()


async def test_a_killed_broker_is_waited_for_and_everything_resumes(tmp_path: Path) -> None:
    listings = tmp_path / "listings.jsonl"
    planted = write_listings(listings, 600, seed=7)
    machine = Machine(
        data_dir=tmp_path / "takin",
        source=f"file:{listings}",
        stock=listings,
        scenario=parse_scenario(QUICK, source="test"),
        rate=40,
    )
    said: list[str] = []
    async with running(machine, said.append) as (supervisor, prepared, casebook):
        async with asyncio.timeout(60):
            # In the middle: a source that had not begun would rather say that there is no broker.
            while not 100 <= len(await read_all(prepared.bootstrap, LISTINGS.name)) < 500:
                await asyncio.sleep(0.1)
        broker = broker_pid(supervisor)
        os.kill(broker, signal.SIGKILL)
        await supervisor.finished("connect")
        await until_sent(prepared, casebook, within_s=120)
        assert broker_pid(supervisor) != broker
    listings_noticed, effects = reached(machine)

    restarted = [line for line in said if line.startswith(("screening: ended", "notices: ended"))]
    assert restarted == []
    assert set(listings_noticed) == planted
    assert set(effects.values()) == {1}


def broker_pid(supervisor: Supervisor) -> int:
    """The Java process behind ``takin kafka``."""
    command = psutil.Process(supervisor.pid_of("kafka"))
    [broker] = [child for child in command.children(recursive=True) if child.name() == "java"]
    return int(broker.pid)


def test_the_built_in_demo_scenario_has_at_least_three_tempers() -> None:
    assert len({platform.name for platform in load_scenario("demo").platforms}) >= 3
