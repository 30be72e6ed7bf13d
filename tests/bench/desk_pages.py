"""How long the desk's pages take over 100,000 cases, on one core, and what they weigh.

    python -m tests.bench.desk_pages [--cases 100000] [--database postgresql://…]

Prints one JSON line a page: p50 and p95 in milliseconds over its requests, and the bytes of the page.
Without ``--database`` it fills an SQLite file in a temporary folder; a database that is named must be empty.
"""

import argparse
import asyncio
import json
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from streams.desk import public_form
from streams.desk.app import desk_app
from streams.notices import handlers
from streams.notices.casebook import cases
from streams.notices.casebook import report_tables as r
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Casebook
from tests.support.desk import Browser, add_accounts, api_token, house_over, sign_in, two_platforms
from tests.support.notices import make_detection

PLATFORMS = ("market", "bazaar", *(f"platform-{number}" for number in range(5)))
CHUNK = 2_000
UNDECIDED = 0.12
"""Share of notices that wait for an answer."""
_ITEM_ID = re.compile(rb"i_[0-9a-f]{32}")
APPROVED = 0.2
"""Share of notices that a person approved."""


def fill(casebook: Casebook, count: int, now: datetime) -> None:
    """One real notice, and copies of its rows with other ids and states, written in bulk."""
    taken = casebook.decide(
        handlers.take_detection, make_detection("0", seller={"handle": "seller-7"}), two_platforms(), now=now
    )
    assert taken.notice_id is not None
    with casebook.read() as tx:
        notice = cases.notice_body(tx, taken.notice_id)
        [event] = tx.execute(sa.select(t.case_event.c.body).limit(1)).scalars()
    chance = random.Random(7)
    approved = notice.detection.model_copy(update={"reviewer": "analyst"})
    bodies = (notice.to_bytes(), notice.model_copy(update={"detection": approved}).to_bytes())
    with casebook.engine.connect().execution_options(takin_writes=True) as tx, tx.begin():
        for table, rows in _rows(count, now, bodies, event, chance):
            tx.execute(sa.insert(table), rows)
        _file_reports(tx, count // 20, now)
    with casebook.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as tx:
        tx.exec_driver_sql("ANALYZE")


def _rows(
    count: int, now: datetime, bodies: tuple[bytes, bytes], event: bytes, chance: random.Random
) -> Iterator[tuple[sa.Table, list[dict[str, Any]]]]:
    for start in range(0, count, CHUNK):
        found: dict[str, list[dict[str, Any]]] = {
            name: [] for name in ("case", "notice", "item", "due", "event", "outbox", "attempt")
        }
        for number in range(start, min(start + CHUNK, count)):
            at = now - timedelta(minutes=chance.randrange(60, 86_400))
            _one(found, number, at, bodies[chance.random() < APPROVED], event, chance, now)
        yield t.case, found["case"]
        yield t.notice, found["notice"]
        yield t.notice_item, found["item"]
        yield t.deadline, found["due"]
        yield t.case_event, found["event"]
        yield t.outbox, found["outbox"]
        yield t.attempt, found["attempt"]


def _one(
    found: dict[str, list[dict[str, Any]]],
    number: int,
    at: datetime,
    body: bytes,
    event: bytes,
    chance: random.Random,
    now: datetime,
) -> None:
    platform = PLATFORMS[number % len(PLATFORMS)]
    item_id = f"i_{number:032x}"
    case_id, notice_id = f"c_{number:032x}", f"00000000-0000-7000-8000-{number:012x}"
    open_ = chance.random() < UNDECIDED
    decided = None if open_ else at + timedelta(hours=chance.expovariate(0.1))
    listing = f"bench-{number}"
    found["case"].append(
        {
            "case_id": case_id, "platform": platform, "listing_id": listing,
            "url": f"https://{platform}.example/{number}", "round": 1,
            "status": "review" if number % 50 == 1 else "notified",
            "severity": "critical", "taxon": "Elephantidae", "appendix": "I/II", "product": "ivory",
            "seller": f"seller-{number % 5_000}", "opened_at": at, "updated_at": at, "sequence": 8,
        }
    )  # fmt: skip
    found["notice"].append(
        {
            "notice_id": notice_id, "human_reference": f"TKN-{number:05d}-BENCH-00",
            "idempotency_key": f"n1_{number:052d}", "platform": platform, "round": 1, "revision": 1,
            "severity": "critical", "kind": "art16", "queued_at": at, "first_attempt_at": at, "sent_at": at,
            "delivery": "accepted", "polls": 0, "body": _ITEM_ID.sub(item_id.encode(), body),
        }
    )  # fmt: skip
    gone = not open_ and chance.random() < 0.8
    found["item"].append(
        {
            "item_id": item_id, "notice_id": notice_id, "case_id": case_id, "platform": platform,
            "listing_id": listing, "url": f"https://{platform}.example/{number}", "content_hash": "a" * 64,
            "round": 1, "legal_basis": "cites-i", "action": "remove", "revision": 1,
            "claim": "none" if open_ else "removed", "outcome": None if open_ else "actioned_removed",
            "acknowledged_at": decided, "decided_at": decided, "removal_claimed_at": decided,
            "claimed_effective_at": decided, "content": "offline_monitoring" if gone else "online",
            "first_offline_at": decided if gone else None, "removal_verified_at": decided if gone else None,
        }
    )  # fmt: skip
    for kind, hours in (("acknowledge", 24), ("decide", 720), ("remove", 1_000)):
        due = at + timedelta(hours=hours)
        late = due <= now if decided is None else decided > due
        state = "missed" if late else "pending" if open_ else "met"
        found["due"].append(
            {
                "deadline_id": f"dl_{number:x}_{kind}", "notice_id": notice_id, "case_id": case_id,
                "platform": platform, "kind": kind, "seq": 1, "policy": "p", "source": "s",
                "started_at": at, "due_at": due, "state": state,
            }
        )  # fmt: skip
    key = f"n1_{number:052d}"
    found["outbox"].append(
        {
            "idempotency_key": key, "notice_id": notice_id, "platform": platform, "body": b"{}",
            "body_sha256": "b" * 64, "content_type": "application/json", "state": "delivered",
            "attempts": 1, "queued_at": at, "next_at": at,
        }
    )  # fmt: skip
    found["attempt"].append(
        {
            "idempotency_key": key, "number": 1, "worker": "w", "started_at": at,
            "finished_at": at + timedelta(seconds=1), "result": "accepted", "http_status": 202,
            "reply": b'{"status": "received"}',
        }
    )  # fmt: skip
    for sequence in range(1, 9):
        found["event"].append(
            {
                "event_id": f"e-{number}-{sequence}", "case_id": case_id, "sequence": sequence,
                "type": "detected", "at": at, "body": event, "published": True,
            }
        )  # fmt: skip


def _file_reports(tx: sa.Connection, count: int, now: datetime) -> None:
    """As many reports as the public form would have filed, half of them decided."""
    read = public_form.read(
        {
            "where": "A market",
            "what": "A carved figure of a real tusk, about 20 cm high.",
            "url": "https://market.example/1",
        },
        report_id=public_form.report_id("report", b"bench"),
        language="en",
        now=now,
        picture_sha256=None,
    )
    assert not isinstance(read, public_form.Problems), read
    rows = [
        {
            "report_id": f"r_{number:020d}", "received_at": now - timedelta(minutes=number),
            "kind": "citizen", "url": read.url, "body": read.to_bytes(), "origin": "",
            "state": "waiting" if number % 2 else "dismissed",
            "decided_at": None if number % 2 else now, "decided_by": None if number % 2 else "analyst",
        }
        for number in range(count)
    ]  # fmt: skip
    if rows:
        tx.execute(sa.insert(r.filed_report), rows)


async def measure(casebook: Casebook, folder: Path, count: int, requests: int) -> None:
    """Ask for each page, one request after the other, and print what it took."""
    house = house_over(casebook, folder, clock=lambda: datetime.now(UTC))
    app = desk_app(house)
    browsers = {}
    for login in ("market", "officer", "analyst"):
        sign_in(casebook, login, now=datetime.now(UTC))
        browsers[login] = Browser(app, casebook)
        browsers[login].client.cookies.set("takin", f"session-{login}-{'x' * 20}")
    headers = {"authorization": f"Bearer {api_token(casebook, 'market', now=datetime.now(UTC))}"}
    chance = random.Random(11)

    def mine() -> int:
        return chance.randrange(count // len(PLATFORMS)) * len(PLATFORMS)

    pages: dict[str, tuple[str, Callable[[], str]]] = {
        "inbox": ("market", lambda: "/inbox"),
        "inbox page 20": ("market", lambda: "/inbox?page=20"),
        "notice": ("market", lambda: f"/notices/TKN-{mine():05d}-BENCH-00"),
        "api list": ("market", lambda: "/api/v1/notices"),
        "board": ("officer", lambda: "/board?since=30d"),
        "board, of any other period": (
            "officer",
            lambda: f"/board?since={chance.randrange(40_000, 90_000)}m",
        ),
        "board, everything": ("officer", lambda: "/board?since="),
        "board, one platform's weeks": ("officer", lambda: "/board?since=90d&platform=market"),
        "overdue": ("officer", lambda: "/board/overdue"),
        "overdue of one": ("officer", lambda: "/board/overdue?platform=bazaar"),
        "frozen": ("officer", lambda: "/board/frozen"),
        "cases": ("officer", lambda: "/cases"),
        "cases late": ("officer", lambda: "/cases?platform=bazaar&condition=late"),
        "cases overdue": ("officer", lambda: "/cases?condition=overdue"),
        "deliveries": ("market", lambda: "/deliveries"),
        "review": ("analyst", lambda: "/review"),
        "triage": ("analyst", lambda: "/triage"),
        "triage decided": ("analyst", lambda: "/triage?decided=true"),
        "quality": ("analyst", lambda: "/quality"),
        "holds": ("analyst", lambda: "/holds"),
        "case": ("officer", lambda: f"/cases/c_{chance.randrange(count):032x}"),
    }
    began = time.perf_counter()
    await browsers["officer"].get("/board?since=30d")
    say(
        "board, when the desk has just started", value=round((time.perf_counter() - began) * 1_000), unit="ms"
    )
    for name, (login, path) in pages.items():
        times, busy, size = [], [], 0
        for number in range(requests + 3):
            began, working = time.perf_counter(), time.process_time()
            answer = await browsers[login].get(path(), headers=headers if "api" in name else {})
            took = (time.perf_counter() - began) * 1_000
            worked = (time.process_time() - working) * 1_000
            assert answer.status_code == 200, (name, answer.status_code)
            size = len(answer.content)
            if number >= 3:
                times.append(took)
                busy.append(worked)
        say(
            name,
            p50=round(statistics.median(times), 1),
            value=round(statistics.quantiles(times, n=20)[18], 1),
            unit="ms p95",
            # What a busy machine adds is not in it, nor what a database server does.
            process_p95=round(statistics.quantiles(busy, n=20)[18], 1),
            bytes=size,
        )


def say(page: str, **values: Any) -> None:
    sys.stdout.write(json.dumps({"page": page, **values}) + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--database")
    given = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as name:
        url = given.database or f"sqlite:///{Path(name) / 'casebook.db'}"
        casebook = Casebook.open(url)
        began = time.perf_counter()
        add_accounts(casebook)
        fill(casebook, given.cases, datetime.now(UTC))
        say(
            "filled",
            value=round(time.perf_counter() - began),
            unit="s",
            cases=given.cases,
            system=url.partition(":")[0],
        )
        asyncio.run(measure(casebook, Path(name), given.cases, given.requests))
        casebook.close()


if __name__ == "__main__":
    main()
