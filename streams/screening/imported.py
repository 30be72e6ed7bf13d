"""A list of taxa that an operator imported: its one written form, and how it is laid over the built-in list.

The form is a CSV table, sorted, so that the same list gives the same bytes and the same digest.
"""

import base64
import csv
import hashlib
import io
import lzma
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from schemas.watchlist import ReferenceRelease
from streams.screening.taxa import IMPORTED, Taxa, Taxon

COLUMNS = ("scientific_name", "rank", "appendix", "annotation", "annex", "class", "order", "family")
TABLE_BYTES = 40_000_000
"""An unpacked table larger than this is refused: packed data may be made to fill a worker's memory."""


class BadReference(ValueError):
    """A released list is refused; the message says why."""


@dataclass(frozen=True, slots=True)
class ImportedTaxon:
    """One row of an imported list."""

    name: str
    rank: str
    appendix: str
    annotation: str = ""
    annex: str = ""
    """EU annex A to D, where the list says it."""
    klass: str = ""
    order: str = ""
    family: str = ""

    def cells(self) -> tuple[str, ...]:
        """In the order of :data:`COLUMNS`."""
        return (
            self.name,
            self.rank,
            self.appendix,
            self.annotation,
            self.annex,
            self.klass,
            self.order,
            self.family,
        )


def write_table(rows: Iterable[ImportedTaxon]) -> bytes:
    """The one written form of a list."""
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows(sorted(row.cells() for row in rows))
    return text.getvalue().encode()


def read_table_bytes(raw: bytes) -> tuple[ImportedTaxon, ...]:
    """Read :func:`write_table`'s form.

    Raises:
        BadReference: it is not that form.
    """
    try:
        rows = csv.reader(io.StringIO(raw.decode(), newline=""), strict=True)
        if tuple(next(rows, ())) != COLUMNS:
            raise BadReference("the table has other columns than this version of Takin writes")
        return tuple(ImportedTaxon(*row) for row in rows)
    except (UnicodeDecodeError, csv.Error, TypeError) as broken:
        raise BadReference(f"the table cannot be read ({type(broken).__name__})") from broken


def pack(table: bytes) -> str:
    """The table as it travels."""
    return base64.b64encode(lzma.compress(table, preset=9)).decode()


def unpack(release: ReferenceRelease) -> tuple[ImportedTaxon, ...]:
    """The rows of a release.

    Raises:
        BadReference: the content is not what its digest and count say.
    """
    try:
        unpacker = lzma.LZMADecompressor(memlimit=200_000_000)
        table = unpacker.decompress(base64.b64decode(release.content, validate=True), TABLE_BYTES)
    except (ValueError, lzma.LZMAError) as broken:
        raise BadReference("the content is not a packed table") from broken
    if not unpacker.eof:
        raise BadReference(f"the table is larger than {TABLE_BYTES:,} bytes or cut short")
    if hashlib.sha256(table).hexdigest() != release.sha256:
        raise BadReference("the content is not the one that sha256 was taken of")
    rows = read_table_bytes(table)
    if len(rows) != release.rows:
        raise BadReference(f"the table has {len(rows):,} rows and the release says {release.rows:,}")
    return rows


def lay_over(
    built_in: Taxa, rows: Iterable[ImportedTaxon], *, source: str, licence: str, as_of: date, complete: bool
) -> Taxa:
    """The list in force: imported rows stand in for built-in ones of the same name.

    Of a complete list, built-in names that it neither holds nor covers by a higher taxon are gone.
    Covered ones stay, because their common names are needed; they take the covering row's appendix.
    """
    imported: dict[str, Taxon] = {}
    for row in rows:
        known = built_in.by_name.get(row.name)
        imported[row.name] = Taxon(
            name=row.name,
            rank=row.rank,
            appendix=row.appendix,
            annotation=row.annotation,
            klass=row.klass or (known.klass if known else ""),
            order=row.order or (known.order if known else ""),
            family=row.family or (known.family if known else ""),
            needs_check=False,
            source=source,
            as_of=as_of.isoformat(),
            annex=row.annex,
            licence=licence,
            status=IMPORTED,
        )
    kept = _covered(built_in.by_name, imported) if complete else built_in.by_name
    return replace(built_in, by_name=dict(sorted({**kept, **imported}.items())))


def _covered(built_in: Mapping[str, Taxon], imported: Mapping[str, Taxon]) -> dict[str, Taxon]:
    kept = {}
    for name, taxon in built_in.items():
        above = next(
            (
                imported[higher]
                for higher in (" ".join(name.split()[:2]), name.split()[0], taxon.family, taxon.order)
                if higher != name and higher in imported
            ),
            None,
        )
        if above is not None:
            kept[name] = replace(
                taxon,
                appendix=above.appendix,
                annotation=f"covered by the listing of {above.name}",
                source=above.source,
                as_of=above.as_of,
                licence=above.licence,
                annex=above.annex,
                needs_check=False,
                status=IMPORTED,
            )
    return kept
