"""What a batch came to, and what is told about it before its offsets are committed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from schemas.progress import ScreeningProgress


@dataclass(frozen=True, slots=True)
class Tally:
    """How the records of one batch were decided, and under which rule set."""

    ruleset_version: str
    notify: int = 0
    review: int = 0
    monitor: int = 0
    clear: int = 0
    set_aside: int = 0

    @classmethod
    def of(cls, ruleset_version: str, outcomes: Iterable[tuple[str, int]]) -> "Tally":
        """Add up outcomes, each one of this class's own fields, and how often each was."""
        counts: dict[str, int] = {}
        for outcome, times in outcomes:
            counts[outcome] = counts.get(outcome, 0) + times
        return cls(ruleset_version, **counts)

    @property
    def decided(self) -> int:
        """All of them."""
        return self.notify + self.review + self.monitor + self.clear + self.set_aside


def progress_message(
    topic: str,
    partition: int,
    first_offset: int,
    next_offset: int,
    tallies: Iterable[Tally],
    *,
    worker: str,
    now: datetime,
) -> ScreeningProgress:
    """One run of decided offsets.

    The ranges that all workers of a group publish for a partition leave no hole: each commit is
    covered before it is made, and each worker begins at the commit. After a kill they may overlap.
    """
    told = tuple(tallies)
    return ScreeningProgress(
        topic=topic,
        partition=partition,
        first_offset=first_offset,
        next_offset=next_offset,
        decided=sum(tally.decided for tally in told),
        notify=sum(tally.notify for tally in told),
        review=sum(tally.review for tally in told),
        monitor=sum(tally.monitor for tally in told),
        clear=sum(tally.clear for tally in told),
        set_aside=sum(tally.set_aside for tally in told),
        ruleset_versions=tuple(dict.fromkeys(tally.ruleset_version for tally in told)),
        worker=worker,
        decided_at=now,
    )
