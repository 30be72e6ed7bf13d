"""The shape of the cost, in ratios with wide margins; ``make bench`` measures it in full."""

import gc

from streams.screening.screener import build_ruleset
from tests.bench.screening import interleaved, limit, screening, spellings
from tests.bench.synthetic import listings, watchlist


def raws(offers: float, count: int = 150) -> list[bytes]:
    return [one.to_bytes() for one in listings(count, offers=offers, near_misses=0.02, seed=11)]


def test_screening_stays_within_reach_of_merely_finding_the_terms() -> None:
    """The limit itself takes about a third; a step without a gate would cost several times as much."""
    ruleset = build_ruleset()
    ways = {"takin": screening(ruleset.screener(watchlist(500, 1))), "limit": limit(spellings(ruleset, 500))}
    gc.collect()

    took = interleaved(ways, raws(offers=0.0), rounds=5)

    assert took["limit"] / took["takin"] > 0.1


def test_ten_times_the_entries_do_not_double_the_time() -> None:
    ruleset = build_ruleset()
    ways = {str(number): screening(ruleset.screener(watchlist(number, 1))) for number in (300, 3_000)}
    gc.collect()

    few, many = interleaved(ways, raws(offers=0.02), rounds=5).values()

    assert many < 2 * few
