"""Processes that decide: the same decisions in the same order, by the screener that was asked for, and what
becomes of a record that kills one, and that each death is counted. The processes are real.
"""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from schemas.dead_letter import DeadLetter
from schemas.detection import Detection, RuleFinding
from schemas.listing import Listing
from streams.screening.deciders import Deciders, Given
from streams.screening.decision import Desk, Reckoning, Told, decide
from streams.screening.metrics import ScreeningMetrics
from streams.screening.output import Output
from streams.screening.topics import ScreeningTopics
from streams.screening.verdict import RuleFailed, RuleInForce, Verdict

DESK = Desk(ScreeningTopics(), "worker-1")
FINDING = RuleFinding(
    rule_id="ivory", pack="zero", title="Ivory", outcome="notify", severity="critical", zero_tolerance=True
)


@dataclass(frozen=True)
class ByTitle:
    """The title says what becomes of a listing, or of the process that screens it."""

    version: str = "rules-1"
    once: Path | None = None
    """Where it is noted that a process died of ``dies once``."""

    def rules_in_force(self) -> tuple[RuleInForce, ...]:
        return ()

    def screen(self, listing: Listing, now: datetime, *, told: bool = True) -> Verdict:
        match listing.title:
            case "clear":
                return Verdict("clear", "normal", 0.0, None, None, (), (), "Nothing.")
            case "watched":
                return Verdict("clear", "normal", 0.0, None, None, (), (), "Nothing.", entries=("entry-1",))
            case "fails":
                raise RuleFailed("ivory", "the price has no currency")
            case "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            case "dies once" if self.once is not None and not self.once.exists():
                self.once.touch()
                os._exit(9)
            case "ends":
                raise SystemExit(0)
            case "leaves":
                os._exit(0)
            case "sleeps":
                time.sleep(600)
            case "tells":
                said = f"{os.getpid()} {_sockets()} {signal.getsignal(signal.SIGTERM)}"
                return Verdict("notify", "high", 1.0, None, None, (), (), said)
        return Verdict("notify", "critical", 0.9, None, None, (), (FINDING,), "Ivory is offered.")


def _sockets() -> int:
    links = []
    for number in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            continue
    return sum(link.startswith(("socket:", "anon_inode:[event")) for link in links)


def record(offset: int, title: str = "ivory") -> Given:
    listing = Listing.sealed(
        platform="practice",
        listing_id=f"L-{offset}",
        url="https://practice.example/1",
        title=title,
        observed_at=datetime(2026, 11, 23, 12, 0, tzinfo=UTC),
        connector="file",
        run_id="r1",
    )
    return Given("listings", 2, offset, b"k", listing.to_bytes())


def records(*titles: str) -> list[Given]:
    return [record(offset, title) for offset, title in enumerate(titles)]


def copies() -> list[psutil.Process]:
    """Those that this process made of itself; another test's server is none."""
    own = psutil.Process()
    return [one for one in own.children() if one.cmdline() == own.cmdline()]


def deciders_of(processes: int, registry: CollectorRegistry | None = None) -> Deciders:
    return Deciders(DESK, processes, ScreeningMetrics(registry or CollectorRegistry()))


def died(registry: CollectorRegistry) -> dict[str, float | None]:
    """What the counter shows; None where it shows nothing."""
    name = "takin_screening_deciders_died_total"
    return {ended: registry.get_sample_value(name, {"ended": ended}) for ended in ("signal", "exit")}


@pytest.fixture
async def deciders() -> AsyncIterator[Deciders]:
    async with deciders_of(2) as made:
        yield made
    assert copies() == []


def ids(reckoning: Reckoning) -> list[str]:
    return [Detection.from_bytes(one.output.value).listing_id for one in reckoning.told if one.output]


def letters(reckoning: Reckoning) -> list[DeadLetter]:
    outputs = [one.output for one in reckoning.told if one.reason is not None]
    return [DeadLetter.from_bytes(output.value) for output in outputs if output is not None]


def comparable(reckoning: Reckoning) -> Any:
    """All but the times at which it was decided."""
    told = [
        (one.place, one.reason, one.rules, one.entries, one.output and (one.output.topic, one.output.key))
        for one in reckoning.told
    ]
    return reckoning.decided, reckoning.outcomes, reckoning.observed, told


titles = st.sampled_from(["clear", "watched", "ivory", "fails"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(titles, min_size=1, max_size=150), st.integers(1, 3))
async def test_a_batch_that_is_divided_comes_to_what_one_process_would_say(
    said: Sequence[str], processes: int
) -> None:
    batch = [*records(*said), Given("listings", 2, len(said), None, None)]
    here = Reckoning(decide(one, ByTitle(), datetime.now(UTC), DESK) for one in batch)

    async with deciders_of(processes) as deciders:
        there = await deciders.decide(batch, ByTitle())

    assert comparable(there) == comparable(here)


async def test_many_batches_at_once_get_each_its_own_answer(deciders: Deciders) -> None:
    screener = ByTitle()
    batches = [[record(100 * number + place) for place in range(70)] for number in range(12)]

    found = await asyncio.gather(*(deciders.decide(batch, screener) for batch in batches))

    wanted = [[f"L-{one.offset}" for one in batch] for batch in batches]
    assert [ids(one) for one in found] == wanted


async def test_large_batches_do_not_block_each_other(deciders: Deciders) -> None:
    screener = ByTitle()
    listing = Listing.from_bytes(record(0).value or b"")
    large = listing.model_copy(update={"description": "x" * 150_000}).to_bytes()
    batch = [Given("listings", 2, offset, b"k", large) for offset in range(80)]

    found = await asyncio.gather(*(deciders.decide(batch, screener) for _ in range(4)))

    assert [len(one.told) for one in found] == [80] * 4


async def test_each_batch_is_decided_by_the_screener_it_came_with(deciders: Deciders) -> None:
    first, second = ByTitle("rules-1"), ByTitle("rules-2")

    asked = [
        asyncio.create_task(deciders.decide([record(n)], one)) for n, one in enumerate((first, second, first))
    ]
    found = [(await one).told[0].output for one in asked]

    versions = [Detection.from_bytes(output.value).ruleset_version for output in found if output]
    assert versions == ["rules-1", "rules-2", "rules-1"]


async def test_a_record_that_kills_its_process_is_set_aside_and_its_neighbours_are_decided(
    deciders: Deciders,
) -> None:
    batch = records(*["ivory"] * 40, "dies", *["clear"] * 40, "ends", "ivory")

    reckoning = await deciders.decide(batch, ByTitle())

    assert reckoning.decided == len(batch)
    assert [letter.offset for letter in letters(reckoning)] == [40, 81]
    assert {letter.reason for letter in letters(reckoning)} == {"rule_failed"}
    assert "died, twice" in letters(reckoning)[0].detail
    detections = [one for one in reckoning.told if one.reason is None]
    assert [one.place for one in detections] == [*range(40), 82]
    again = await deciders.decide(records("ivory"), ByTitle())
    assert ids(again) == ["L-0"]


async def test_a_process_that_dies_of_something_else_costs_no_record(
    deciders: Deciders, tmp_path: Path
) -> None:
    screener = ByTitle(once=tmp_path / "died")

    reckoning = await deciders.decide(records(*["ivory"] * 5, "dies once", *["ivory"] * 5), screener)

    assert (reckoning.decided, letters(reckoning)) == (11, [])
    assert ids(reckoning) == [f"L-{n}" for n in range(11)]


async def test_where_no_process_can_be_made_the_next_batch_tries_again(
    deciders: Deciders, monkeypatch: pytest.MonkeyPatch
) -> None:
    screener, fork = ByTitle(), os.fork
    left = [1]

    def scarce() -> int:
        if not left:
            raise BlockingIOError("no more processes")
        left.pop()
        return fork()

    monkeypatch.setattr(os, "fork", scarce)
    with pytest.raises(BlockingIOError):
        await deciders.decide(records("ivory"), screener)
    left.append(1)

    assert ids(await deciders.decide(records("ivory"), screener)) == ["L-0"]
    assert len(copies()) == 2


async def test_a_process_that_is_killed_while_it_waits_is_replaced(deciders: Deciders) -> None:
    screener = ByTitle()
    await deciders.decide(records("ivory"), screener)
    for copy in copies():
        copy.kill()

    assert ids(await deciders.decide(records("ivory", "ivory"), screener)) == ["L-0", "L-1"]


@pytest.mark.parametrize(
    ("title", "signals", "exits"),
    [("dies", 3, 0), ("ends", 0, 3), ("leaves", 0, 3), ("dies once", 0, 1), ("ivory", 0, 0), ("fails", 0, 0)],
)
async def test_each_death_is_counted_by_how_the_process_ended(
    title: str, signals: int, exits: int, tmp_path: Path
) -> None:
    registry = CollectorRegistry()
    screener = ByTitle(once=tmp_path / "died")

    async with deciders_of(2, registry) as deciders:
        await deciders.decide(records(title), screener)
        await deciders.decide(records("ivory"), screener)

    assert died(registry) == {"signal": signals, "exit": exits}


async def test_a_process_that_is_killed_while_nothing_is_asked_is_counted_at_once() -> None:
    registry = CollectorRegistry()
    async with deciders_of(2, registry) as deciders:
        await deciders.decide(records("ivory"), ByTitle())
        for copy in copies():
            copy.kill()

        began = time.monotonic()
        while died(registry)["signal"] != 2 and time.monotonic() - began < 10:
            await asyncio.sleep(0.01)

        assert died(registry) == {"signal": 2, "exit": 0}


async def test_those_that_are_let_go_are_not_counted() -> None:
    registry = CollectorRegistry()

    async with deciders_of(2, registry) as deciders:
        for version in ("rules-1", "rules-2", "rules-3"):
            await deciders.decide(records("ivory"), ByTitle(version))

    assert copies() == []
    assert died(registry) == {"signal": 0, "exit": 0}


async def test_a_copy_keeps_none_of_the_workers_connections_and_leaves_signals_to_it(
    deciders: Deciders,
) -> None:
    held = [socket.socketpair() for _ in range(3)]

    reckoning = await deciders.decide(records("tells"), ByTitle())

    assert reckoning.told[0].output is not None
    said = Detection.from_bytes(reckoning.told[0].output.value).explanation
    pid, sockets, terminated = said.split(" ", 2)
    assert int(pid) != os.getpid()
    assert sockets == "1"
    assert terminated == str(signal.SIG_IGN)
    for pair in held:
        for one in pair:
            one.close()


_ORPHAN = """
import asyncio, sys
from tests.unit.streams.screening.test_deciders import ByTitle, deciders_of, record

async def main():
    deciders, screener = deciders_of(2), ByTitle()
    asked = [asyncio.create_task(deciders.decide([record(0, "sleeps")], screener)) for _ in range(2)]
    await asyncio.sleep(0.5)
    print("asked", flush=True)
    await asyncio.gather(*asked)

asyncio.run(main())
"""


async def test_copies_die_with_a_worker_that_is_killed_even_while_they_hang_in_a_listing() -> None:
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _ORPHAN, stdout=asyncio.subprocess.PIPE
    )
    assert worker.stdout is not None
    assert await worker.stdout.readline() == b"asked\n"
    children = psutil.Process(worker.pid).children()
    assert len(children) == 2

    worker.kill()
    await worker.wait()

    gone, alive = await asyncio.to_thread(psutil.wait_procs, children, timeout=5)
    assert (len(gone), alive) == (2, [])


def test_what_is_told_of_a_batch_goes_through_plain_values_unchanged() -> None:
    output = Output("t", b"k", b"v", [("a", b"b")])
    reckoning = Reckoning(
        decide(one, ByTitle(), datetime.now(UTC), DESK)
        for one in records("ivory", "watched", "clear", "fails")
    )
    reckoning.told.append(Told(9, output, None, (("pack", "rule", "notify", True),), ("entry",)))

    again = Reckoning.of_plain(reckoning.plain())

    assert (again.told, again.decided) == (reckoning.told, reckoning.decided)
    assert comparable(again) == comparable(reckoning)
