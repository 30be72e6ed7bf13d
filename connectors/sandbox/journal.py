"""The journal on disk, and what tests ask it.

Each record is one ``write`` to a file opened for appending, so a killed sandbox loses nothing that
it had told anyone; records are not synced, so a power cut may cost the last of them. A torn last
line belongs to a record that never took effect; the next start cuts it off.
"""

import fcntl
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from connectors.sandbox.records import (
    PageChanged,
    Record,
    RequestReceived,
    Said,
    Stocked,
    Viewed,
    WebhookSent,
    Withdrawn,
    read_record,
    write_record,
)
from schemas.errors import OperatorError


class JournalBrokenError(Exception):
    """A record could not be written, so what it tells must not happen; the sandbox is ending."""


class JournalFile:
    """The one writer of a journal."""

    def __init__(self, path: Path) -> None:
        """Open or make the file and take its lock.

        Raises:
            OperatorError: another sandbox writes to it, or it cannot be opened.
        """
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise OperatorError(f"The sandbox's log {path} cannot be opened ({error.strerror}).") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise OperatorError(
                f"Another sandbox writes to {path}: stop it or give this one another --state folder."
            ) from None
        self._cut_torn_line()

    def _cut_torn_line(self) -> None:
        size = whole = os.fstat(self._fd).st_size
        while whole > 0:
            start = max(0, whole - 65_536)
            feed = os.pread(self._fd, whole - start, start).rfind(b"\n")
            if feed >= 0:
                whole = start + feed + 1
                break
            whole = start
        if whole != size:
            os.ftruncate(self._fd, whole)

    def append(self, record: Record) -> None:
        """Write one record, whole or not at all.

        Raises:
            OSError: the disk is full or gone.
        """
        line = write_record(record)
        written = 0
        try:
            while written < len(line):
                written += os.write(self._fd, line[written:])
        except OSError as error:
            if written:
                os.ftruncate(self._fd, os.fstat(self._fd).st_size - written)
            error.filename = str(self.path)
            raise

    def close(self) -> None:
        """Release the file."""
        os.close(self._fd)


def read_journal(path: Path) -> Iterator[Record]:
    """All whole records of a journal, oldest first; a torn last line is left out.

    Raises:
        OperatorError: a line in the middle is not a record.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                yield read_record(line)
            except ValidationError as error:
                raise OperatorError(
                    f"{path}, line {number} is not a record of the sandbox: use another --state folder."
                ) from error


@dataclass(frozen=True, slots=True)
class EarlyRetry:
    """A notice came again before the promised time."""

    platform: str
    key: str
    attempt: int
    early_by_s: float


class Journal:
    """What happened, to ask questions of: computed from the records, never from the sandbox's memory."""

    def __init__(self, records: tuple[Record, ...]) -> None:
        self.records = records

    @classmethod
    def load(cls, path: Path) -> "Journal":
        """Read the file as it is now; a sandbox may be writing to it."""
        return cls(tuple(read_journal(path)))

    @cached_property
    def requests(self) -> tuple[RequestReceived, ...]:
        """Everything that reached the desks."""
        return tuple(record for record in self.records if isinstance(record, RequestReceived))

    def attempts(self, key: str) -> tuple[RequestReceived, ...]:
        """The notice requests that came under a key, whatever came of them."""
        return tuple(request for request in self.requests if request.key == key and request.attempt)

    def effects(self) -> dict[str, int]:
        """How often each key took effect: 1 at a platform that honours keys."""
        return dict(Counter(r.key for r in self.requests if r.outcome == "accepted" and r.key))

    def noticed_listings(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """``(platform, listing id)`` → the keys under which notices about it took effect, in order."""
        found: dict[tuple[str, str], list[str]] = {}
        for request in self.requests:
            for item in request.accepted.items if request.accepted else ():
                found.setdefault((request.platform, item.listing_id), []).append(request.key or "")
        return {listing: tuple(keys) for listing, keys in found.items()}

    def words(self, key: str) -> tuple[Said, ...]:
        """What a desk said about a notice, in order."""
        return tuple(r for r in self.records if isinstance(r, Said) and r.key == key)

    def webhooks(self, answer_id: str | None = None) -> tuple[WebhookSent, ...]:
        """Attempts to deliver answers, deliberate extras included."""
        return tuple(
            r
            for r in self.records
            if isinstance(r, WebhookSent) and (answer_id is None or r.answer_id == answer_id)
        )

    def undelivered(self) -> tuple[Said, ...]:
        """Answers meant for a webhook that no 2xx has confirmed."""
        delivered = {r.answer_id for r in self.webhooks() if r.result == "delivered"}
        return tuple(
            r for r in self.records if isinstance(r, Said) and r.webhook and r.answer_id not in delivered
        )

    def timeline(self, platform: str, listing_id: str) -> tuple[Record, ...]:
        """Everything about one listing: notices, words, page changes, visits."""
        return tuple(r for r in self.records if r.platform == platform and listing_id in _listings_of(r))

    def views(self, *, agent_contains: str = "") -> tuple[Viewed, ...]:
        """Visits to listing pages."""
        return tuple(
            r
            for r in self.records
            if isinstance(r, Viewed) and r.listing_id is not None and agent_contains in r.agent
        )

    def early_retries(self) -> tuple[EarlyRetry, ...]:
        """Notice requests that came before the last ``Retry-After`` of their key had passed."""
        promised: dict[tuple[str, str], RequestReceived] = {}
        early: list[EarlyRetry] = []
        for request in self.requests:
            if not request.key or not request.attempt:
                continue
            last = promised.pop((request.platform, request.key), None)
            if last and last.not_before and request.at < last.not_before:
                by = (last.not_before - request.at).total_seconds()
                early.append(EarlyRetry(request.platform, request.key, request.attempt, by))
            if request.not_before:
                promised[request.platform, request.key] = request
        return tuple(early)


def _listings_of(record: Record) -> tuple[str, ...]:
    if isinstance(record, RequestReceived):
        return tuple(item.listing_id for item in record.accepted.items) if record.accepted else ()
    if isinstance(record, Said | PageChanged | Stocked | Withdrawn):
        return (record.listing_id,)
    if isinstance(record, Viewed) and record.listing_id is not None:
        return (record.listing_id,)
    return ()
