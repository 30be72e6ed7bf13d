"""The dead letters as they stand now, folded from the records of their topic.

A dead letter's record is never changed. Putting it back writes a second record with the same key, no
value and the header ``state: replayed``. The fold does not depend on the order of records, so neither
partitions nor a letter that is set aside twice can undo a replay.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pydantic import ValidationError

from schemas.dead_letter import DeadLetter
from schemas.errors import OperatorError

STATE_HEADER = "state"
REPLAYED = b"replayed"
REPLAYED_AT_HEADER = "replayed-at"
REPLAY_OF_HEADER = "replay-of"
"""On the record that was put back: the id of its dead letter."""
KEY_LIMIT = 2_048
"""Length at which ``schemas.dead_letter`` cuts the base64 of a key."""
Headers = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One dead letter, whatever the number of its records."""

    letter: DeadLetter
    """Without its bytes, which are read again when they are needed."""
    partition: int
    offset: int
    """Where in the dead-letters topic the letter stands with its bytes."""
    times: int = 1
    """How often it was set aside; more than once after a worker was killed."""
    replayed_at: datetime | None = None

    @property
    def is_replayed(self) -> bool:
        """Whether it was put back."""
        return self.replayed_at is not None

    @property
    def source(self) -> str:
        """Where the record came from: coordinates in Kafka, or in words."""
        letter = self.letter
        if letter.partition is not None and letter.offset is not None:
            return f"{letter.topic}:{letter.partition}:{letter.offset}"
        return letter.origin or letter.topic or "unknown"

    def refusal(self) -> str | None:
        """Why it cannot be put back, in words; ``None`` if it can."""
        letter = self.letter
        if self.replayed_at is not None:
            return f"it was put back already, at {self.replayed_at:%Y-%m-%d %H:%M:%S} UTC"
        if letter.topic is None:
            return f"it never reached Kafka; send it again from where it came from ({self.source})"
        if letter.truncated:
            return (
                f"it had {letter.record_bytes} bytes and only the first part was kept; "
                f"send it again from where it came from ({letter.origin or letter.topic})"
            )
        if letter.record_key is not None and len(letter.record_key) >= KEY_LIMIT:
            return "its key was too long to be kept; send it again from where it came from"
        return None


@dataclass(slots=True)
class Ledger:
    """Collects records and knows each dead letter's present state."""

    entries: dict[str, Entry] = field(default_factory=dict)
    unreadable: int = 0
    """Records that are no dead letters at all."""
    _replayed: dict[str, datetime] = field(default_factory=dict)

    def add(
        self,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        partition: int,
        offset: int,
        at: datetime,
    ) -> None:
        """Take one record of the dead-letters topic; ``at`` is its time stamp in Kafka."""
        if (STATE_HEADER, REPLAYED) in headers and key is not None:
            self._mark(key.decode("utf-8", "replace"), at)
            return
        try:
            letter = DeadLetter.from_bytes(value or b"")
        except ValidationError:
            self.unreadable += 1
            return
        known = self.entries.get(letter.dead_letter_id)
        slim = letter.model_copy(update={"record_value": ""})
        self.entries[letter.dead_letter_id] = Entry(
            letter=slim,
            partition=partition,
            offset=offset,
            times=known.times + 1 if known else 1,
            replayed_at=self._replayed.get(letter.dead_letter_id),
        )

    def _mark(self, letter_id: str, at: datetime) -> None:
        at = max(at, self._replayed.get(letter_id, datetime.min.replace(tzinfo=UTC)))
        self._replayed[letter_id] = at
        if letter_id in self.entries:
            self.entries[letter_id] = replace(self.entries[letter_id], replayed_at=at)

    def newest_first(self) -> tuple[Entry, ...]:
        """All entries, the last set aside first."""
        return tuple(
            sorted(
                self.entries.values(),
                key=lambda e: (e.letter.set_aside_at, e.letter.dead_letter_id),
                reverse=True,
            )
        )

    def find(self, start: str) -> Entry:
        """The entry whose id is, or begins with, ``start``.

        Raises:
            OperatorError: there is none, or more than one.
        """
        if start in self.entries:
            return self.entries[start]
        found = [entry for letter_id, entry in self.entries.items() if start and letter_id.startswith(start)]
        if len(found) == 1:
            return found[0]
        raise OperatorError(
            f"{len(found)} dead letters have an id that begins with {start!r}: give more of it."
            if found
            else f"There is no dead letter {start!r}: see takin dead-letters list --all."
        )


def select(
    entries: Iterable[Entry],
    *,
    reason: str | None = None,
    stage: str | None = None,
    replayed_too: bool = True,
) -> tuple[Entry, ...]:
    """The entries with that reason and stage, in the given order."""
    return tuple(
        entry
        for entry in entries
        if (reason is None or entry.letter.reason == reason)
        and (stage is None or entry.letter.stage == stage)
        and (replayed_too or not entry.is_replayed)
    )
