"""The whole machine under faults: real broker, processes, HTTP through a proxy, and an oracle of its own.

``python -m tests.faults.system_faults --listings 20000 --faults 52 --seed 7`` plays the kinds of
:mod:`tests.faults.fault_kinds` in shuffled turns while listings flow, and ends when everything is at rest.
Prints the seed, a line for each fault and a JSON line at the end; exit code 1 when anything was lost,
doubled, wrong or did not come back. ``make faults`` does this and writes ``deploy/reliability.md``.
"""

import argparse
import asyncio
import contextlib
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
import sqlalchemy as sa
import yaml
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from connectors.sandbox.scenario_file import parse_scenario
from schemas.errors import OperatorError
from schemas.topics import LISTINGS
from streams.local.machine import Machine, Prepared, prepare
from streams.local.ports import free_port
from streams.local.readiness import admin_client
from streams.local.standing import SCREENING_GROUP
from streams.local.supervisor import Supervisor
from streams.notices.casebook import deadlines
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Casebook, Transaction
from streams.screening.screener import build_ruleset
from tests.faults.fault_kinds import KINDS, Bench
from tests.faults.system_oracle import Account, account
from tests.faults.system_report import page
from tests.faults.wall_clock import WallClock
from tests.faults.world_kinds import WORLD_KINDS, World, enter, world
from tests.support.machine import until_sent
from tests.support.notices import T0, make_listing
from tests.support.tcp_proxy import TcpProxy

PLATFORMS = ("fault-a", "fault-b")
SECRETS = (
    "whsec_ZmF1bHQtYS1rZXktZm9yLXRlc3RzLW9ubHktLi4uLi4=",
    "whsec_ZmF1bHQtYi1rZXktZm9yLXRlc3RzLW9ubHktLi4uLi4=",
)
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
FLOWING = 100
"""Listings in the topic before the first fault."""
AHEAD = 3_000
"""Lines that a connector may have read and not yet published, with room."""
BACK_WITHIN_S = 150.0
"""The supervisor waits up to 60 s before it starts again what has died many times in a row."""

ALL_KINDS = {**KINDS, **WORLD_KINDS}
SQLITE_ONLY = "casebook locked by another"


@dataclass(frozen=True)
class Plan:
    """What is to be done."""

    listings: int
    faults: int
    seed: int
    rate: float
    offers: float = 0.02
    hold_s: float = 8.0
    until_s: float | None = None
    """No new fault after so many seconds, and no more listings than were read by then."""
    kinds: Sequence[str] = tuple(KINDS)


@dataclass(frozen=True)
class Done:
    """One fault, and how long it took until everything was back."""

    kind: str
    at_s: float
    back_s: float | None


@dataclass
class Outcome:
    """What came of it."""

    plan: Plan
    done: list[Done]
    account: Account
    seconds: float
    notes: list[str] = field(default_factory=list)
    forged_taken: int = 0
    poisoned: int = 0
    repeated: int = 0
    killed_in_commit: int = 0
    fired_early: int = 0
    world: bool = False
    """In a world of its own, with PostgreSQL."""

    @property
    def holds(self) -> bool:
        """Nothing lost, doubled or wrong, and everything came back."""
        return (
            self.account.holds
            and not self.forged_taken
            and not self.fired_early
            and all(one.back_s is not None for one in self.done)
        )

    def line(self) -> str:
        """For a log."""
        short = {k: v if not isinstance(v, list) else v[:10] for k, v in asdict(self.account).items()}
        return json.dumps(
            {
                "holds": self.holds,
                "seed": self.plan.seed,
                "seconds": round(self.seconds),
                "faults": len(self.done),
                "kinds": len({one.kind for one in self.done}),
                "not_back": [one.kind for one in self.done if one.back_s is None],
                "forged_taken": self.forged_taken,
                "repeated": self.repeated,
                "killed_in_commit": self.killed_in_commit,
                "fired_early": self.fired_early,
                **short,
                "notes": self.notes[:10],
            }
        )


def write_listings(folder: Path, plan: Plan) -> tuple[Path, Path, frozenset[str], frozenset[str]]:
    """The input, the platforms' stock (offers only), all ids, and the ids that must be noticed."""
    chance = random.Random(plan.seed)
    screener = build_ruleset().screener({})
    outcomes: dict[str, str] = {}
    ids, planted = set(), set()
    source, stock = folder / "listings.jsonl", folder / "stock.jsonl"
    with source.open("w", encoding="utf-8") as file, stock.open("w", encoding="utf-8") as shown:
        for number in range(plan.listings):
            offer = chance.random() < plan.offers
            text = chance.choice(OFFERS if offer else INNOCENT).format(n=20 + number % 200)
            name = f"{'offer' if offer else 'plain'}-{number:07d}"
            if text not in outcomes:
                made = make_listing(name, title=text, description=f"{text}.")
                outcomes[text] = screener.screen(made, T0).outcome
            row = json.dumps({"id": name, "title": text, "text": f"{text}."}) + "\n"
            file.write(row)
            ids.add(name)
            if offer:
                shown.write(row)
            if outcomes[text] == "notify":
                planted.add(name)
    return source, stock, frozenset(ids), frozenset(planted)


def scenario_text(proxies: Sequence[int]) -> str:
    """Prompt platforms whose answers arrive twice, some out of order, and that lose some replies."""
    return yaml.safe_dump(
        {
            "description": "prompt; every answer comes twice, and some replies are lost",
            "platforms": [
                {
                    "name": name,
                    "secret": secret,
                    "public_url": f"http://127.0.0.1:{port}",
                    "temper": [{"do": "prompt", "after_s": 0.5}],
                    "trouble": [{"do": "flaky", "every": 9, "how": "reset_after"}],
                    "answers": {
                        "by": "webhook",
                        "first_words": ["RECEIVED"],
                        "copies": 2,
                        "out_of_order_s": 1.0,
                        "retry_after_s": [1, 2, 4, 8, 15, 30, 30, 30],
                    },
                }
                for name, secret, port in zip(PLATFORMS, SECRETS, proxies, strict=True)
            ],
        }
    )


def through_proxies(prepared: Prepared, ports: Sequence[int]) -> None:
    """Name the proxies in the platforms file."""
    document = yaml.safe_load(prepared.platforms_file.read_text("utf-8"))
    for platform, port in zip(document["platforms"], ports, strict=True):
        platform["base_url"] = f"http://127.0.0.1:{port}"
    prepared.platforms_file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def living_by(clock: WallClock, prepared: Prepared) -> Prepared:
    """The same services, with a clock for the notice service that can be set."""
    services = tuple(
        replace(one, env={**one.env, **clock.environment}) if one.name == "notices" else one
        for one in prepared.services
    )
    return replace(prepared, services=services)


async def play(plan: Plan, folder: Path, world: World | None = None) -> Outcome:
    """One run from the first listing to rest; with a world of its own also the kinds that harm one."""
    began = time.monotonic()
    source, stock, ids, planted = await asyncio.to_thread(write_listings, folder, plan)
    ports = [free_port() for _ in PLATFORMS]
    machine = Machine(
        data_dir=(world.disk if world else folder) / "takin",
        source=f"file:{source}",
        stock=stock,
        scenario=parse_scenario(scenario_text(ports), source="fault run"),
        rate=plan.rate,
        screening_workers=2,
        casebook_url=world.database if world else None,
    )
    prepared = prepare(machine)
    through_proxies(prepared, ports)
    clock = WallClock(folder)
    prepared = living_by(clock, prepared)
    casebook = Casebook.open(prepared.casebook_url, threads=2)
    chance = random.Random(plan.seed)
    done: list[Done] = []
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(casebook.close)
        proxies = [
            await stack.enter_async_context(TcpProxy(port, prepared.ports[f"sandbox:{name}"]))
            for name, port in zip(PLATFORMS, ports, strict=True)
        ]
        supervisor = Supervisor(prepared.services, log_dir=machine.data_dir / "logs", say=lambda _: None)
        await supervisor.start()
        stack.push_async_callback(supervisor.stop)
        bench = Bench(
            supervisor, prepared, proxies, PLATFORMS, chance, clock, hold_s=plan.hold_s, world=world
        )
        await _until_listings_flow(prepared.bootstrap, min(FLOWING, plan.listings))
        for kind in turns(plan, chance):
            if _over(plan, began):
                break
            at = time.monotonic()
            before = await _decided(prepared.bootstrap)
            try:
                await ALL_KINDS[kind](bench)
            except (OSError, KafkaError, psutil.Error) as error:
                bench.notes.append(f"{kind}: {error!r}"[:200])
            harmed = time.monotonic()
            back = await _back(bench, before, harmed)
            done.append(Done(kind, round(at - began, 1), back))
            print(f"{len(done):4} {at - began:7.1f} s  {kind:36} back after {back} s", flush=True)
            await asyncio.sleep(chance.uniform(0.2, 1.0))
        if _over(plan, began):
            ids = cut(source, await _records(prepared.bootstrap) + AHEAD)
            planted &= ids
        await supervisor.finished("connect")
        await until_sent(prepared, casebook, within_s=300)
        await _until_answered(casebook)
        told = await account(
            prepared.bootstrap, casebook, machine.data_dir / "sandbox" / "journal.jsonl", ids, planted
        )
        explained = casebook.answer(why, told)
    return Outcome(
        plan,
        done,
        told,
        time.monotonic() - began,
        [*explained, *bench.notes],
        bench.forged_taken,
        bench.poisoned,
        bench.repeated,
        bench.killed_in_commit,
        bench.fired_early,
        world is not None,
    )


def why(tx: Transaction, told: Account) -> list[str]:
    """Of the first listings whose notice was lost what the outbox says, and of deadlines what is late."""
    entries = (
        sa.select(
            t.notice_item.c.listing_id,
            t.outbox.c.state,
            t.outbox.c.last_reason,
            t.outbox.c.attempts,
            t.outbox.c.queued_at,
            t.outbox.c.next_at,
        )
        .join(t.outbox, t.outbox.c.notice_id == t.notice_item.c.notice_id)
        .where(t.notice_item.c.listing_id.in_(told.lost_notices[:5]))
    )
    late = (
        sa.select(t.deadline.c.kind, sa.func.count(), sa.func.min(t.deadline.c.due_at, type_=t.UtcInstant()))
        .where(t.deadline.c.state == "pending")
        .group_by(t.deadline.c.kind)
    )
    lost = [" ".join(map(str, row)) for row in tx.execute(entries)] if told.lost_notices else []
    unfired = [" ".join(map(str, row)) for row in tx.execute(late)] if told.deadlines_unfired else []
    return [*(f"not sent: {one}" for one in lost), *(f"pending: {one}" for one in unfired)]


def chosen_kinds(words: str | None, *, world: bool) -> list[str]:
    """The kinds that can be played here, or those of them that are asked for by words of their names."""
    there = [name for name in ALL_KINDS if name != SQLITE_ONLY] if world else list(KINDS)
    return [name for name in there if words is None or any(word in name for word in words.split(","))]


def turns(plan: Plan, chance: random.Random) -> list[str]:
    """Every kind once in shuffled order, then again, until there are enough."""
    found: list[str] = []
    while len(found) < plan.faults:
        found += chance.sample(plan.kinds, len(plan.kinds))
    return found[: plan.faults]


def _over(plan: Plan, began: float) -> bool:
    return plan.until_s is not None and time.monotonic() - began > plan.until_s


def cut(source: Path, lines: int) -> frozenset[str]:
    """End the input after so many lines, more than were read; the ids that are left."""
    ids = set()
    with source.open("r+b") as file:
        for _ in range(lines):
            line = file.readline()
            if not line:
                break
            ids.add(json.loads(line)["id"])
        file.truncate(file.tell())
    return frozenset(ids)


async def _until_listings_flow(bootstrap: str, count: int) -> None:
    """Wait for the first listings: before them there is nothing to be lost."""
    async with asyncio.timeout(60):
        while await _records(bootstrap) < count:
            await asyncio.sleep(0.2)


async def _records(bootstrap: str) -> int:
    """Records in the topic of listings."""
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False) as consumer:
        parts = [TopicPartition(LISTINGS.name, number) for number in range(LISTINGS.partitions)]
        return int(sum((await consumer.end_offsets(parts)).values()))


async def _decided(bootstrap: str) -> int | None:
    """Sum of the offsets that screening has committed; ``None``: the broker is away."""
    try:
        async with asyncio.timeout(8), admin_client(bootstrap) as admin:
            offsets = await admin.list_consumer_group_offsets(SCREENING_GROUP)
    except (KafkaError, OperatorError, OSError, TimeoutError):
        return None
    return int(sum(meta.offset for part, meta in offsets.items() if part.topic == LISTINGS.name))


async def _back(bench: Bench, before: int | None, harmed: float) -> float | None:
    """Seconds until every service answers again and screening has committed more than before the fault."""
    await asyncio.sleep(0.3)
    seen = await _decided(bench.prepared.bootstrap)
    base = max(before or 0, seen or 0)
    while time.monotonic() - harmed < BACK_WITHIN_S:
        if all(
            bench.supervisor.is_ready(service.name) for service in bench.prepared.services if not service.once
        ):
            now = await _decided(bench.prepared.bootstrap)
            if now is not None and (now > base or bench.supervisor.is_finished("connect")):
                return round(time.monotonic() - harmed, 1)
        await asyncio.sleep(0.2)
    return None


async def _until_answered(casebook: Casebook, within_s: float = 120.0) -> None:
    """Wait until no platform owes anything any more, or its time is up (the oracle judges what is left)."""
    until = time.monotonic() + within_s
    while time.monotonic() < until and casebook.answer(deadlines.unresolved):
        await asyncio.sleep(1)


def keep(data: Path, where: Path) -> list[str]:
    """Copy what tells what happened; the names that were there."""
    where.mkdir(parents=True, exist_ok=True)
    found = [data / "logs", data / "sandbox" / "journal.jsonl", *sorted(data.glob("*.db"))]
    for one in found:
        if one.is_dir():
            shutil.copytree(one, where / one.name, dirs_exist_ok=True)
        elif one.exists():
            shutil.copy(one, where)
    return [one.name for one in found if one.exists()]


def main() -> int:
    """Play one run."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--listings", type=int, default=20_000)
    options.add_argument("--faults", type=int, default=len(KINDS))
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    options.add_argument("--rate", type=float, default=300.0, help="listings a second at most")
    options.add_argument("--offers", type=float, default=0.005, help="share of listings that are offers")
    options.add_argument("--hold", type=float, default=8.0, help="seconds for which what is held is held")
    options.add_argument("--minutes", type=float, help="no new fault after so long")
    options.add_argument("--report", type=Path, help="write the result into this page")
    options.add_argument("--kinds", help="only kinds whose name has one of these words in it, comma between")
    options.add_argument("--keep", type=Path, help="where logs and the platforms' journal stay if it fails")
    options.add_argument("--world", action="store_true", help="PostgreSQL, and also the kinds that need root")
    given = options.parse_args()
    if given.world:
        try:
            enter(sys.argv[1:])
        except OperatorError as error:
            print(f"system_faults: {error}", file=sys.stderr)
            return error.exit_code
    plan = Plan(
        listings=given.listings,
        faults=given.faults,
        seed=given.seed,
        rate=given.rate,
        offers=given.offers,
        hold_s=given.hold,
        until_s=given.minutes * 60 if given.minutes else None,
        kinds=chosen_kinds(given.kinds, world=given.world),
    )
    print(f"seed {plan.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="takin-faults-") as name, contextlib.ExitStack() as stack:
        own = stack.enter_context(world(Path(name))) if given.world else None
        holds = False
        try:
            outcome = asyncio.run(play(plan, Path(name), own))
            holds = outcome.holds
        except OperatorError as error:
            print(f"system_faults: {error}", file=sys.stderr)
            return error.exit_code
        finally:
            if not holds and given.keep is not None:
                kept = keep((own.disk if own else Path(name)) / "takin", given.keep)
                print(f"kept: {', '.join(kept)}", flush=True)
    print(outcome.line())
    if given.report is not None:
        given.report.write_text(page(outcome, datetime.now(UTC)), encoding="utf-8")
    return 0 if outcome.holds else 1


if __name__ == "__main__":
    sys.exit(main())
