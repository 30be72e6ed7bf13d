"""Kills a sender and a receiver at named points, as often as asked, and lets them start again.

Each run has notices of its own: one, or one about several listings, or several that are leased, settled and
answered together. A forked process delivers them, or takes the answers, and dies with ``os._exit`` at the
point, without any clean-up: what the operating system does at SIGKILL. Then another process goes on where a
restarted service would. The platform is a real HTTP server in a process of its
own; its journal says what reached it. The product knows nothing of points: functions are wrapped by name.

Prints one JSON line: the points, the runs, deaths that happened, and every invariant that did not hold.

Example: .venv/bin/python -m tests.faults.crash_points --runs 3 --folder FOLDER
"""

import argparse
import asyncio
import functools
import hashlib
import importlib
import itertools
import json
import os
import random
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog

from connectors.http import tls_context
from connectors.registry import build
from schemas.response import PlatformResponse
from streams.notices import handlers
from streams.notices.bridge import Bridge, policy_of
from streams.notices.casebook import cases, inbox, outbox, sealing
from streams.notices.casebook.database import Casebook, Transaction
from streams.notices.sender import demonstration_sender
from streams.notices.wording import Matter, write_notice_about
from tests.bench.dispatch import platform_config
from tests.support.notices import LAW, T0, make_detection, make_response

DIED = 9
SEVERAL = 3


@dataclass(frozen=True, slots=True)
class Point:
    """Where a process dies: before or after the n-th call of a function."""

    stage: str
    function: str
    """``module:name`` as its callers look it up."""
    after: bool = False
    call: int = 1

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.stage}: {'after' if self.after else 'before'} {self.function} ({self.call})"


CASEBOOK = "streams.notices.casebook"
POINTS = (
    Point("delivery", f"{CASEBOOK}.outbox:lease"),
    Point("delivery", f"{CASEBOOK}.outbox:lease", after=True),
    Point("delivery", "streams.notices.timing:start", after=True),
    Point("delivery", f"{CASEBOOK}.sealing:flush", after=True),
    Point("delivery", "streams.notices.bridge:Bridge.deliver"),
    Point("delivery", "connectors.http:_read"),
    Point("delivery", "streams.notices.bridge:Bridge.deliver", after=True),
    Point("delivery", f"{CASEBOOK}.outbox:settle_delivered", after=True),
    Point("delivery", f"{CASEBOOK}.cases:save_arrivals", after=True),
    Point("delivery", "streams.notices.timing:start", after=True, call=2),
    Point("delivery", f"{CASEBOOK}.inbox:add_responses", after=True),
    Point("delivery", f"{CASEBOOK}.cases:save_items", after=True),
    Point("delivery", f"{CASEBOOK}.sealing:flush", call=2),
    Point("delivery", f"{CASEBOOK}.sealing:flush", after=True, call=2),
    Point("delivery", f"{CASEBOOK}.database:Casebook.decide", after=True, call=2),
    Point("answer", f"{CASEBOOK}.inbox:store"),
    Point("answer", f"{CASEBOOK}.inbox:store", after=True),
    Point("answer", f"{CASEBOOK}.database:Casebook.decide", after=True),
    Point("answer", f"{CASEBOOK}.inbox:finish", after=True),
    Point("answer", f"{CASEBOOK}.inbox:add_responses", after=True),
    Point("answer", f"{CASEBOOK}.cases:save_items", after=True),
    Point("answer", f"{CASEBOOK}.sealing:flush", after=True, call=2),
    Point("answer", f"{CASEBOOK}.database:Casebook.decide", after=True, call=2),
)
SHAPES: Mapping[str, tuple[int, int]] = {"one": (1, 1), "several items": (1, SEVERAL), "batch": (SEVERAL, 1)}
"""What a run is about: how many notices, and how many listings each."""


def arm(point: Point) -> None:
    """Make this process die there."""
    module, _, name = point.function.partition(":")
    owner: Any = importlib.import_module(module)
    *path, last = name.split(".")
    for step in path:
        owner = getattr(owner, step)
    original: Callable[..., Any] = getattr(owner, last)
    calls = 0

    def dies(now: bool) -> None:
        if now and calls == point.call:
            os._exit(DIED)

    if asyncio.iscoroutinefunction(original):

        @functools.wraps(original)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            dies(not point.after)
            result = await original(*args, **kwargs)
            dies(point.after)
            return result
    else:

        @functools.wraps(original)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            dies(not point.after)
            result = original(*args, **kwargs)
            dies(point.after)
            return result

    setattr(owner, last, wrapped)


class Service:
    """What a restarted service does, for one notice at a time and without its loops."""

    def __init__(self, url: str, port: int) -> None:
        config = platform_config(port, concurrency=4)
        self.casebook = Casebook.open(url, threads=1, migrate=False)
        self.bridge = Bridge({config.name: build(config)})
        self.desk = handlers.Desk(
            platforms={config.name: policy_of(config)},
            sender=demonstration_sender(reply_base="http://127.0.0.1:1"),
            law=LAW,
            render=self.bridge.render,
        )

    def deliver(self, now: datetime) -> None:
        """Lease what is due, make the attempts, write the results."""
        leased = self.casebook.decide(
            handlers.start_attempts,
            slots={"market": 4},
            now=now,
            hold_for=timedelta(seconds=10),
            worker=f"w{os.getpid()}",
            desk=self.desk,
        )

        async def attempts() -> list[handlers.Ended]:
            found = [(one, await self.bridge.deliver(one, 10.0)) for one in leased]
            await self.bridge.aclose()
            return [handlers.Ended(one, result, accepted) for one, (result, accepted) in found]

        ended = asyncio.run(attempts())
        if ended:
            self.casebook.decide(
                handlers.settle, ended, self.desk, now=now + timedelta(seconds=1), chance=random.Random(1)
            )

    def answer(self, about: Mapping[str, tuple[str, ...]], now: datetime) -> None:
        """Take the platform's answers as the receiver does, one message a notice with an outcome for each
        item, then apply what the inbox holds."""
        for key, items in about.items():
            told = [
                make_response(key=key, response_id=f"decision-{item}", item_id=item).model_copy(
                    update={"received_at": now, "said_at": now}
                )
                for item in items
            ]
            self.casebook.decide(
                inbox.store,
                platform="market",
                channel="webhook",
                source_id=f"msg-{key}",
                received_at=now,
                body=b"\n".join(one.to_bytes() for one in told),
                headers={},
            )
        for received in self.casebook.answer(inbox.new, limit=10):
            responses = [PlatformResponse.from_bytes(line) for line in received.body.splitlines()]
            self.casebook.decide(handlers.take_inbox, received, responses, now=now)


def in_a_child(work: Callable[[], None]) -> int:
    """Run it in a forked process; returns how that ended."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException as error:  # the parent counts it
            print(f"child: {error!r}", file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def listings_of(position: int, shape: str) -> list[list[str]]:
    """The listings of each notice of a run."""
    notices, listings = SHAPES[shape]
    return [[f"run-{position}-{one}-{item}" for item in range(listings)] for one in range(notices)]


def queue(url: str, port: int, wanted: list[list[str]]) -> None:
    """Write the notices."""
    service = Service(url, port)
    for listings in wanted:
        if len(listings) == 1:
            detection = make_detection(listings[0])
            taken = service.casebook.decide(handlers.take_detection, detection, service.desk, now=T0)
            assert taken.result == "noticed", taken
        else:
            service.casebook.decide(queue_about, listings, service.desk)


def queue_about(tx: Transaction, listings: list[str], desk: handlers.Desk) -> None:
    """One notice about several listings."""
    matters = []
    for listing_id in listings:
        detection = make_detection(listing_id)
        case = cases.open_case(tx, detection, status="review", now=T0)
        cases.add_detection(tx, case.case_id, detection, now=T0)
        matters.append(Matter(detection, case.case_id, 1))
    notice = write_notice_about(
        matters,
        notice_id=f"n-{listings[0]}",
        revision=1,
        law=LAW,
        platform=desk.platforms["market"],
        sender=desk.sender,
        now=T0,
    )
    body, content_type = desk.render(notice)
    cases.add_notice(
        tx,
        notice,
        case_ids=notice.case_ids,
        body=body,
        content_type=content_type,
        body_sha256=hashlib.sha256(body).hexdigest(),
        next_poll_at=None,
    )


def keys_of(casebook: sa.Engine, position: int) -> dict[str, tuple[str, ...]]:
    """The keys of a run's notices with the ids of their items, by plain SQL."""
    found: dict[str, list[str]] = {}
    with casebook.connect() as db:
        rows = db.execute(
            sa.text(
                "SELECT n.idempotency_key, i.item_id FROM notice n JOIN notice_item i"
                " ON i.notice_id = n.notice_id WHERE i.listing_id LIKE :run ORDER BY i.item_id"
            ),
            {"run": f"run-{position}-%"},
        )
        for key, item_id in rows:
            found.setdefault(key, []).append(item_id)
    return {key: tuple(items) for key, items in found.items()}


DEADLINES = [
    ("acknowledge", "met"),
    ("decide", "met"),
    ("escalation.reminder", "cancelled"),
    ("remove", "pending"),
]
"""Once the platform has decided: the reminder falls away; that it is gone, nobody has seen yet."""
ONCE = {"notice_sent": 1, "acknowledged": 1, "removal_claimed": 1}


def broken_promises(engine: sa.Engine, key: str, items: int) -> list[str]:
    """What of one notice is not as it must be, read by plain SQL."""
    with engine.connect() as db:

        def rows(query: str) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in db.execute(sa.text(query), {"key": key})]

        about = "JOIN notice n ON n.notice_id = x.notice_id WHERE n.idempotency_key = :key"
        wrong = []
        if (states := rows("SELECT state FROM outbox WHERE idempotency_key = :key")) != [("delivered",)]:
            wrong.append(f"outbox is {states}")
        told: dict[str, list[tuple[int, str]]] = {}
        for case_id, sequence, kind in rows(
            "SELECT e.case_id, e.sequence, e.type FROM case_event e JOIN notice_item x"
            f" ON x.case_id = e.case_id {about} ORDER BY e.case_id, e.sequence"
        ):
            told.setdefault(case_id, []).append((sequence, kind))
        if len(told) != items:
            wrong.append(f"{len(told)} cases for {items} items")
        for happened in told.values():
            kinds = Counter(kind for _, kind in happened)
            wrong += [f"{kinds[kind]} events {kind}" for kind, many in ONCE.items() if kinds[kind] != many]
            if [number for number, _ in happened] != list(range(1, len(happened) + 1)):
                wrong.append(f"events are numbered {[number for number, _ in happened]}")
        answers = rows(f"SELECT x.kind FROM response x {about} ORDER BY x.kind")
        if answers != [("decision",)] * items + [("receipt",)] * items:
            wrong.append(f"answers {answers}")
        deadlines = rows(f"SELECT x.kind, x.state FROM deadline x {about} ORDER BY x.kind")
        if deadlines != sorted(DEADLINES * items):
            wrong.append(f"deadlines {deadlines}")
        return wrong


def run(url: str, port: int, runs: int, seed: int) -> dict[str, Any]:
    """Every point that often, in an order that the seed says; the shapes take turns."""
    turns = itertools.cycle(SHAPES)
    order = [(point, next(turns)) for _ in range(runs) for point in POINTS]
    random.Random(seed).shuffle(order)
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=sa.NullPool)
    deaths: Counter[str] = Counter()
    notices = 0
    wrong: list[str] = []
    for position, (point, shape) in enumerate(order):
        wanted = listings_of(position, shape)
        now = T0 + timedelta(minutes=position)

        def crash(what: Callable[[], None], point: Point = point) -> int:
            def work() -> None:
                arm(point)
                what()

            return in_a_child(work)

        failed = [in_a_child(functools.partial(queue, url, port, wanted))]
        about = keys_of(engine, position)
        notices += len(about)

        def deliver(at: datetime = now) -> None:
            Service(url, port).deliver(at)

        def answer(
            about: Mapping[str, tuple[str, ...]] = about, at: datetime = now + timedelta(seconds=40)
        ) -> None:
            Service(url, port).answer(about, at)

        if point.stage == "delivery":
            deaths[point.name] += crash(deliver) == DIED
        # The lease of the dead one has run out by then.
        failed.append(in_a_child(functools.partial(deliver, now + timedelta(seconds=20))))
        if point.stage == "answer":
            deaths[point.name] += crash(answer) == DIED
        # The platform heard no 2xx, or did and is not sure: it sends the same once more.
        failed.append(in_a_child(answer))
        where = f"{point.name} ({shape})"
        wrong += [f"{where}: a process ended with {code}" for code in failed if code]
        if len(about) != len(wanted):
            wrong.append(f"{where}: {len(about)} notices")
        for key, items in about.items():
            wrong += [f"{where}: {one}" for one in broken_promises(engine, key, len(items))]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/journal", timeout=5) as reply:
        journal = json.load(reply)
    if journal["keys"] != notices or journal["changed"]:
        wrong.append(f"the platform's journal: {journal}")
    wrong += [
        f"{name}: died {deaths[name]} times" for name in {p.name for p in POINTS} if deaths[name] != runs
    ]
    casebook = Casebook.open(url, threads=1, migrate=False)
    with casebook.read() as tx:
        verdict = sealing.verify(tx)
        left = outbox.next_due(tx)
    casebook.close()
    if not verdict.holds:
        wrong.append(f"audit chain: {verdict.breaks[:3]}")
    if left is not None:
        wrong.append("something still waits")
    return {
        "seed": seed,
        "points": len(POINTS),
        "runs": len(order),
        "shapes": Counter(shape for _, shape in order),
        "notices": notices,
        "deaths": deaths.total(),
        "effects": journal["keys"],
        "deliveries": journal["deliveries"],
        "wrong": wrong[:50],
    }


def main(arguments: list[str] | None = None) -> None:
    """Prepare a casebook and a platform, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="of each point")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--folder", type=Path, help="for an SQLite casebook")
    parser.add_argument("--database", help="postgresql://… of a prepared database")
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    url = options.database or f"sqlite:///{options.folder / 'casebook.db'}"

    def prepare() -> None:
        Casebook.open(url, threads=1).close()

    assert in_a_child(prepare) == 0
    # Loaded here once, not in each of thousands of children.
    tls_context(speaks="http/1.1")
    platform = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.fast_platform"], stdout=subprocess.PIPE, text=True
    )
    assert platform.stdout is not None
    try:
        port = int(platform.stdout.readline())
        print(json.dumps(run(url, port, options.runs, options.seed)), flush=True)
    finally:
        platform.kill()
        platform.wait()


if __name__ == "__main__":
    main()
