"""Listings from a file: JSON Lines or CSV, at full speed, resumable by byte offset.

A line that cannot be used becomes a dead letter with ``file:line``; its neighbours are untouched. A row of a
CSV file may span lines; if its quotes never close, only its first line is set aside and reading goes on after
that.
"""

import asyncio
import csv
import hashlib
import io
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import orjson

from connectors.mapping import Unusable
from connectors.platform import Page
from connectors.sources.rows import row_listing
from schemas.dead_letter import KEEP, DeadLetter, dead_letter
from schemas.errors import OperatorError
from schemas.listing import Listing

MAX_LINE = 1_000_000
"""Bytes of one line; a listing must fit into one Kafka record of 1 MB."""
PAGE = 200
_TAIL = 256
_CSV_MAX_FIELD = 250_000
"""Characters of one cell: above the longest description that a listing takes."""


@dataclass(frozen=True, slots=True)
class FileCursor:
    """How far a file was read, and how to tell that it is still the same file."""

    inode: int
    offset: int
    """Bytes read."""
    line: int
    """Lines read."""
    tail: str
    """SHA-256 of the last bytes before ``offset``: a file that was written anew has others."""

    def to_text(self) -> str:
        """For :class:`connectors.cursors.CursorStore`."""
        return json.dumps({"inode": self.inode, "offset": self.offset, "line": self.line, "tail": self.tail})

    @classmethod
    def from_text(cls, text: str) -> "FileCursor | None":
        """``None`` when it is not one of ours."""
        try:
            held = json.loads(text)
            return cls(int(held["inode"]), int(held["offset"]), int(held["line"]), str(held["tail"]))
        except (ValueError, KeyError, TypeError):
            return None


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    raw: bytes
    """At most one byte more than a dead letter keeps."""
    size: int
    ended: bool
    """There was a line feed."""


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    raw: bytes
    size: int
    content: object
    problem: Unusable | None = None


class FileSource:
    """One file of listings."""

    def __init__(
        self,
        path: Path,
        *,
        platforms: Mapping[str, str],
        now: Callable[[], datetime],
        run_id: str,
        page_size: int = PAGE,
        limit: int | None = None,
        follow: bool = False,
        poll_s: float = 0.5,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """``platforms``: see :func:`connectors.sources.rows.row_listing`. ``limit`` counts rows, used or not.
        ``follow`` waits for more at the end, and says at each look that it is there. ``progress`` is told
        the bytes read so far.

        Raises:
            OperatorError: no such file, or an ending that is not known.
        """
        self.path = path
        self._platforms = platforms
        self._now = now
        self._run_id = run_id
        self._page_size = page_size
        self._limit = limit
        self._follow = follow
        self._poll_s = poll_s
        self._progress = progress
        readers = {".jsonl": _json_rows, ".ndjson": _json_rows, ".csv": _csv_rows}
        if path.suffix.lower() not in readers:
            raise OperatorError(
                f"{path} has an ending that is not known: listings come as .jsonl, .ndjson or .csv."
            )
        self._rows = readers[path.suffix.lower()]
        if not path.is_file():
            raise OperatorError(f"There is no file {path}: give the path of a .jsonl or .csv file.")

    @property
    def size(self) -> int:
        """Bytes of the file now."""
        return self.path.stat().st_size

    async def read(self, since: str | None) -> AsyncIterator[Page]:
        """From the cursor to the end, page by page; the cursor of a file that was replaced is ignored.

        Raises:
            OperatorError: the file cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                start = self._start(file, since)
                lines = _Lines(file, start.offset, start.line, self._follow)
                left = self._limit
                while left is None or left > 0:
                    wanted = self._page_size if left is None else min(self._page_size, left)
                    page, read = self._page(lines, wanted)
                    left = None if left is None else left - read
                    if read:
                        if self._progress:
                            self._progress(lines.offset)
                        yield page
                    elif not self._follow:
                        return
                    else:
                        yield Page((), at_end=True)
                        await asyncio.sleep(self._poll_s)
        except OSError as error:
            raise OperatorError(f"{self.path} cannot be read: {error.strerror or error}.") from error

    def _start(self, file: BinaryIO, since: str | None) -> FileCursor:
        inode = os.fstat(file.fileno()).st_ino
        cursor = FileCursor.from_text(since) if since else None
        if cursor and cursor.inode == inode and _tail(file, cursor.offset) == cursor.tail:
            return cursor
        return FileCursor(inode, 0, 0, _tail(file, 0))

    def _page(self, lines: "_Lines", wanted: int) -> tuple[Page, int]:
        now = self._now()
        listings: list[Listing] = []
        aside: list[DeadLetter] = []
        read = 0
        for row in self._rows(lines):
            read += 1
            try:
                if row.problem:
                    raise row.problem
                listings.append(
                    row_listing(
                        row.content, platforms=self._platforms, connector="file", run_id=self._run_id, now=now
                    )
                )
            except Unusable as refusal:
                aside.append(self._set_aside(row, refusal, now))
            if read >= wanted:
                break
        cursor = FileCursor(
            os.fstat(lines.file.fileno()).st_ino,
            lines.offset,
            lines.number,
            _tail(lines.file, lines.offset),
        )
        return Page(tuple(listings), tuple(aside), cursor.to_text()), read

    def _set_aside(self, row: _Row, refusal: Unusable, now: datetime) -> DeadLetter:
        letter = dead_letter(
            stage="connector",
            reason=refusal.reason,
            detail=f"Line {row.line}: {refusal.detail}",
            value=row.raw,
            now=now,
            origin=f"{self.path}:{row.line}",
            worker=self._run_id,
        )
        # Of a huge line only the part that is kept was held in memory.
        return letter.model_copy(update={"record_bytes": row.size}) if row.size > len(row.raw) else letter


class _Lines:
    """Lines of a file with their place; never holds more of one than a dead letter keeps."""

    def __init__(self, file: BinaryIO, offset: int, number: int, follow: bool) -> None:
        self.file = file
        self.offset = offset
        self.number = number
        self._follow = follow

    def next(self) -> _Line | None:
        """``None`` at the end; while following, also for a line that is still being written."""
        self.file.seek(self.offset)
        raw = self.file.readline(KEEP + 1)
        if not raw:
            return None
        size, ended = len(raw), raw.endswith(b"\n")
        if not ended and size > KEEP:
            size, ended = self._skip(size)
        if not ended and self._follow:
            return None
        self.offset += size
        self.number += 1
        return _Line(self.number, raw, size, ended)

    def _skip(self, size: int) -> tuple[int, bool]:
        """Length of the rest of a line that is too long to be held."""
        while piece := self.file.readline(1 << 20):
            size += len(piece)
            if piece.endswith(b"\n"):
                return size, True
        return size, False


def _tail(file: BinaryIO, offset: int) -> str:
    start = max(0, offset - _TAIL)
    file.seek(start)
    return hashlib.sha256(file.read(offset - start)).hexdigest()


def _too_large(line: _Line) -> Unusable:
    return Unusable("too_large", f"the line has {line.size} bytes; a listing may have at most {MAX_LINE}.")


def _json_rows(lines: _Lines) -> Iterator[_Row]:
    while line := lines.next():
        raw = line.raw.strip()
        if line.number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        if not raw:
            continue
        content, problem = None, None
        if line.size > MAX_LINE:
            problem = _too_large(line)
        else:
            try:
                raw.decode()
                content = orjson.loads(raw)
            except UnicodeDecodeError as error:
                problem = Unusable("undecodable", f"byte {error.start} of the line is not UTF-8.")
            except orjson.JSONDecodeError as error:
                problem = Unusable("not_json", f"the line is not JSON: {error.msg}.")
        yield _Row(line.number, raw, line.size, content, problem)


def _csv_rows(lines: _Lines) -> Iterator[_Row]:
    """Rows after the header, which is read again at every resume."""
    header = _header(lines)
    while line := lines.next():
        if not line.raw.strip():
            continue
        yield _csv_row(header, line, lines)


def _header(lines: _Lines) -> list[str]:
    own = _Lines(lines.file, 0, 0, follow=False)
    line = own.next()
    text = line.raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace") if line else ""
    if lines.offset == 0 and line:
        lines.offset, lines.number = own.offset, own.number
    return [name.strip().lower() for name in next(csv.reader([text]), [])]


def _csv_row(header: list[str], first: _Line, lines: _Lines) -> _Row:
    """The row that begins with ``first``; on trouble reading goes on with the line after ``first``."""
    after_first = (lines.offset, lines.number)
    raw, size = bytearray(first.raw), first.size
    line: _Line | None = first
    open_quote = False
    while line is not None:
        open_quote ^= line.raw.count(b'"') % 2 == 1
        if size > MAX_LINE:
            lines.offset, lines.number = after_first
            return _Row(
                first.number,
                first.raw,
                first.size,
                None,
                _too_large(first) if first.size > MAX_LINE else _open_quote(),
            )
        if open_quote:
            line = lines.next()
            if line is not None:
                raw += line.raw
                size += line.size
            continue
        try:
            cells = _cells(bytes(raw))
        except csv.Error as error:
            lines.offset, lines.number = after_first
            problem = Unusable("wrong_shape", f"the row is not CSV: {error}.")
            return _Row(first.number, first.raw, first.size, None, problem)
        return _Row(first.number, bytes(raw), size, *_content(header, cells))
    lines.offset, lines.number = after_first
    return _Row(first.number, first.raw, first.size, None, _open_quote())


def _cells(raw: bytes) -> list[str]:
    # Undecodable bytes survive as lone surrogates, so that only the row that holds them is set aside.
    text = raw.decode("utf-8", "surrogateescape")
    limit = csv.field_size_limit(_CSV_MAX_FIELD)
    try:
        return next(csv.reader(io.StringIO(text, newline=""), strict=True), [])
    finally:
        csv.field_size_limit(limit)


def _content(header: list[str], cells: list[str]) -> tuple[object, Unusable | None]:
    for cell in cells:
        try:
            cell.encode()
        except UnicodeEncodeError:
            return None, Unusable("undecodable", "the row holds bytes that are not UTF-8.")
    if len(cells) != len(header):
        return None, Unusable(
            "wrong_shape", f"the row has {len(cells)} cells and the header names {len(header)} columns."
        )
    return dict(zip(header, cells, strict=True)), None


def _open_quote() -> Unusable:
    return Unusable("wrong_shape", "a quote is opened and never closed.")
