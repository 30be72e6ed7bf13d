"""Watchlist entries as files: CSV for spreadsheets, JSON for programs. Pure.

What is written is read back as the same entries. A file is taken whole or not at all.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import ValidationError

from schemas.message import digest
from schemas.watchlist import WatchlistEntry
from streams.privacy.sellers import FORM
from streams.screening.expressions import Expressions
from streams.screening.identifiers.entries import keys_of
from streams.screening.images import KINDS as IMAGES
from streams.screening.images import hash_of
from streams.screening.lexicon import watchlist_terms

Format = Literal["csv", "json"]
COLUMNS = tuple(name for name in WatchlistEntry.model_fields if name not in ("schema_version", "type"))
PHONE_DIGITS = 5
"""The shortest numbers that somebody would put on the list."""
FILE_BYTES = 20_000_000
"""A larger file is refused unread."""

# A cell that begins like this is run as a formula by spreadsheets (OWASP, "CSV Injection"). The
# apostrophe before it makes it text; cells that begin with apostrophes and then such a character
# get one more, so that taking one away always gives the original.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")


class BadFile(ValueError):
    """Nothing of the file is taken; ``problems`` names each bad row by its line."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems[:3]))


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a row that does not say it gets."""

    added_by: str
    added_at: datetime


@dataclass(frozen=True, slots=True)
class Row:
    """An entry of a file."""

    line: int
    entry: WatchlistEntry
    defaulted: frozenset[str]
    """Fields that the row left to the defaults; they do not make an entry a changed one."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What an import does, by entry id."""

    added: tuple[WatchlistEntry, ...]
    changed: tuple[WatchlistEntry, ...]
    unchanged: tuple[WatchlistEntry, ...]


def entry_id_of(kind: str, value: str) -> str:
    """An id that a person can read and that the same word gets again."""
    plain = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-")[:40]
    return f"{kind}.{plain or 'entry'}.{digest([kind, value])[:8]}"


def write_csv(entries: Iterable[WatchlistEntry]) -> str:
    """A table with a heading; absent values are empty cells."""
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(COLUMNS)
    for entry in entries:
        row = entry.model_dump(mode="json")
        table.writerow([_guarded(row[name]) for name in COLUMNS])
    return text.getvalue()


def _guarded(value: Any) -> str:
    if value is None:
        return ""
    cell = str(value)
    return f"'{cell}" if _FORMULA.match(cell) else cell


def write_json(entries: Iterable[WatchlistEntry]) -> str:
    """A JSON array, one entry a line."""
    rows = ",\n".join(
        json.dumps(entry.model_dump(mode="json", include=set(COLUMNS), exclude_none=True), ensure_ascii=False)
        for entry in entries
    )
    return f"[\n{rows}\n]\n" if rows else "[]\n"


def read_entries_from(raw: bytes, form: Format, defaults: Defaults) -> tuple[Row, ...]:
    """Every entry of a file; JSON may be an array or one object a line.

    Raises:
        BadFile: a row is bad, an id stands twice, or the whole is not readable.
    """
    if len(raw) > FILE_BYTES:
        raise BadFile([f"the file is larger than {FILE_BYTES:,} bytes"])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadFile([f"line {line}: not UTF-8"]) from error
    rows: list[Row] = []
    problems: list[str] = []
    first_at: dict[str, int] = {}
    for line, fields in _table(text) if form == "csv" else _objects(text):
        try:
            row = _row(line, fields, defaults)
        except ValueError as error:
            problems.append(f"line {line}: {error}")
            continue
        other = first_at.setdefault(row.entry.entry_id, line)
        if other != line:
            problems.append(f"line {line}: the id {row.entry.entry_id} stands in line {other} already")
        rows.append(row)
    if problems:
        raise BadFile(problems)
    return tuple(rows)


def _row(line: int, fields: Any, defaults: Defaults) -> Row:
    if isinstance(fields, ValueError):
        raise fields
    if not isinstance(fields, dict):
        raise ValueError("not an entry: an object with kind, value, reason and source is wanted")
    entry, defaulted = entry_from(fields, defaults)
    return Row(line, entry, defaulted)


def entry_from(fields: Mapping[str, Any], defaults: Defaults) -> tuple[WatchlistEntry, frozenset[str]]:
    """The entry that some fields say, and which of its fields were left to the defaults.

    Raises:
        ValueError: it is none that a worker could match with; the message names the field and says why.
    """
    told = {name: value for name, value in fields.items() if value is not None}
    unknown = sorted(told.keys() - {*COLUMNS, "schema_version", "type"})
    if unknown:
        raise ValueError(f"there is no field {unknown[0][:64]!a}")
    own: dict[str, Any] = {"added_by": defaults.added_by, "added_at": defaults.added_at}
    if "entry_id" not in told and "kind" in told and "value" in told:
        own["entry_id"] = entry_id_of(str(told["kind"]), str(told["value"]))
    try:
        entry = WatchlistEntry.model_validate({**own, **told})
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in fault["loc"])
        raise ValueError(f"{place}: {fault['msg']}") from None
    check_entry(entry)
    return entry, frozenset(own.keys() - told.keys())


def check_entry(entry: WatchlistEntry) -> None:
    """Refuse what no worker could match with.

    Raises:
        ValueError: the value comes down to one letter, is no image hash, no expression, or a keyed name.
    """
    if FORM.search(entry.value):
        raise ValueError(
            "value: this is a keyed name, from a list that was written for others; nothing is found by it. "
            "Import one that was written with --clear-sellers, or see takin privacy whose"
        )
    if entry.kind in IMAGES:
        hash_of(entry)
    elif entry.distance is not None:
        raise ValueError("distance: only an image_pdq entry has one")
    Expressions([entry])  # raises when its expression is none, or finds every text
    for _ in watchlist_terms([entry]):
        pass  # raises when the value comes down to one letter
    if entry.kind == "phone" and len(re.findall(r"\d", entry.value)) < PHONE_DIGITS:
        raise ValueError(f"a telephone number has {PHONE_DIGITS} digits or more")


def retired(entry: WatchlistEntry, *, by: str, why: str, now: datetime) -> WatchlistEntry:
    """The entry as it is no longer looked for, with who said so and why."""
    said = f"Retired by {by} on {now:%Y-%m-%d}: {why.strip()[:1_500]}"
    return entry.model_copy(update={"state": "retired", "state_reason": said})


def advice_for(entry: WatchlistEntry) -> str:
    """What would make an entry find more; empty when nothing would."""
    if entry.kind == "phone" and not keys_of(entry):
        return (
            "It is no number with its country code, so only this very writing is found: "
            "write it as +84 … and it is found however sellers write it."
        )
    return ""


def _table(text: str) -> Iterator[tuple[int, Any]]:
    table = csv.reader(io.StringIO(text, newline=""), strict=True)
    heading = next(table, None)
    if not heading or "value" not in heading:
        raise BadFile([f"line 1: a heading is wanted, of {', '.join(COLUMNS)}"])
    unknown = [name for name in heading if name not in COLUMNS]
    if unknown or len(set(heading)) < len(heading):
        raise BadFile([f"line 1: a column is unknown or stands twice: {(unknown or heading)[0][:64]!a}"])
    line = table.line_num + 1
    try:
        for cells in table:
            if any(cells):
                if len(cells) != len(heading):
                    wrong = ValueError(f"{len(cells)} cells under {len(heading)} columns")
                    yield line, wrong
                else:
                    told = zip(heading, map(_unguarded, cells), strict=True)
                    yield line, {name: cell for name, cell in told if cell}
            line = table.line_num + 1
    except csv.Error as error:
        yield line, ValueError(f"not CSV: {error}")


def _unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _objects(text: str) -> Iterator[tuple[int, Any]]:
    if not text.lstrip().startswith("["):
        for line, row in enumerate(text.split("\n"), 1):
            if row.strip():
                yield line, _parsed(row)
        return
    decoder = json.JSONDecoder()
    at, line = text.index("[") + 1, 1 + text.count("\n", 0, text.index("["))
    expected = False
    while True:
        rest = re.compile(r"\s*").match(text, at)
        start = rest.end() if rest else at
        line += text.count("\n", at, start)
        if text[start : start + 1] == "]" and not expected:
            if text[start + 1 :].strip():
                yield line, ValueError("something follows the end of the array")
            return
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            yield line, ValueError("not JSON")
            return
        yield line, value
        line += text.count("\n", start, end)
        after = re.compile(r"\s*([,\]])").match(text, end)
        if after is None:
            yield line, ValueError("not JSON: the array is not closed")
            return
        expected = after.group(1) == ","
        at = after.end() if expected else after.start(1)
        line += text.count("\n", end, at)


def _parsed(row: str) -> Any:
    try:
        return json.loads(row)
    except (ValueError, RecursionError):
        return ValueError("not JSON")


def compare(rows: Iterable[Row], there: Mapping[str, WatchlistEntry]) -> Comparison:
    """What is new, what differs, and what stands on the list already just so."""
    added: list[WatchlistEntry] = []
    changed: list[WatchlistEntry] = []
    unchanged: list[WatchlistEntry] = []
    for row in rows:
        known = there.get(row.entry.entry_id)
        if known is None:
            added.append(row.entry)
        elif row.entry.model_copy(update={name: getattr(known, name) for name in row.defaulted}) == known:
            unchanged.append(known)
        else:
            changed.append(row.entry)
    return Comparison(tuple(added), tuple(changed), tuple(unchanged))
