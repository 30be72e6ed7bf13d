"""What became of each source's last runs: one small file per source and place, for ``takin connectors``.

Beside the cursors, and not part of them: a note that is lost or cannot be written costs nothing but the note.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from connectors.channels.plain import plain_line
from connectors.durable import replace_file
from connectors.errors import ConnectorError
from schemas.message import digest

log = structlog.get_logger(__name__)

SELDOM = timedelta(seconds=30)
"""A source that stands at its end again and again says so this often at most."""
LONGEST = 300
"""Characters of an error's sentence."""


@dataclass(frozen=True, slots=True)
class Note:
    """One source and place. Times are ISO 8601, by our clock."""

    connector: str
    place: str
    read_to_end_at: str | None = None
    failed_at: str | None = None
    reason: str | None = None
    """Of :mod:`connectors.errors`."""
    detail: str | None = None
    """One sentence; words of the other side's in it are plain text."""

    @property
    def is_failing(self) -> bool:
        """Whether the last that is known is a failure."""
        return self.failed_at is not None and (self.read_to_end_at or "") <= self.failed_at


class RunNotes:
    """Notes in a folder."""

    def __init__(self, folder: Path, now: Callable[[], datetime]) -> None:
        self._folder = folder
        self._now = now
        self._said: datetime | None = None

    def failed(self, connector: str, place: str, error: ConnectorError) -> None:
        """Note a failure."""
        self._said = None
        held = self._load(connector, place)
        detail = plain_line(error.detail, LONGEST)
        self._save(replace(held, failed_at=self._now().isoformat(), reason=error.reason, detail=detail))

    def read_to_end(self, connector: str, place: str) -> None:
        """Note that the source stands at its end; the last failure stays to be read."""
        now = self._now()
        if self._said is None or now - self._said >= SELDOM:
            self._said = now
            self._save(replace(self._load(connector, place), read_to_end_at=now.isoformat()))

    def _load(self, connector: str, place: str) -> Note:
        found = read_note(self._path(connector, place))
        return found if found is not None else Note(connector, place)

    def _save(self, note: Note) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            replace_file(self._path(note.connector, note.place), json.dumps(asdict(note), ensure_ascii=False))
        except OSError as error:
            log.warning("note_not_kept", connector=note.connector, error=error.strerror)

    def _path(self, connector: str, place: str) -> Path:
        return self._folder / f"{connector}-{digest([connector, place])[:20]}.json"


def read_note(path: Path) -> Note | None:
    """``None``: there is none, or none that can be read."""
    try:
        note = Note(**json.loads(path.read_text(encoding="utf-8")))
        for at in (note.read_to_end_at, note.failed_at):
            if at is not None:
                datetime.fromisoformat(at)
    except (OSError, ValueError, TypeError):
        return None
    return note


def every_note(folder: Path) -> tuple[Note, ...]:
    """All that can be read."""
    return tuple(note for path in sorted(folder.glob("*.json")) if (note := read_note(path)) is not None)
