"""A report as a document: its figures, and the one checksum that every form of it carries. Pure.

The checksum is SHA-256 over the canonical JSON of ``figures`` (sorted keys, no spaces, UTF-8); when it
was made, and the definitions, are not part of it. The CSV holds every figure in a row of its own, so
that :func:`figures_in` gives the same figures back and the checksum can be made again from either.
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from schemas.message import canonical_json
from streams.local.visible import visible

COLUMNS = ("pointer", "value")
BOM = "\ufeff"
_FORMULA = re.compile(r"\s*['=+\-@\t\r\uff1d\uff0b\uff0d\uff20]")
"""What starts a formula in one spreadsheet or another, and the apostrophe, so that it can come off again."""


@dataclass(frozen=True, slots=True)
class Table:
    """Part of a report as people read it."""

    title: str
    heading: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """One report."""

    name: str
    """``sla``, ``trusted-flagger``, ``transparency``."""
    title: str
    version: int
    period: Mapping[str, str | None]
    as_of: datetime
    """Open listings are counted up to then."""
    figures: Mapping[str, Any]
    definitions: Mapping[str, str]
    tables: tuple[Table, ...] = ()
    texts: tuple[tuple[str, str], ...] = ()
    """Heading and paragraph each."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Beside the figures, such as what changed since they were frozen."""

    @property
    def checksum(self) -> str:
        """Of the figures."""
        return checksum(self.figures)

    def to_bytes(self) -> bytes:
        """All of it, to be kept."""
        return canonical_json({**asdict(self), "as_of": self.as_of.isoformat()})

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Document":
        """What :meth:`to_bytes` wrote."""
        kept = json.loads(raw)
        kept["as_of"] = datetime.fromisoformat(kept["as_of"])
        kept["tables"] = tuple(
            Table(one["title"], tuple(one["heading"]), tuple(map(tuple, one["rows"])), one["note"])
            for one in kept["tables"]
        )
        kept["texts"] = tuple(map(tuple, kept["texts"]))
        return cls(**kept)

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "report": self.name,
            "version": self.version,
            "made_at": self.as_of.isoformat(),
            "period": dict(self.period),
            "definitions": dict(self.definitions),
            **self.figures,
            **self.extra,
            "checksum": self.checksum,
            "checksum_of": sorted(self.figures),
        }

    def to_json(self) -> str:
        """The file."""
        return json.dumps(self.as_json(), indent=2, ensure_ascii=False) + "\n"

    def to_csv(self) -> str:
        """Every figure in one row: a JSON Pointer into the figures, and the value as JSON writes it.

        Rows about the report itself come first; their pointers start with ``#``.
        """
        head = [
            ("#report", self.name),
            ("#version", str(self.version)),
            ("#since", self.period.get("since") or ""),
            ("#until", self.period.get("until") or ""),
            ("#made_at", self.as_of.isoformat()),
            ("#checksum", self.checksum),
        ]
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(COLUMNS)
        writer.writerows((name, guarded(value)) for name, value in head)
        writer.writerows((guarded(pointer), _cell(value)) for pointer, value in leaves(self.figures))
        return BOM + text.getvalue()

    def to_text(self) -> str:
        """For a terminal."""
        parts = [text_of(table) for table in self.tables if table.rows]
        parts += [f"{visible(heading)}\n{visible(text, keep_lines=True)}" for heading, text in self.texts]
        return "\n\n".join(parts)


def checksum(figures: Mapping[str, Any]) -> str:
    """SHA-256 over the canonical JSON."""
    return hashlib.sha256(canonical_json(figures)).hexdigest()


def leaves(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that holds no others, with its JSON Pointer (RFC 6901)."""
    if isinstance(value, Mapping) and value:
        for name in sorted(value):
            yield from leaves(value[name], f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list | tuple) and value:
        for place, one in enumerate(value):
            yield from leaves(one, f"{pointer}/{place}")
    else:
        yield pointer, value


def guarded(cell: str) -> str:
    """The text so that no spreadsheet runs it."""
    shown = visible(cell)
    return f"'{shown}" if _FORMULA.match(shown) else shown


def _cell(value: Any) -> str:
    """As JSON writes it, so text stands in quotation marks and is no formula; what acts is escaped."""
    return "".join(
        character if visible(character) == character else json.dumps(character)[1:-1]
        for character in json.dumps(value, ensure_ascii=False, allow_nan=False)
    )


def figures_in(text: str) -> dict[str, Any]:
    """The figures that a CSV holds, for whoever wants to check its checksum.

    Raises:
        ValueError: it is not such a CSV.
    """
    rows = list(csv.reader(io.StringIO(text.removeprefix(BOM), newline="")))
    if not rows or tuple(rows[0]) != COLUMNS:
        raise ValueError("the first row does not name the columns pointer and value")
    root: dict[str, Any] = {}
    for pointer, cell in rows[1:]:
        if pointer.startswith("/"):
            *way, last = [
                part.replace("~1", "/").replace("~0", "~") for part in pointer.removeprefix("/").split("/")
            ]
            place = root
            for part in way:
                place = place.setdefault(part, {})
            place[last] = json.loads(cell)
    found = _lists(root)
    assert isinstance(found, dict), "the root is an object"
    return found


def _lists(value: Any) -> Any:
    """Objects whose names are 0, 1, 2 … become lists again: no figure has such names."""
    if not isinstance(value, dict):
        return value
    inner = {name: _lists(one) for name, one in value.items()}
    if inner and set(inner) == {str(place) for place in range(len(inner))}:
        return [inner[str(place)] for place in range(len(inner))]
    return inner


def text_of(table: Table) -> str:
    """The table for a terminal."""
    lines = [table.heading, *(tuple(visible(cell) for cell in row) for row in table.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.heading))]

    def shown(line: Sequence[str]) -> str:
        first, *rest = zip(line, widths, strict=True)
        return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]).rstrip()

    rule = "  ".join("-" * width for width in widths)
    body = "\n".join([shown(lines[0]), rule, *(shown(line) for line in lines[1:])])
    title = f"{table.title}\n" if table.title else ""
    note = f"\n{table.note}" if table.note else ""
    return f"{title}{body}{note}"
