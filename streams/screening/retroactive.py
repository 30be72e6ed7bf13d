"""One kept listing under two rule sets: what another set of rules or entries would have said. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemas.detection import Detection
from schemas.listing import Listing
from streams.screening.decision import Record, detection_of
from streams.screening.decode import Rejected, decode
from streams.screening.rules import ORDER
from streams.screening.verdict import RuleFailed, Screener, Verdict


@dataclass(frozen=True, slots=True)
class Changed:
    """A listing on which the two rule sets differ in outcome."""

    record: Record
    listing: Listing
    before: Verdict
    after: Verdict
    version: str
    """Version of the rule set that gave ``after``."""

    @property
    def graver(self) -> bool:
        """Whether the candidate asks for more."""
        return ORDER[self.after.outcome] > ORDER[self.before.outcome]

    def row(self) -> dict[str, Any]:
        """As one JSON line."""
        listing = self.listing
        return {
            "listing": listing.key,
            "url": listing.url,
            "title": listing.title,
            "partition": self.record.partition,
            "offset": self.record.offset,
            "observed_at": listing.observed_at.isoformat(),
            "before": _said(self.before),
            "after": _said(self.after),
            "explanation": self.after.explanation,
        }

    def detection(self, now: datetime) -> Detection:
        """What is published: its id is the one that live screening would give."""
        return detection_of(self.record, self.listing, self.after, self.version, now, retroactive=True)


def _said(verdict: Verdict) -> dict[str, Any]:
    return {
        "outcome": verdict.outcome,
        "score": verdict.score,
        "rules": [f"{one.pack}/{one.rule_id}" for one in verdict.rules if not one.shadow],
    }


@dataclass
class Backtest:
    """Goes through records once and counts; a snapshot that was read before counts once."""

    before: Screener
    after: Screener
    listings: int = 0
    repeated: int = 0
    unreadable: int = 0
    failed: int = 0
    """Listings on which a rule of one of the sets could not be evaluated."""
    changes: dict[str, int] = field(default_factory=dict)
    """By ``"BEFORE -> AFTER"``."""
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def judge(self, record: Record, now: datetime) -> Changed | None:
        """The difference on one record, if there is one."""
        listing = decode(record.value, now)
        if isinstance(listing, Rejected):
            self.unreadable += 1
            return None
        identity = (listing.key, listing.judged)
        if identity in self._seen:
            self.repeated += 1
            return None
        self._seen.add(identity)
        self.listings += 1
        try:
            before, after = self.before.screen(listing, now), self.after.screen(listing, now)
        except RuleFailed:
            self.failed += 1
            return None
        if before.outcome == after.outcome:
            return None
        name = f"{before.outcome} -> {after.outcome}"
        self.changes[name] = self.changes.get(name, 0) + 1
        return Changed(record, listing, before, after, self.after.version)

    def summary(self) -> dict[str, Any]:
        """Counts and versions, for people and programs."""
        return {
            "listings": self.listings,
            "changed": sum(self.changes.values()),
            "changes": dict(sorted(self.changes.items())),
            "repeated": self.repeated,
            "unreadable": self.unreadable,
            "failed": self.failed,
            "ruleset_before": self.before.version,
            "ruleset_after": self.after.version,
        }
