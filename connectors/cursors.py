"""Where each source goes on after a restart: one small file per source and platform.

A cursor is saved only after Kafka has acknowledged what came before it. So a kill repeats at most one page
and skips nothing.
"""

import json
import re
from datetime import datetime
from pathlib import Path

from connectors.durable import replace_file
from schemas.errors import OperatorError
from schemas.message import digest


class CursorStore:
    """Cursors in a folder. One process per source writes; a file is replaced as a whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, connector: str, place: str) -> str | None:
        """The cursor of a source on a platform, file or address; ``None`` before the first page.

        Raises:
            OperatorError: the file is there and cannot be read.
        """
        path = self._path(connector, place)
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            if held["connector"] != connector or held["place"] != place:
                raise ValueError("it belongs to another source")
            return str(held["cursor"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OperatorError(
                f"The cursor file {path} cannot be read ({error}): mend it, or delete it to begin "
                f"at the start again, which repeats listings but loses none."
            ) from error

    def save(self, connector: str, place: str, cursor: str, now: datetime) -> None:
        """Remember a cursor, durably: after this returns not even a power cut loses it."""
        path = self._path(connector, place)
        self._folder.mkdir(parents=True, exist_ok=True)
        held = {"connector": connector, "place": place, "cursor": cursor, "saved_at": now.isoformat()}
        replace_file(path, json.dumps(held, ensure_ascii=False))

    def forget(self, connector: str, place: str) -> None:
        """Begin at the start next time."""
        self._path(connector, place).unlink(missing_ok=True)

    def _path(self, connector: str, place: str) -> Path:
        readable = re.sub(r"[^A-Za-z0-9]+", "-", place).strip("-")[-40:]
        return self._folder / f"{connector}-{readable}-{digest([connector, place])[:12]}.json"
