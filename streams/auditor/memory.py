"""What the auditor knows between two starts: one small file, written anew and put in place at once."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from streams.auditor.coverage import Coverage


@dataclass(slots=True)
class Memory:
    """Losing it costs time, never truth: the topic of progress is read from its start again."""

    read: dict[int, int] = field(default_factory=dict)
    """Next offset of each partition of ``screening-progress``."""
    decided: dict[int, Coverage] = field(default_factory=dict)
    """By partition of ``listings``."""

    def cover(self, partition: int, first: int, end: int) -> None:
        """These are decided, or published once more."""
        self.decided[partition] = self.decided.get(partition, Coverage()).add(first, end)

    def save(self, path: Path) -> None:
        """Write it; a kill in between leaves the old one."""
        document = {
            "read": self.read,
            "decided": {partition: coverage.ranges for partition, coverage in self.decided.items()},
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Memory":
        """What was saved; nothing when there is no such file or it cannot be read."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                {int(number): int(offset) for number, offset in document["read"].items()},
                {
                    int(number): Coverage(tuple((int(low), int(high)) for low, high in ranges))
                    for number, ranges in document["decided"].items()
                },
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls()
