"""What screening says of one listing, and the two things that say it.

The worker knows the rules only through :class:`Ruleset` and :class:`Screener`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, Self

from schemas.detection import LegalFinding, Match, Outcome, RuleFinding, Severity, Specimen, TaxonRef
from schemas.listing import Listing
from schemas.watchlist import ReferenceRelease, RulePackRelease, WatchlistEntry


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision on one snapshot; the fields mean what they mean in ``schemas.detection.Detection``."""

    outcome: Outcome
    severity: Severity
    score: float
    """How sure the screening is that a specimen of a listed taxon is offered, 0 to 1."""
    taxon: TaxonRef | None
    specimen: Specimen | None
    matches: tuple[Match, ...]
    rules: tuple[RuleFinding, ...]
    explanation: str
    """Sentences a person can put in a file."""
    legality: tuple[LegalFinding, ...] = ()
    """What the law of each place that matters says of it."""
    entries: tuple[str, ...] = ()
    """Ids of the watchlist entries that matched, shadow ones too: for counting."""


RuleInForce = tuple[str, str, str, bool]
"""Pack with its version, rule id, the rule's own outcome, and whether it is in shadow: as it is counted."""


class RuleFailed(Exception):
    """A rule raised on a listing: the listing is set aside and can be replayed once the rule is mended.

    The message must hold no text of the listing. Any other exception that leaves
    :meth:`Screener.screen` is treated alike, but names no rule.
    """

    def __init__(self, rule_id: str, sentence: str) -> None:
        super().__init__(f"rule {rule_id}: {sentence}")
        self.rule_id = rule_id


class Screener(Protocol):
    """Reference data, packs and one watchlist, compiled; immutable."""

    @property
    def version(self) -> str:
        """Version of everything a verdict depends on, 1 to 128 characters.

        Equal versions give equal verdicts: the ids of detections are made from it.
        """
        ...

    def rules_in_force(self) -> tuple[RuleInForce, ...]:
        """The rules that can match, so that one that never does is seen too."""
        ...

    def screen(self, listing: Listing, now: datetime, *, told: bool = True) -> Verdict:
        """Decide on one snapshot. Pure: ``now`` (aware UTC) is the only clock it may look at.

        Without ``told``, a verdict that comes out ``clear`` need not say why: nobody will read it.

        Raises:
            RuleFailed: a rule could not be evaluated on this listing.
        """
        ...


class Ruleset(Protocol):
    """Reference data and packs, loaded once; makes a screener for each state of the watchlist."""

    def screener(self, entries: Mapping[str, WatchlistEntry]) -> Screener:
        """An immutable screener for these entries, by entry id.

        The caller passes only entries that are in force: active or shadow, not expired. May take a
        second; the worker calls it in a thread, one call at a time. An entry that cannot be used
        makes it raise ``ValueError``; the worker then finds out which one and sets it aside.
        """
        ...

    def with_packs(self, releases: Mapping[str, RulePackRelease]) -> Self:
        """The same reference data under the built-in packs and these releases, by Kafka key.

        Checks everything: types of conditions, ids, law, and the examples inside the released packs.

        Raises:
            ValueError: one of them cannot be used; the message names file, line and reason.
        """
        ...

    def with_reference(self, release: ReferenceRelease | None) -> Self:
        """The same packs over the built-in list of taxa and this imported one; ``None``: built-in alone.

        Raises:
            ValueError: it cannot be used; the message says why.
        """
        ...
