"""How often notices were right, by the rule they rest on and by whether a person had looked. Pure.

Each share has Wilson's interval (:func:`streams.reports.estimates.wilson`): a sample is small.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from streams.notices.casebook.sampling import Verdict
from streams.reports.estimates import Interval, wilson

ALL = "all"
KINDS = {True: "automatic", False: "approved"}


@dataclass(frozen=True, slots=True)
class RuleQuality:
    """One rule's notices that another person looked at."""

    rule: str
    """``all``: whatever they rest on."""
    kind: str
    """``automatic``, ``approved`` (a person had looked) or ``all``."""
    looked_at: int
    right: int

    @property
    def precision(self) -> float:
        """Share of right ones."""
        return self.right / self.looked_at

    @property
    def interval(self) -> Interval:
        """With 95 % confidence."""
        found = wilson(self.right, self.looked_at)
        assert found is not None, "a line stands for one notice at least"
        return found

    @property
    def words(self) -> tuple[str, str, str, str, str]:
        """As a page and the command show it: looked at, right, precision, and the interval's ends."""
        shares = (self.precision, self.interval.low, self.interval.high)
        precision, low, high = (f"{one:.1%}" for one in shares)
        return str(self.looked_at), str(self.right), precision, low, high

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        interval = [self.interval.low, self.interval.high]
        counts = {"looked_at": self.looked_at, "right": self.right}
        return {
            "rule": self.rule,
            "kind": self.kind,
            **counts,
            "precision": self.precision,
            "interval": interval,
        }


def by_rule(verdicts: Iterable[Verdict]) -> tuple[RuleQuality, ...]:
    """A line for each rule and kind; the sum first. A notice of several rules counts for each of them."""
    counts: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for one in verdicts:
        for rule in (ALL, *one.rules):
            for kind in (ALL, KINDS[one.automatic]):
                counts[rule, kind].append(one.right)
    order = sorted(counts, key=lambda key: (key[0] != ALL, key[0], key[1] != ALL, key[1]))
    return tuple(
        RuleQuality(rule, kind, len(counts[rule, kind]), sum(counts[rule, kind])) for rule, kind in order
    )
