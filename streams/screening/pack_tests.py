"""Runs the examples that stand inside the rule packs."""

from collections.abc import Container, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

from schemas.detection import RuleFinding
from schemas.listing import Listing, Price
from schemas.watchlist import WatchlistEntry
from streams.screening.pack_file import PackExample
from streams.screening.rules import CompiledRule, RuleBook
from streams.screening.verdict import RuleFailed, Screener


class Tested(Protocol):
    """The part of a rule set that the examples are run against."""

    rules: RuleBook

    def screener(self, entries: Mapping[str, WatchlistEntry]) -> Screener:
        """A screener for these entries."""
        ...


_WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def example_listing(example: PackExample) -> Listing:
    """The listing that an example describes."""
    return Listing.sealed(
        platform="example",
        listing_id="1",
        url="https://example.org/1",
        title=example.title,
        description=example.text,
        price=Price(amount=Decimal(1)) if example.price else None,
        observed_at=_WHEN,
        connector="example",
        run_id="example",
    )


def run_pack_tests(ruleset: Tested, packs: Container[str] | None = None) -> tuple[int, list[str]]:
    """How many examples ran, and a line for each that came out wrong, with its place.

    ``packs``: only those of the packs with these labels (name and version).
    """
    screener = ruleset.screener({})
    ran = 0
    failures: list[str] = []
    for compiled in ruleset.rules.rules:
        if packs is not None and compiled.pack.label not in packs:
            continue
        tests = compiled.rule.tests
        ran += len(tests.must_hit) + len(tests.must_not_hit)
        for kind, examples in (("must_hit", tests.must_hit), ("must_not_hit", tests.must_not_hit)):
            for number, example in enumerate(examples):
                wrong = _wrong(compiled, screener, example, must_hit=kind == "must_hit")
                if wrong:
                    at = compiled.pack.rules.index(compiled.rule)
                    place = compiled.pack.place("rules", at, "tests", kind, number)
                    failures.append(f"{place}: {compiled.rule.id}: {example.title!r} {wrong}")
    return ran, failures


def _wrong(compiled: CompiledRule, screener: Screener, example: PackExample, *, must_hit: bool) -> str:
    """What is wrong with the verdict on an example; empty when nothing is."""
    try:
        verdict = screener.screen(example_listing(example), _WHEN)
    except RuleFailed as failed:
        return f"cannot be judged: {failed}"
    said = {finding.outcome for finding in verdict.rules if _is_of(compiled, finding)}
    if must_hit:
        wanted = example.outcome or compiled.rule.outcome
        if wanted not in said:
            return f"must hit with {wanted}, said {sorted(said)}: {verdict.explanation}"
    elif said & {"notify", "review"}:
        return f"must not hit: {verdict.explanation}"
    return ""


def _is_of(compiled: CompiledRule, finding: RuleFinding) -> bool:
    wanted = (compiled.rule.id, compiled.pack.label, compiled.pack.shadow)
    return (finding.rule_id, finding.pack, finding.shadow) == wanted
