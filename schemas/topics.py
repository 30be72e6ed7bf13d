"""The topic catalogue: the one place that says which topics exist and how they are kept.

``takin topics apply`` creates exactly these and refuses drift.
"""

from dataclasses import dataclass, field
from typing import Literal

from schemas.case_event import CaseEvent
from schemas.checkpoint import AuditCheckpoint
from schemas.dead_letter import DeadLetter
from schemas.detection import Detection
from schemas.listing import Listing
from schemas.message import Message
from schemas.progress import ScreeningProgress
from schemas.report import Report
from schemas.watchlist import ReferenceRelease, RulePackRelease, WatchlistEntry

DAY_MS = 24 * 60 * 60 * 1000
PARTITIONS = 4
"""One partition count for every topic, so that keys land alike everywhere."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as it must exist."""

    name: str
    message: type[Message]
    key: str
    """What the record key is, in words."""
    summary: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    others: tuple[type[Message], ...] = ()
    """Further messages on the topic, told apart from the first by their ``type``."""
    cleanup: Literal["delete", "compact"] = "delete"
    retention_days: float | None = None
    """Absent: kept for ever (compacted topics keep the newest value of each key)."""
    partitions: int = PARTITIONS
    max_message_bytes: int = 1_048_588
    """The broker's own default."""
    extra: dict[str, str] = field(default_factory=dict, hash=False)

    @property
    def messages(self) -> tuple[type[Message], ...]:
        """Every message that a record of the topic may hold."""
        return (self.message, *self.others)

    def config(self) -> dict[str, str]:
        """Topic configuration in Kafka's own names."""
        retention = -1 if self.retention_days is None else int(self.retention_days * DAY_MS)
        return {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(retention),
            "max.message.bytes": str(self.max_message_bytes),
            **self.extra,
        }


LISTINGS = Topic(
    name="listings",
    message=Listing,
    key="platform:listing_id",
    summary="A snapshot of one offer as one platform showed it.",
    producers=("connectors", "intake", "pictures", "auditor", "dead-letters command"),
    consumers=("screening", "pictures", "auditor", "desk", "rules command", "watchlist command"),
    retention_days=28,
)
REPORTS = Topic(
    name="reports",
    message=Report,
    key="report_id",
    summary="What a citizen, officer or partner reported.",
    producers=("intake", "dead-letters command"),
    consumers=("notices",),
    retention_days=90,
)
WATCHLIST = Topic(
    name="watchlist",
    message=WatchlistEntry,
    key="entry_id, pack:NAME of a rule pack, or reference:taxa",
    summary="Entries to look for, released rule packs and lists of taxa; an empty value removes one.",
    producers=(
        "watchlist command",
        "rules command",
        "reference command",
        "dead-letters command",
        "desk",
        "screening",
    ),
    consumers=("screening", "desk", "watchlist command", "rules command", "reference command"),
    others=(RulePackRelease, ReferenceRelease),
    cleanup="compact",
)
DETECTIONS = Topic(
    name="detections",
    message=Detection,
    key="platform:listing_id",
    summary="The verdict on one snapshot under one rule-set version.",
    producers=("screening", "watchlist command", "dead-letters command"),
    consumers=("notices",),
    retention_days=28,
    # The listing itself and what was found in it: a long text must not dodge its own notice.
    max_message_bytes=2_500_000,
)
SCREENING_PROGRESS = Topic(
    name="screening-progress",
    message=ScreeningProgress,
    key="partition number",
    summary="Which offsets of the input have been decided.",
    producers=("screening",),
    consumers=("auditor",),
    retention_days=28,
)
CASE_EVENTS = Topic(
    name="case-events",
    message=CaseEvent,
    key="case_id",
    summary="Everything that happened to a case, in order.",
    producers=("relay",),
    consumers=("dashboards", "exports", "recover command"),
    retention_days=365,
)
AUDIT_CHECKPOINTS = Topic(
    name="audit-checkpoints",
    message=AuditCheckpoint,
    key="key_id",
    summary="Signed statements of what the audit chain held at one moment.",
    producers=("notices",),
    consumers=("auditors",),
)
DEAD_LETTERS = Topic(
    name="dead-letters",
    message=DeadLetter,
    key="dead_letter_id",
    summary="What was set aside, why, the bytes, and how to put it back.",
    producers=("connectors", "intake", "screening", "notices", "dead-letters command"),
    consumers=("dead-letters command",),
    retention_days=365,
)

CATALOGUE: tuple[Topic, ...] = (
    LISTINGS,
    REPORTS,
    WATCHLIST,
    DETECTIONS,
    SCREENING_PROGRESS,
    CASE_EVENTS,
    AUDIT_CHECKPOINTS,
    DEAD_LETTERS,
)


def topic(name: str) -> Topic:
    """The catalogue's entry of that name.

    Raises:
        KeyError: there is no such topic.
    """
    for entry in CATALOGUE:
        if entry.name == name:
            return entry
    raise KeyError(name)
