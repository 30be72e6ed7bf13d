"""Builds the committed reference files from the raw tables they come from.

``python -m streams.screening.reference_build RAW_DIRECTORY`` reads ``taxa/cites_taxa.csv``,
``taxa/common_names_public_domain.csv`` and ``taxa/common_names_cc_by_sa.csv`` under the directory, lays
the hand-kept ``amendments.csv`` and ``annexes.csv`` over them, row by row, and writes ``taxa.csv.gz``,
``names_public_domain.csv.gz`` and ``names_cc_by_sa.csv.gz`` beside this module. The same input gives the
same bytes. The word lists (``animals.csv``, ``products.csv``, ``specimens.csv``, ``cues.csv``,
``codewords.csv``), amendments, annexes and synonyms are kept by hand and not touched.
"""

import csv
import gzip
import io
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

REFERENCE = Path(__file__).parent / "reference"

TREATY_TEXT = (
    "CITES Appendices as of 25 September 2012 (treaty text); higher listings spelt out with NCBI Taxonomy"
)
AUTHORS = "general knowledge of the authors about amendments since 2013"
PROVENANCE = ("source", "licence", "as_of", "status")
COLUMNS = ("scientific_name", "rank", "appendix", "annotation", "class", "order", "family", "needs_check")

_COVERED = re.compile(r"covered by \w+ listing (\w+)")
_EXCEPTED = re.compile(r"species of the family (\w+)")
_SPLIT = re.compile(r"^\[I\] \(Only the populations? .*Appendix II", re.DOTALL)


def write_table(path: Path, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a gzip-compressed CSV whose bytes depend on its content alone (no time, no file name)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    with path.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
        packed.write(text.getvalue().encode())


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as table:
        return list(csv.DictReader(table))


def _taxon(
    row: dict[str, str], amended: dict[str, dict[str, str]], annexes: dict[str, str]
) -> tuple[str, ...]:
    """One row, with the newest amendment that touches it: its own, or that of the listing that covers it."""
    row = dict(row)
    if row["appendix"] == "I" and _SPLIT.match(row["annotation"]):
        row["appendix"] = "I/II"  # some populations only
    name = row["scientific_name"]
    covering = _COVERED.search(row["annotation"])
    amendment = amended.get(name) or (amended.get(covering.group(1)) if covering else None)
    if amendment is not None:
        if name in amended:
            row["appendix"], row["rank"] = amendment["appendix"], amendment["rank"]
            row["annotation"] = ""  # the old one told of the old listing
            row.update({part: amendment[part] for part in ("class", "order", "family") if amendment[part]})
        if row["appendix"] == amendment["appendix"]:
            row["needs_check"] = "yes"
            origin = tuple(amendment[column] for column in PROVENANCE)
            return (*(row[column] for column in COLUMNS), annexes.get(name, ""), *origin)
    if row["basis"] == "general knowledge":
        row["needs_check"] = "yes"
        origin = (AUTHORS, "facts, no licence needed", "2026-11-23", "unchecked")
    else:
        status = "inferred" if row["needs_check"] == "yes" else "treaty text"
        origin = (TREATY_TEXT, "treaty text and public domain", "2012-09-25", status)
    return (*(row[column] for column in COLUMNS), annexes.get(name, ""), *origin)


def _is_excepted(row: dict[str, str], rows: dict[str, dict[str, str]]) -> bool:
    """True for a species below a listing that leaves out its family: the vultures of the New World."""
    covering = _COVERED.search(row["annotation"])
    above = rows.get(covering.group(1)) if covering else None
    if above is None or "Except" not in above["annotation"]:
        return False
    return row["family"] in _EXCEPTED.findall(above["annotation"])


def _unknown(amendment: dict[str, str]) -> dict[str, str]:
    """A raw row for a name that the raw table lacks."""
    empty = {"annotation": "", "needs_check": "yes", "basis": "general knowledge"}
    return {**amendment, **empty}


def build(raw: Path, target: Path = REFERENCE) -> None:
    """Write the three tables.

    Raises:
        OSError: a raw table cannot be read.
        KeyError: a raw table lacks a column.
    """
    amended = {row["scientific_name"]: row for row in _read(REFERENCE / "amendments.csv")}
    annexes = {row["scientific_name"]: row["annex"] for row in _read(REFERENCE / "annexes.csv")}
    rows = _read(raw / "taxa" / "cites_taxa.csv")
    by_name = {row["scientific_name"]: row for row in rows}
    rows = [row for row in rows if not _is_excepted(row, by_name)]
    there = {row["scientific_name"] for row in rows}
    rows += [_unknown(row) for name, row in amended.items() if name not in there]
    taxa = sorted(_taxon(row, amended, annexes) for row in rows)
    write_table(target / "taxa.csv.gz", (*COLUMNS, "annex", *PROVENANCE), taxa)

    head = ("scientific_name", "language", "name", *PROVENANCE)
    for stem, source, licence in (
        ("public_domain", "NCBI Taxonomy common names", "public domain"),
        ("cc_by_sa", "species-names-dataset 0.0.13 (npm)", "CC BY-SA 4.0"),
    ):
        names = sorted(
            [
                row["scientific_name"],
                row["language"],
                row["name"],
                source,
                licence,
                "2026-11-23",
                "as published",
            ]
            for row in _read(raw / "taxa" / f"common_names_{stem}.csv")
        )
        write_table(target / f"names_{stem}.csv.gz", head, names)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
