"""What becomes of one record: a detection, a dead letter, or a count. Pure: the time is an argument."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, Protocol

from schemas.dead_letter import DeadLetterReason, dead_letter
from schemas.detection import Coordinates, Detection, Outcome, RuleFinding, detection_id
from schemas.listing import Listing, content_hash
from streams.screening.decode import Rejected, decode
from streams.screening.output import Output, dead_letter_output, detection_output
from streams.screening.topics import ScreeningTopics
from streams.screening.verdict import RuleFailed, RuleInForce, Screener, Verdict

MAX_OUTPUT_BYTES = 2_400_000
"""Of a record's value: ``schemas.topics.DETECTIONS`` with room for key, headers and framing."""


class Record(Protocol):
    """The part of aiokafka's ``ConsumerRecord`` that is looked at."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """What every decision of a worker is made with."""

    topics: ScreeningTopics
    worker: str
    """Name of this worker, for people who trace a record."""
    known_platforms: frozenset[str] | None = None
    publish_clear: bool = False
    """Also publish detections whose outcome is ``clear``: an audit of a whole run, and tests."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided on one record."""

    outcome: Outcome | Literal["set_aside"]
    output: Output | None
    """Absent: the listing is clear and only counted."""
    platform: str | None = None
    reason: DeadLetterReason | None = None
    """Why it was set aside."""
    observed_at: datetime | None = None
    rules: tuple[RuleFinding, ...] = ()
    """Also of a listing that is clear: what shadow packs and entries found."""
    entries: tuple[str, ...] = ()
    """Watchlist entries that matched."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of one record of a batch."""

    place: int
    """Of the record in its batch, from 0."""
    output: Output | None
    reason: DeadLetterReason | None
    rules: tuple[RuleInForce, ...]
    """Those that were true for it, each with the outcome that it had."""
    entries: tuple[str, ...]


class Reckoning:
    """What the decisions of one batch came to.

    The decision on a listing that is clear and that nothing matched is counted and let go at once: nearly
    all are, and thousands that are kept until Kafka has answered cost memory and time.
    """

    __slots__ = ("decided", "observed", "outcomes", "told")

    def __init__(self, decisions: Iterable[Decision] = ()) -> None:
        self.decided = 0
        """All of them."""
        self.outcomes: dict[tuple[str | None, str], int] = {}
        """How many, by platform (``None``: unreadable) and outcome."""
        self.observed: list[float] = []
        """``observed_at`` of each listing that could be read, seconds since 1970."""
        self.told: list[Told] = []
        """Those with an output, a rule or a watchlist entry, in order."""
        for decision in decisions:
            self.add(decision)

    def add(self, decision: Decision) -> None:
        """Count one more."""
        found = decision.platform, decision.outcome
        self.outcomes[found] = self.outcomes.get(found, 0) + 1
        if decision.observed_at is not None:
            self.observed.append(decision.observed_at.timestamp())
        if decision.output is not None or decision.rules or decision.entries:
            rules = tuple((one.pack, one.rule_id, one.outcome, one.shadow) for one in decision.rules)
            self.told.append(Told(self.decided, decision.output, decision.reason, rules, decision.entries))
        self.decided += 1

    def extend(self, later: "Reckoning") -> None:
        """Count those that came after."""
        for found, times in later.outcomes.items():
            self.outcomes[found] = self.outcomes.get(found, 0) + times
        self.observed += later.observed
        self.told += [replace(one, place=self.decided + one.place) for one in later.told]
        self.decided += later.decided

    def entries(self) -> list[str]:
        """The watchlist entries that matched, one for each listing that it matched."""
        return [entry_id for one in self.told for entry_id in one.entries]

    def plain(self) -> tuple[Any, ...]:
        """In values that :mod:`marshal` takes."""
        told = [
            (one.place, one.output and one.output.plain(), one.reason, one.rules, one.entries)
            for one in self.told
        ]
        return self.decided, self.outcomes, self.observed, told

    @classmethod
    def of_plain(cls, plain: tuple[Any, ...]) -> "Reckoning":
        """From what :meth:`plain` gave."""
        made = cls()
        made.decided, made.outcomes, made.observed, told = plain
        made.told = [Told(place, output and Output(*output), *others) for place, output, *others in told]
        return made


def decide(record: Record, screener: Screener, now: datetime, desk: Desk) -> Decision:
    """Decode and screen one record. Never raises, whatever record and rules do."""
    listing = decode(record.value, now, known_platforms=desk.known_platforms)
    if isinstance(listing, Rejected):
        return set_aside(record, listing, now, desk)
    try:
        verdict = screener.screen(listing, now, told=desk.publish_clear)
        if verdict.outcome == "clear" and not desk.publish_clear:
            return _decision(listing, verdict, None)
        output = detection_output(
            detection_of(record, listing, verdict, screener.version, now), desk.topics.detections
        )
    except Exception as error:
        return set_aside(record, _rule_failed(error), now, desk, listing)
    if len(output.value) > MAX_OUTPUT_BYTES:
        why = Rejected(
            "too_large", "The detection would be larger than Kafka takes: let the connector leave out images."
        )
        return set_aside(record, why, now, desk, listing)
    return _decision(listing, verdict, output)


def _decision(listing: Listing, verdict: Verdict, output: Output | None) -> Decision:
    return Decision(
        verdict.outcome,
        output,
        listing.platform,
        observed_at=listing.observed_at,
        rules=verdict.rules,
        entries=verdict.entries,
    )


def set_aside(
    record: Record, why: Rejected, now: datetime, desk: Desk, listing: Listing | None = None
) -> Decision:
    """A dead letter with the record's coordinates; setting the same record aside again gives the same id."""
    letter = dead_letter(
        stage="screening",
        reason=why.reason,
        detail=why.sentence,
        value=record.value or b"",
        now=now,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        worker=desk.worker,
    )
    return Decision(
        "set_aside",
        dead_letter_output(letter, desk.topics.dead_letters),
        listing.platform if listing else None,
        reason=why.reason,
        observed_at=listing.observed_at if listing else None,
    )


def _rule_failed(error: Exception) -> Rejected:
    what = str(error) if isinstance(error, RuleFailed) else f"screening raised {type(error).__name__}"
    return Rejected("rule_failed", f"{what}: mend the rule, then replay this record.")


def detection_of(
    record: Record,
    listing: Listing,
    verdict: Verdict,
    ruleset_version: str,
    now: datetime,
    *,
    retroactive: bool = False,
) -> Detection:
    """The detection, under the listing's true content hash.

    The id is made from the hash, so a connector that sends a wrong one could make two different
    snapshots look the same to everybody who removes duplicates. It is computed again here, where it
    is used: only for the few listings that are published, not for every one that is read.
    """
    true_hash = content_hash(listing)
    if listing.content_hash != true_hash:
        listing = listing.model_copy(update={"content_hash": true_hash})
    return Detection(
        detection_id=detection_id(listing, ruleset_version),
        platform=listing.platform,
        listing_id=listing.listing_id,
        content_hash=true_hash,
        ruleset_version=ruleset_version,
        outcome=verdict.outcome,
        severity=verdict.severity,
        score=verdict.score,
        taxon=verdict.taxon,
        specimen=verdict.specimen,
        matches=verdict.matches,
        rules=verdict.rules,
        legality=verdict.legality,
        explanation=verdict.explanation,
        retroactive=retroactive,
        screened_at=now,
        source=Coordinates(topic=record.topic, partition=record.partition, offset=record.offset),
        listing=listing,
    )
