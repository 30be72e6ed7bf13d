"""How fast one core screens, beside what only finds the terms: ``python -m tests.bench.screening``.

Each round screens the same listings in every way, one after the other, so that a busy machine slows
all of them alike; the medians over the rounds are written as JSON lines. ``limit`` parses the JSON,
casefolds and finds the same terms with the same automaton, and does nothing else. The shares of
offers and near misses are probabilities; the rest are ordinary wares.
"""

import argparse
import gc
import json
import platform
import re
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import ahocorasick_rs
import orjson

from streams.screening.decode import decode
from streams.screening.lexicon import context_terms, listed_terms, named_terms, watchlist_terms
from streams.screening.listing_screener import ListingScreener
from streams.screening.screener import ScreeningRuleset, build_ruleset
from tests.bench.synthetic import OBSERVED, listings, watchlist

ENTRIES = 5_000
SHARES = ((0.0, 0.02), (0.02, 0.03), (0.05, 0.05), (0.20, 0.10))
"""Offers and near misses."""
FRESH = 0.02
"""Share of words that the screening has not met before."""
SLOW_SAMPLE = 12
"""Listings for the ways that take milliseconds each."""

Way = Callable[[bytes], Any]


def spellings(ruleset: ScreeningRuleset, entries: int, part: int = 1) -> list[str]:
    """Every folded spelling that is looked for; with ``part`` 10, every tenth of them."""
    terms = [*named_terms(ruleset.taxa), *listed_terms(ruleset.taxa), *context_terms()]
    own = sorted({term.folded for term in terms if term is not None})
    listed = sorted({term.folded for term in watchlist_terms(watchlist(entries, 1).values())})
    return [*own[::part], *listed[::part]]


def screening(screener: ListingScreener) -> Way:
    def way(raw: bytes) -> Any:
        return screener.screen(decode(raw, OBSERVED), OBSERVED, told=False)  # type: ignore[arg-type]  # all are good

    return way


def _text(raw: bytes) -> str:
    shown = orjson.loads(raw)
    return f" {shown['title']} {shown['description']} ".casefold()


def limit(terms: Sequence[str]) -> Way:
    automaton = ahocorasick_rs.AhoCorasick(
        terms, store_patterns=False, implementation=ahocorasick_rs.Implementation.ContiguousNFA
    )
    find = automaton.find_matches_as_indexes
    return lambda raw: find(_text(raw), overlapping=True)


def expression(terms: Sequence[str]) -> Way:
    found = re.compile("|".join(map(re.escape, terms)))
    return lambda raw: found.findall(_text(raw))


def loop(terms: Sequence[str]) -> Way:
    def way(raw: bytes) -> Any:
        text = _text(raw)
        return [term for term in terms if term in text]

    return way


def per_listing(way: Way, raws: Sequence[bytes]) -> float:
    """CPU seconds for one listing."""
    began = time.process_time()
    for raw in raws:
        way(raw)
    return (time.process_time() - began) / len(raws)


def interleaved(
    ways: dict[str, Way], raws: Sequence[bytes], rounds: int, few: frozenset[str] = frozenset()
) -> dict[str, float]:
    """Median CPU seconds for one listing and way; each way has seen the listings once before."""
    for name, way in ways.items():
        per_listing(way, raws[:SLOW_SAMPLE] if name in few else raws)
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            took[name].append(per_listing(way, raws[:SLOW_SAMPLE] if name in few else raws))
    return {name: statistics.median(times) for name, times in took.items()}


def quantile_ms(way: Way, raws: Sequence[bytes], share: float) -> float:
    """Quantile of the wall-clock time of one listing."""
    times = []
    for raw in raws:
        began = time.perf_counter()
        way(raw)
        times.append(time.perf_counter() - began)
    return sorted(times)[int(share * (len(times) - 1))] * 1_000


def resident_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write JSON lines."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--listings", type=int, default=3_000, help="listings for each share of offers")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seed", type=int, default=20_261_125)
    options.add_argument("--quick", action="store_true", help="leave the ways out that take minutes")
    chosen = options.parse_args(arguments)

    ruleset = build_ruleset()
    screener = ruleset.screener(watchlist(ENTRIES, 1))
    terms = spellings(ruleset, ENTRIES)
    gc.collect()
    gc.freeze()  # as the worker does
    takin = screening(screener)
    _write(
        machine=platform.machine(),
        python=platform.python_version(),
        seed=chosen.seed,
        names=len(ruleset.vocabulary.names),
        terms=len(terms),
        watchlist_entries=ENTRIES,
        unit="microseconds of CPU for one listing of 600 characters",
    )
    for offers, near in SHARES:
        drawn = listings(chosen.listings, offers=offers, near_misses=near, seed=chosen.seed)
        raws = [listing.to_bytes() for listing in drawn]
        took = interleaved({"takin": takin, "limit": limit(terms)}, raws, chosen.rounds)
        _write(
            offers=offers,
            near_misses=near,
            listings=len(raws),
            rounds=chosen.rounds,
            **{name: round(seconds * 1e6, 1) for name, seconds in took.items()},
            listings_a_second=round(1 / took["takin"]),
            of_the_limit=round(took["limit"] / took["takin"], 3),
            p99_ms=round(quantile_ms(takin, raws, 0.99), 3),
        )
    _write(**with_fresh_words(takin, terms, chosen.listings, chosen.seed))
    _write(resident_mb=round(resident_mb()), note="with everything above in one process")
    if not chosen.quick:
        raws = raws[:SLOW_SAMPLE]
        others = {"regular_expression": expression(terms), "keyword_loop": loop(terms)}
        took = interleaved({"takin": takin, **others}, raws, 3)
        _write(**{name: round(seconds * 1e6, 1) for name, seconds in took.items()})
    _write(**growth(chosen.listings, chosen.seed, chosen.rounds))


def with_fresh_words(takin: Way, terms: Sequence[str], count: int, seed: int) -> dict[str, Any]:
    """One pass only, so that words which nobody has used before are read for the first time."""
    drawn = listings(count, offers=0.02, near_misses=0.03, seed=seed + 1, fresh=FRESH)
    raws = [listing.to_bytes() for listing in drawn]
    bare = limit(terms)
    took = {"takin": per_listing(takin, raws), "limit": per_listing(bare, raws)}
    return {
        "offers": 0.02,
        "near_misses": 0.03,
        "words_never_seen_before": FRESH,
        **{name: round(seconds * 1e6, 1) for name, seconds in took.items()},
        "listings_a_second": round(1 / took["takin"]),
        "of_the_limit": round(took["limit"] / took["takin"], 3),
    }


def growth(count: int, seed: int, rounds: int) -> dict[str, Any]:
    """Time with a watchlist of 5,000 entries against 50,000: ten times the terms an operator adds."""
    ruleset = build_ruleset()
    raws = [listing.to_bytes() for listing in listings(count, offers=0.02, near_misses=0.03, seed=seed)]
    ways = {
        f"entries_{number}": screening(ruleset.screener(watchlist(number, 1)))
        for number in (ENTRIES, 10 * ENTRIES)
    }
    took = interleaved(ways, raws, rounds)
    few, many = took.values()
    return {name: round(seconds * 1e6, 1) for name, seconds in took.items()} | {"grows": round(many / few, 2)}


def _write(**figures: Any) -> None:
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
