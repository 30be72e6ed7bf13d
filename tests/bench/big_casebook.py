"""A casebook with very many open cases, and how long its figures take.

Rows are made by bulk SQL, in the shapes that the handlers write (bodies are short: no query here reads
them), and never sealed: it is for timing, not for proof. Prints JSON lines.

Example: .venv/bin/python -m tests.bench.big_casebook --cases 100000 --events 10
"""

import argparse
import contextlib
import io
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from streams.notices.casebook import deadlines, outbox
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Casebook
from tests.support.notices import T0

PLATFORMS = tuple(f"market-{number}" for number in range(20))
AT_ONCE = 5_000


def _case(number: int) -> dict[sa.Table, list[dict[str, Any]]]:
    platform, sent = PLATFORMS[number % len(PLATFORMS)], T0 + timedelta(seconds=number % 2_000_000)
    case_id, notice_id, key = f"c_{number:032d}", f"n-{number}", f"n1_{number:052d}"
    about = {"platform": platform, "notice_id": notice_id}
    item = {
        **about,
        "item_id": f"i_{number}",
        "case_id": case_id,
        "listing_id": str(number),
        "url": f"https://{platform}.example/listing/{number}",
        "content_hash": "a" * 64,
        "round": 1,
        "legal_basis": "cites-i",
        "action": "remove",
        "revision": 1,
        "claim": "received",
        "content": "online",
        "acknowledged_at": sent + timedelta(seconds=number % 50),
        "decided_at": sent + timedelta(seconds=number % 5_000) if number % 3 == 0 else None,
        "last_online_at": sent,
        "next_look_at": sent + timedelta(days=1),
    }
    duties = [
        {
            **about,
            "deadline_id": f"dl_{number}_{kind}",
            "case_id": case_id,
            "kind": kind,
            "seq": 1,
            "policy": "bench",
            "source": "bench",
            "started_at": sent,
            "due_at": sent + timedelta(days=days),
            "state": state,
        }
        for kind, days, state in (
            ("acknowledge", 1, "met"),
            ("decide", 7, "missed" if number % 5 == 0 else "pending"),
            ("remove", 14, "pending"),
        )
    ]
    return {
        t.case: [
            {
                "case_id": case_id,
                "platform": platform,
                "listing_id": str(number),
                "url": item["url"],
                "round": 1,
                "status": "notified",
                "severity": "critical",
                "opened_at": sent,
                "updated_at": sent,
                "sequence": 0,
            }
        ],
        t.notice: [
            {
                **about,
                "human_reference": f"TK-{number}",
                "idempotency_key": key,
                "round": 1,
                "revision": 1,
                "severity": "critical",
                "kind": "takedown",
                "queued_at": sent,
                "first_attempt_at": sent,
                "sent_at": sent,
                "delivery": "accepted",
                "body": b"{}",
            }
        ],
        t.notice_item: [item],
        t.outbox: [
            {
                **about,
                "idempotency_key": key,
                "body": b"{}",
                "body_sha256": "b" * 64,
                "content_type": "application/json",
                "state": "delivered",
                "attempts": 1,
                "queued_at": sent,
                "next_at": sent,
            }
        ],
        t.deadline: duties,
    }


def _events(number: int, many: int) -> Iterator[dict[str, Any]]:
    for sequence in range(1, many + 1):
        yield {
            "event_id": f"e-{number}-{sequence}",
            "case_id": f"c_{number:032d}",
            "sequence": sequence,
            "type": "status",
            "at": T0,
            "body": b"{}",
            "published": True,
        }


def fill(casebook: Casebook, cases: int, events: int) -> None:
    """That many open cases with that many events each."""
    for start in range(0, cases, AT_ONCE):
        rows: dict[sa.Table, list[dict[str, Any]]] = {}
        for number in range(start, min(start + AT_ONCE, cases)):
            for table, made in _case(number).items():
                rows.setdefault(table, []).extend(made)
            rows.setdefault(t.case_event, []).extend(_events(number, events))
        with casebook.write() as tx:
            for table, made in rows.items():
                tx.execute(sa.insert(table), made)
    with casebook.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not casebook.is_sqlite:  # autovacuum does it within a minute on a server in use
            connection.execute(sa.text("ANALYZE"))


def timed(what: Callable[[], object], times: int) -> tuple[float, float]:
    """Median and worst, in seconds."""
    took = []
    for _ in range(times):
        before = time.perf_counter()
        what()
        took.append(time.perf_counter() - before)
    return statistics.median(took), max(took)


def report(url: str) -> None:
    """``takin report sla --json`` as a person runs it, but in this process."""
    from streams.reports import commands

    os.environ["DATABASE_URL"] = url
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())):
        commands.sla(since=None, output=None, as_json=True)


def plans(casebook: Casebook, now: datetime) -> dict[str, str]:
    """How the database finds what is due."""
    found = {}
    explain = "EXPLAIN QUERY PLAN " if casebook.is_sqlite else "EXPLAIN "
    with casebook.read() as tx:
        for name, query in (
            ("deadlines", deadlines.due_query(now=now, limit=500)),
            ("next deadline", deadlines.NEXT_DUE),
            ("next notice", outbox.NEXT_DUE),
        ):
            text = query.compile(tx, compile_kwargs={"literal_binds": True})
            found[name] = " ".join(str(row[-1]) for row in tx.exec_driver_sql(explain + str(text)))
    return found


def measure(casebook: Casebook, url: str) -> dict[str, tuple[float, float]]:
    """What people and loops wait for: median and worst, in seconds."""
    now = T0 + timedelta(days=7, seconds=1_000)
    return {
        "SLA report": timed(lambda: report(url), 3),
        "due deadlines": timed(lambda: casebook.answer(deadlines.due, now=now, limit=500), 20),
        "any due": timed(lambda: casebook.answer(deadlines.any_due, now=T0), 20),
        "next notice due": timed(lambda: casebook.answer(outbox.next_due), 20),
    }


def main(arguments: list[str] | None = None) -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=10, help="of each case")
    parser.add_argument("--database", help="postgresql://… of an empty database; absent: SQLite")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        url = options.database or f"sqlite:///{Path(folder) / 'casebook.db'}"
        casebook = Casebook.open(url)
        before = time.perf_counter()
        fill(casebook, options.cases, options.events)
        filled = time.perf_counter() - before
        system = "SQLite" if casebook.is_sqlite else "PostgreSQL"
        for what, (value, worst) in {"fill": (filled, filled), **measure(casebook, url)}.items():
            line = {"system": system, "what": what, "value": round(value, 4), "worst": round(worst, 4)}
            print(json.dumps({**line, "unit": "s", "n": options.cases}), flush=True)
        casebook.close()


if __name__ == "__main__":
    main()
