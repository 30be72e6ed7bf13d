"""Runs the examples that stand inside the rule packs."""

from datetime import UTC, datetime
from decimal import Decimal

from schemas.listing import Listing, Price
from streams.screening.rules import PackExample
from streams.screening.screener import ScreeningRuleset

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


def run_pack_tests(ruleset: ScreeningRuleset) -> tuple[int, list[str]]:
    """How many examples ran, and a line for each that came out wrong."""
    screener = ruleset.screener({})
    ran = 0
    failures: list[str] = []
    for compiled in ruleset.rules.rules:
        rule = compiled.rule
        where = f"{compiled.pack.pack} / {rule.id}"
        for example in rule.tests.must_hit:
            ran += 1
            verdict = screener.screen(example_listing(example), _WHEN)
            said = {finding.outcome for finding in verdict.rules if finding.rule_id == rule.id}
            wanted = example.outcome or rule.outcome
            if wanted not in said:
                failures.append(
                    f"{where}: {example.title!r} must hit with {wanted}, said {sorted(said)}: "
                    f"{verdict.explanation}"
                )
        for example in rule.tests.must_not_hit:
            ran += 1
            verdict = screener.screen(example_listing(example), _WHEN)
            if any(
                finding.rule_id == rule.id and finding.outcome in ("notify", "review")
                for finding in verdict.rules
            ):
                failures.append(f"{where}: {example.title!r} must not hit: {verdict.explanation}")
    return ran, failures
