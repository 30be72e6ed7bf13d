"""What keeps a notice from being written by itself: a hold on the case, and the sender's own record.

A rule whose notices a platform turns down too often costs the sender its standing there. Below the
platform's stop line (:class:`streams.notices.policy.StopLine`) such notices go to a person first.
"""

from dataclasses import dataclass
from datetime import datetime

from schemas.detection import Detection
from streams.notices.casebook import cases, holds, quality
from streams.notices.casebook.database import Transaction
from streams.notices.policy import PlatformPolicy, StopLine


@dataclass(frozen=True, slots=True)
class Record:
    """What became of a rule's notices to a platform."""

    decided: int
    """Notices on which the platform decided, without those that were gone, void or known before."""
    successes: int
    """It acted, wholly or in part, and the act stands."""
    refused: int
    """It holds the listing lawful."""
    overturned: int
    """It acted, and put the listing back after a counter-notice."""


def below(record: Record, line: StopLine) -> str | None:
    """Why a record is below the line; ``None``: it is not, or there is too little to judge."""
    if record.decided < max(line.least_n, 1):
        return None
    success = record.successes / record.decided
    overturned = record.overturned / record.decided
    if success < line.least_success:
        return f"only {success:.1%} of {record.decided} succeeded, {line.least_success:.0%} are needed"
    if overturned > line.most_overturned:
        return (
            f"{overturned:.1%} of {record.decided} were overturned, at most {line.most_overturned:.0%} may be"
        )
    return None


def keeps_back(
    tx: Transaction,
    case: cases.Case,
    detection: Detection,
    platform: PlatformPolicy,
    reviewer: str | None,
    *,
    now: datetime,
) -> str | None:
    """Why no notice is written now; ``None``: nothing keeps it back.

    A hold binds a person as well; the record binds only what no person has looked at.
    """
    hold = holds.in_force(tx, case.case_id, now=now)
    if hold is not None:
        return f"the case is held until {hold.expires_at:%Y-%m-%d %H:%M} UTC"
    if reviewer is not None:
        return None
    rules = {rule.rule_id for rule in detection.rules if not rule.shadow}
    for rule_id, why in quality.below_line(tx, platform.name, sorted(rules), now=now):
        return f"the record of rule {rule_id} with {platform.name}: {why}"
    return None
