"""How cost grows with terms, listings and open cases: ``python -m tests.bench.growth``. Prints JSON lines.

Each pair is measured turn by turn in CPU time of this process, so that a busy machine slows both alike; the
questions to the casebook are timed by the clock, many times, and their median is told. ``--page`` puts the
figures into ``deploy/performance.md``.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from streams.notices.casebook import deadlines, outbox
from streams.notices.casebook.database import Casebook
from streams.screening.screener import build_ruleset
from tests.bench import page
from tests.bench.big_casebook import fill, timed
from tests.bench.others import Others
from tests.bench.screening import interleaved, screening
from tests.bench.synthetic import listings, watchlist
from tests.support.notices import T0

ENTRIES = (5_000, 50_000)
LENGTHS = (300, 3_000)
LISTINGS = (500, 5_000)
TIMES = 40


def _row(what: str, sizes: Sequence[int], costs: Sequence[float], unit: str) -> dict[str, Any]:
    few, many = costs
    return {
        "what": what,
        "few": sizes[0],
        "many": sizes[1],
        "few_cost": round(few, 2),
        "many_cost": round(many, 2),
        "unit": unit,
        "grows": round(many / few, 2),
    }


def of_terms(rounds: int, seed: int) -> dict[str, Any]:
    """A listing's screening, with ten times the watchlist entries."""
    ruleset = build_ruleset()
    raws = [one.to_bytes() for one in listings(LISTINGS[0], offers=0.02, near_misses=0.03, seed=seed)]
    ways = {str(number): screening(ruleset.screener(watchlist(number, 1))) for number in ENTRIES}
    took = interleaved(ways, raws, rounds)
    return _row("watchlist entries", ENTRIES, [1e6 * one for one in took.values()], "µs a listing")


def of_listings(rounds: int, seed: int) -> list[dict[str, Any]]:
    """A listing's screening after ten times as many listings, and with ten times the text."""
    way = screening(build_ruleset().screener({}))
    drawn = listings(LISTINGS[1], offers=0.02, near_misses=0.03, seed=seed)
    raws = [one.to_bytes() for one in drawn]
    few = interleaved({"few": way}, raws[: LISTINGS[0]], rounds)["few"]
    many = interleaved({"many": way}, raws, rounds)["many"]
    found = [_row("listings of 600 characters", LISTINGS, [1e6 * few, 1e6 * many], "µs a listing")]
    costs = []
    for length in LENGTHS:
        some = listings(LISTINGS[0], offers=0.02, near_misses=0.03, seed=seed, length=length)
        costs.append(1e6 * interleaved({"one": way}, [one.to_bytes() for one in some], rounds)["one"])
    return [*found, _row("characters of a listing", LENGTHS, costs, "µs a listing")]


def of_cases(sizes: Sequence[int]) -> list[dict[str, Any]]:
    """What the loops ask the casebook all the time, with ten times the open cases (SQLite)."""
    now = T0 + timedelta(days=7, seconds=1_000)
    costs: dict[str, list[float]] = {"any deadline due": [], "next notice due": [], "500 due deadlines": []}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            casebook = Casebook.open(f"sqlite:///{Path(folder) / 'casebook.db'}")
            fill(casebook, size, 2)
            asked = {
                "any deadline due": lambda book=casebook: book.answer(deadlines.any_due, now=T0),
                "next notice due": lambda book=casebook: book.answer(outbox.next_due),
                "500 due deadlines": lambda book=casebook: book.answer(deadlines.due, now=now, limit=500),
            }
            for name, question in asked.items():
                costs[name].append(1e3 * timed(question, TIMES)[0])
            casebook.close()
    return [_row(f"open cases, {name}", sizes, found, "ms a question") for name, found in costs.items()]


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seed", type=int, default=20_261_126)
    options.add_argument("--cases", type=int, default=5_000, help="open cases, and then ten times as many")
    options.add_argument("--page", action="store_true", help="put the figures into deploy/performance.md")
    given = options.parse_args()
    others = Others()
    rows = [
        of_terms(given.rounds, given.seed),
        *of_listings(given.rounds, given.seed),
        *of_cases((given.cases, 10 * given.cases)),
    ]
    for row in rows:
        print(json.dumps(row, ensure_ascii=False))
    if given.page:
        figures = {
            "arguments": " ".join(sys.argv[1:]),
            "measured": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            "others": round(others.cores(), 2),
            "rows": rows,
        }
        page.keep("growth", figures)
        page.write()


if __name__ == "__main__":
    main()
