"""The drill of ``deploy/upgrade.md``: an earlier release and this one side by side, rolled one by one.

``python -m tests.faults.upgrade_drill FROM`` takes the code of commit FROM out of git, starts everything
with it (its own command lines and files), and while listings flow replaces one process after the other by
this tree's code, in the order of ``deploy/upgrade.md``; then back again, where the earlier release can use
the tables, and forward once more. One Kafka, one PostgreSQL, two notice services, two screening workers.
The oracle reads the input, Kafka's logs and the platforms' own journal. Both releases then read every
message that either wrote. Both run in this environment, so FROM must need no package that is not here.
``--report deploy/upgrade.md`` writes what came of it into the page.
"""

import argparse
import asyncio
import base64
import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from schemas.errors import OperatorError
from schemas.topics import CATALOGUE, LISTINGS, SCREENING_PROGRESS
from streams.local.machine import Prepared
from streams.local.ports import free_port
from streams.local.readiness import join_group
from streams.local.service import Service
from streams.local.supervisor import Supervisor
from streams.notices.casebook import table_versions
from streams.notices.casebook.database import Casebook
from tests.faults.system_faults import PLATFORMS, Plan, scenario_text, write_listings
from tests.faults.system_oracle import Account, account
from tests.support.broker import read_all
from tests.support.machine import until_sent
from tests.support.postgres import PostgresServer

HERE = Path(__file__).resolve().parents[2]
ROLLED = ("notices-2", "notices", "auditor", "screening", "screening-2", "connect", "desk")
"""Who reads before who writes: a reader knows every older message, and not every newer one."""
BESIDE_S = 5.0
"""So long do both releases run beside each other after each step."""
READY_WITHIN_S = 90.0
SAMPLE = 2_000
"""Records of a topic that are read by both releases, from its beginning and from its end."""
MARKS = ("<!-- drill: `make upgrade-drill` writes this -->", "<!-- end of drill -->")

PREPARE = """
import dataclasses, json, sys
from pathlib import Path
from connectors.sandbox.scenario_file import parse_scenario
from streams.local.machine import Machine, prepare
asked = json.load(sys.stdin)
made = prepare(Machine(
    data_dir=Path(asked["folder"]), source="file:" + asked["source"], stock=Path(asked["stock"]),
    scenario=parse_scenario(asked["scenario"], source="upgrade drill"), rate=asked["rate"],
    screening_workers=2, casebook_url=asked["casebook"], follow=True,
))
print(json.dumps({
    "services": [
        {"name": one.name, "argv": one.argv, "env": dict(one.env), "needs": one.needs, "once": one.once,
         "ready": one.ready if isinstance(one.ready, str) else None}
        for one in made.services
    ],
    "bootstrap": made.bootstrap, "ports": dict(made.ports), "platforms_file": str(made.platforms_file),
}))
"""
"""Run by the earlier release: its own files and command lines, which the later one must take as they are."""

CHAIN = """
import json
from pathlib import Path
from alembic.script import ScriptDirectory
import streams.notices.casebook.migrations as here
known = ScriptDirectory(str(Path(here.__file__).parent)).walk_revisions()
print(json.dumps({one.revision: one.down_revision for one in known}))
"""

READ = """
import base64, json, sys
from schemas.topics import CATALOGUE
known = {one.name: getattr(one, "messages", (one.message,)) for one in CATALOGUE}
wrong = {}
for line in sys.stdin:
    topic, value = line.split()
    raw = base64.b64decode(value)
    for message in known.get(topic, ()):
        try:
            message.from_bytes(raw)
            break
        except ValueError as error:
            why = str(error)
    else:
        wrong.setdefault(topic, []).append(why if topic in known else "no such topic")
print(json.dumps({topic: [len(why), why[0][:300]] for topic, why in wrong.items()}))
"""


@dataclass(frozen=True)
class Roll:
    """One process replaced."""

    name: str
    to: str
    away_s: float
    """From the signal until the process of the other release said that it serves."""


@dataclass
class Outcome:
    """What came of it."""

    start: str
    end: str
    """The two commits, with date and subject."""
    tables: tuple[str | None, str | None]
    account: Account
    rolls: list[Roll] = field(default_factory=list)
    back: str = ""
    """Whether the earlier release could take over again, in words."""
    messages: int = 0
    unread: dict[str, Any] = field(default_factory=dict)
    longest_gap_s: float = 0.0
    """The longest time in which no listing was decided."""
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Nothing lost, doubled, wrong or unread."""
        return self.account.holds and not any(self.unread.values())


def commit(name: str) -> str:
    """Short hash, day and subject of a commit."""
    return git("show", "--no-patch", "--format=%h of %as, “%s”", name)


def git(*words: str) -> str:
    """What git says in this tree."""
    return subprocess.run(
        ["git", *words], cwd=HERE, check=True, capture_output=True, text=True
    ).stdout.strip()


def taken_out(name: str, folder: Path) -> Path:
    """The files of a commit, in ``folder``."""
    folder.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", name], cwd=HERE, check=True, capture_output=True)
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    return folder


def run_in(tree: Path, *words: str, said: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """This interpreter with the code of ``tree``."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=tree,
        input=said,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def asked_in(tree: Path, script: str, said: str) -> Any:
    """What a script says that runs with the code of ``tree``, as JSON."""
    done = run_in(tree, "-c", script, said=said)
    if done.returncode:
        raise RuntimeError(f"{tree}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def standing_in(argv: Sequence[str], where: Path) -> tuple[str, ...]:
    """``argv``, started in the folder that the file ``where`` names at that moment.

    ``python -m`` looks for a module where it is started before it looks anywhere else.
    """
    return ("/bin/sh", "-c", 'cd "$(cat "$0")" && exec "$@"', str(where), *argv)


def second(service: Service, name: str, ports: Mapping[str, int]) -> Service:
    """The same service once more, on other ports."""
    words = tuple(str(ports.get(word, word)) for word in service.argv)
    ready = str(service.ready)
    for old, new in ports.items():
        ready = ready.replace(f":{old}/", f":{new}/")
    return replace(service, name=name, argv=words, ready=ready)


class Drill:
    """Two trees, and which process runs which."""

    def __init__(self, folder: Path, before: Path, casebook_url: str, rate: float) -> None:
        self.folder = folder
        self.trees = {"before": before, "after": HERE}
        self.casebook_url = casebook_url
        self.rate = rate
        self.rolls: list[Roll] = []

    def where(self, name: str) -> Path:
        """The file that says which tree a process runs."""
        return self.folder / f"{name}.tree"

    def prepared(self, source: Path, stock: Path, free: Sequence[int]) -> Prepared:
        """What the earlier release would start, each process in the tree that its file names."""
        asked = {
            "folder": str(self.folder / "takin"),
            "source": str(source),
            "stock": str(stock),
            "scenario": scenario_of(),
            "rate": self.rate,
            "casebook": self.casebook_url,
        }
        told = asked_in(self.trees["before"], PREPARE, json.dumps(asked))
        bootstrap = told["bootstrap"]

        async def group_joined() -> bool:
            try:
                await asyncio.wait_for(join_group(bootstrap), 10)
            except TimeoutError:
                return False
            return True

        services = []
        for one in told["services"]:
            name = one["name"]
            # The broker and the platforms are not what is upgraded.
            self.where(name).write_text(
                str(self.trees["after" if name in ("kafka", "sandbox") else "before"])
            )
            services.append(
                Service(
                    name,
                    standing_in(one["argv"], self.where(name)),
                    one["env"],
                    ready=group_joined if name == "kafka" else one["ready"],
                    needs=tuple(one["needs"]),
                    ready_within_s=120,
                    once=one["once"],
                )
            )
        ports = told["ports"]
        notices = next(one for one in services if one.name == "notices")
        others = dict(zip((str(ports["receiver"]), str(ports["notices"])), free, strict=True))
        again = second(notices, "notices-2", others)
        self.where("notices-2").write_text(str(self.trees["before"]))
        own = tuple(
            str(self.where("notices-2")) if w == str(self.where("notices")) else w for w in again.argv
        )
        services.append(replace(again, argv=own))
        return Prepared(
            services=tuple(services),
            bootstrap=bootstrap,
            casebook_url=self.casebook_url,
            platforms_file=Path(told["platforms_file"]),
            summary_file=self.folder / "summary.json",
            ports=ports,
        )

    async def roll(self, supervisor: Supervisor, name: str, to: str) -> None:
        """Stop one process and have the other release's started in its place."""
        self.where(name).write_text(str(self.trees[to]))
        old = supervisor.pid_of(name)
        assert old is not None, f"{name} does not run"
        began = time.monotonic()
        os.kill(old, signal.SIGTERM)
        while (
            supervisor.pid_of(name) in (old, None)
            or not supervisor.is_ready(name)
            or _tree_of(supervisor.pid_of(name)) != self.trees[to]  # what stands in has yet to go there
        ):
            if time.monotonic() - began > READY_WITHIN_S:
                last = (self.folder / f"logs/{name}.log").read_text("utf-8")[-2_000:]
                where = _tree_of(supervisor.pid_of(name))
                raise AssertionError(f"{name} did not come up (runs in {where}): {last}")
            await asyncio.sleep(0.05)
        self.rolls.append(Roll(name, to, round(time.monotonic() - began, 1)))
        release = {"before": "earlier", "after": "later"}[to]
        print(f"{name:12} runs the {release} release, {self.rolls[-1].away_s} s later", flush=True)
        await asyncio.sleep(BESIDE_S)

    async def everything(self, supervisor: Supervisor, to: str) -> None:
        """Every process in the order of the page; back in the opposite one."""
        for name in ROLLED if to == "after" else reversed(ROLLED):
            if self.where(name).exists():  # an earlier release has fewer
                await self.roll(supervisor, name, to)


def _tree_of(pid: int | None) -> Path | None:
    """The folder in which a process runs."""
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd"))
    except OSError:
        return None


def scenario_of() -> str:
    """The platforms of the fault run, without a proxy before them."""
    document = yaml.safe_load(scenario_text(range(len(PLATFORMS))))
    for platform in document["platforms"]:
        del platform["public_url"]
    return str(yaml.safe_dump(document))


async def drill(start: str, listings: int, rate: float, seed: int) -> Outcome:
    """One run.

    Raises:
        AssertionError: a process did not come up in the other release.
        OperatorError: the earlier commit is not one that this tree's tables come from.
    """
    began = time.monotonic()
    server = PostgresServer()
    server.start()
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="takin-upgrade-")))
        before = taken_out(start, folder / "before")
        then, now = (asked_in(tree, CHAIN, "") for tree in (before, HERE))
        if not then.items() <= now.items():
            raise OperatorError(
                f"The tables of {start} are none that this tree's began as: take one of its line."
            )
        work = Drill(folder, before, server.fresh_database(), rate)
        plan = Plan(listings=listings, faults=0, seed=seed, rate=rate, offers=0.02)
        source, stock, ids, planted = await asyncio.to_thread(write_listings, folder, plan)
        prepared = work.prepared(source, stock, (free_port(), free_port()))
        supervisor = Supervisor(prepared.services, log_dir=folder / "logs", say=lambda _: None)
        await supervisor.start()
        stopped = False
        try:
            casebook = Casebook.open(work.casebook_url, threads=2, migrate=False)
            stack.callback(casebook.close)
            tables = [casebook.answer(table_versions.look).have]
            await asyncio.sleep(BESIDE_S)
            for words in (("keys", "make"), ("topics", "apply"), ("notices", "migrate")):
                done = run_in(
                    HERE,
                    *("-m", "streams.cli", *words),
                    KAFKA_BOOTSTRAP_SERVERS=prepared.bootstrap,
                    DATABASE_URL=work.casebook_url,
                    TAKIN_DATA_DIR=str(folder / "takin"),
                )
                assert done.returncode == 0, done.stderr
                print(" ".join(words), "done", flush=True)
            tables.append(casebook.answer(table_versions.look).have)
            await asyncio.sleep(BESIDE_S)
            await work.everything(supervisor, "after")
            opened = run_in(
                before,
                "-c",
                "import os; from streams.notices.casebook.database import Casebook; "
                "Casebook.open(os.environ['DATABASE_URL'])",
                DATABASE_URL=work.casebook_url,
            )
            if opened.returncode == 0:
                await work.everything(supervisor, "before")
                await work.everything(supervisor, "after")
                back = "rolled back in the opposite order, and forward again"
            else:
                back = "not rolled back: the earlier release refuses the newer tables at its start"
            async with asyncio.timeout(600):
                while len(await read_all(prepared.bootstrap, LISTINGS.name)) < listings:
                    await asyncio.sleep(1)
            await until_sent(prepared, casebook, within_s=300)
            await asyncio.sleep(BESIDE_S)
            found = await account(
                prepared.bootstrap, casebook, folder / "takin/sandbox/journal.jsonl", ids, planted
            )
            lines, gap = await messages(prepared.bootstrap)
            unread = {
                name: await asyncio.to_thread(asked_in, tree, READ, lines)
                for name, tree in work.trees.items()
            }
            stopped = True
            await supervisor.stop()
        finally:
            if not stopped:
                await supervisor.stop()
        return Outcome(
            commit(start),
            commit("HEAD"),
            (tables[0], tables[1]),
            found,
            work.rolls,
            back,
            len(lines.splitlines()),
            unread,
            gap,
            time.monotonic() - began,
        )


async def messages(bootstrap: str) -> tuple[str, float]:
    """Topic and value of what both releases wrote, one a line; and the longest pause of screening, s."""
    lines, gap = [], 0.0
    for topic in CATALOGUE:
        records = sorted(await read_all(bootstrap, topic.name), key=lambda one: one.timestamp)
        if topic is SCREENING_PROGRESS:
            times = [one.timestamp for one in records]
            gap = max((b - a for a, b in itertools.pairwise(times)), default=0) / 1000
        chosen = records if len(records) <= 2 * SAMPLE else [*records[:SAMPLE], *records[-SAMPLE:]]
        lines += [f"{topic.name} {base64.b64encode(one.value).decode()}" for one in chosen if one.value]
    return "\n".join(lines) + "\n", gap


def paragraph(outcome: Outcome, now: datetime) -> str:
    """For the page."""
    told = outcome.account
    unread = sum(number for one in outcome.unread.values() for number, _ in one.values())
    first = {roll.name: roll.away_s for roll in reversed(outcome.rolls) if roll.to == "after"}
    return "\n".join(
        [
            MARKS[0],
            f"**{now:%Y-%m-%d %H:%M} UTC: {'everything held' if outcome.holds else 'NOT everything held'}.**",
            f"From {outcome.start} (tables {outcome.tables[0]})",
            f"to {outcome.end} (tables {outcome.tables[1]}); {outcome.back}.",
            f"{len(outcome.rolls)} processes replaced in {outcome.seconds / 60:.0f} minutes, on two cores",
            "that other work shared.",
            "",
            "| what the oracle found | count |",
            "|---|---|",
            f"| listings; that never reached Kafka | {told.listings}; {len(told.not_in_the_log)} |",
            f"| ranges of offsets without a decision | {len(told.undecided)} |",
            f"| records set aside | {told.neighbours_set_aside} |",
            f"| offers that must be noticed; listings noticed | {told.planted}; {told.notices} |",
            f"| notices lost; about anything else | {len(told.lost_notices)}; {len(told.wrong_notices)} |",
            f"| listings under two keys; keys with a second effect | {len(told.second_notices)}; "
            f"{len(told.second_effects)} |",
            f"| deadlines; without a verdict; missed twice | {told.deadlines}; {told.deadlines_unfired}; "
            f"{len(told.deadlines_twice)} |",
            f"| breaks of the audit chain | {told.audit_breaks} |",
            f"| messages of both; that one of the two could not read | {outcome.messages}; {unread} |",
            f"| longest time in which no listing was decided, s | {outcome.longest_gap_s:.1f} |",
            "",
            "Seconds from the signal to a process until the later release served in its place: "
            + ", ".join(f"{name} {first[name]:.1f}" for name in ROLLED if name in first)
            + ".",
            MARKS[1],
        ]
    )


def written(page: str, text: str) -> str:
    """The page with the paragraph in its place."""
    before, _, rest = page.partition(MARKS[0])
    _, mark, after = rest.partition(MARKS[1])
    if not mark:
        raise ValueError(f"the page has no place between {MARKS[0]!r} and {MARKS[1]!r}")
    return before + text + after


def main() -> int:
    """Play one run."""
    options = argparse.ArgumentParser(prog="make upgrade-drill", description=__doc__)
    options.add_argument("start", metavar="FROM", help="commit or tag of the earlier release")
    options.add_argument("--listings", type=int, default=8_000)
    options.add_argument("--rate", type=float, default=50.0, help="listings a second")
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    options.add_argument("--report", type=Path, help="write the result into this page")
    given = options.parse_args()
    print(f"seed {given.seed}", flush=True)
    try:
        outcome = asyncio.run(drill(given.start, given.listings, given.rate, given.seed))
    except OperatorError as error:
        print(f"upgrade drill: {error}", file=sys.stderr)
        return error.exit_code
    text = paragraph(outcome, datetime.now(UTC))
    print(text)
    if not outcome.holds:
        print(outcome.account, outcome.unread)
    if given.report is not None:
        given.report.write_text(written(given.report.read_text("utf-8"), text), encoding="utf-8")
    return 0 if outcome.holds else 1


if __name__ == "__main__":
    sys.exit(main())
