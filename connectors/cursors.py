"""Where each source goes on after a restart, and not before when: small files per source and platform.

A cursor is saved only after Kafka has acknowledged what came before it. So a kill repeats at most one page
and skips nothing. A wait that the platform asked for is kept beside it, so that a restart does not cut it.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from connectors.durable import replace_file
from connectors.http import RETRY_AFTER_MAX_S
from schemas.errors import OperatorError
from schemas.message import digest

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wait:
    """For how long a platform asked to be left alone. Times are by our clock."""

    connector: str
    place: str
    asked_at: datetime
    until: datetime

    def left_s(self, now: datetime) -> float:
        """Seconds that are left; 0 when it is over.

        Never more than was asked for, and never more than the longest wait that is heeded: a clock that was
        set back, or a file that says otherwise, makes it no longer.
        """
        asked_s = (self.until - self.asked_at).total_seconds()
        return max(min((self.until - now).total_seconds(), asked_s, RETRY_AFTER_MAX_S), 0.0)


class CursorStore:
    """Cursors and waits in a folder. One process per source writes; a file is replaced as a whole."""

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
        """Begin at the start next time. A wait stays: it is the platform's wish."""
        self._path(connector, place).unlink(missing_ok=True)

    def wait(self, connector: str, place: str) -> Wait | None:
        """What the platform asked for last, also when it is over; ``None`` where nothing can be read."""
        found = _read_wait(self._path(connector, place, ".wait"))
        return found if found is not None and (found.connector, found.place) == (connector, place) else None

    def keep_wait(self, connector: str, place: str, seconds: float, now: datetime) -> None:
        """Remember a wait as durably as a cursor; longer than the longest that is heeded it never is.

        A disk that takes nothing is logged: the wait is then kept by this process alone.
        """
        until = now + timedelta(seconds=min(seconds, RETRY_AFTER_MAX_S))
        held = {
            "connector": connector,
            "place": place,
            "asked_at": now.isoformat(),
            "until": until.isoformat(),
        }
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            replace_file(self._path(connector, place, ".wait"), json.dumps(held, ensure_ascii=False))
        except OSError as error:
            log.warning("wait_not_kept", connector=connector, error=error.strerror)

    def _path(self, connector: str, place: str, suffix: str = ".json") -> Path:
        readable = re.sub(r"[^A-Za-z0-9]+", "-", place).strip("-")[-40:]
        return self._folder / f"{connector}-{readable}-{digest([connector, place])[:12]}{suffix}"


def every_wait(folder: Path) -> tuple[Wait, ...]:
    """All that can be read, also those that are over."""
    return tuple(wait for path in sorted(folder.glob("*.wait")) if (wait := _read_wait(path)) is not None)


def _read_wait(path: Path) -> Wait | None:
    """``None``: there is none, or none that can be read; asking too early costs less than not asking."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        asked_at, until = (datetime.fromisoformat(held[name]) for name in ("asked_at", "until"))
        if asked_at.tzinfo is None or until.tzinfo is None:
            raise ValueError("a time without a zone")
        return Wait(str(held["connector"]), str(held["place"]), asked_at, until)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("wait_not_read", path=str(path), error=str(error))
        return None
