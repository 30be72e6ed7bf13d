"""Builds the committed reference files from the raw tables they come from.

``python -m streams.screening.reference_build RAW_DIRECTORY`` reads ``taxa/cites_taxa.csv``,
``taxa/common_names_public_domain.csv`` and ``taxa/common_names_cc_by_sa.csv`` under the directory
and writes ``taxa.csv.gz``, ``names_public_domain.csv.gz`` and ``names_cc_by_sa.csv.gz`` beside this
module. The same input gives the same bytes. The word lists (``animals.csv``, ``products.csv``,
``specimens.csv``, ``cues.csv``, ``codewords.csv``) are kept by hand and not touched.
"""

import csv
import gzip
import io
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

REFERENCE = Path(__file__).parent / "reference"

TREATY_TEXT = (
    "CITES Appendices as of 25 September 2012 (treaty text); higher listings spelt out with NCBI Taxonomy"
)
AUTHORS = "general knowledge of the authors about amendments since 2013"
PROVENANCE = ("source", "licence", "as_of")


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


def build(raw: Path, target: Path = REFERENCE) -> None:
    """Write the three tables.

    Raises:
        OSError: a raw table cannot be read.
        KeyError: a raw table lacks a column.
    """
    columns = ("scientific_name", "rank", "appendix", "annotation", "class", "order", "family", "needs_check")
    taxa = []
    for row in _read(raw / "taxa" / "cites_taxa.csv"):
        by_authors = row["basis"] == "general knowledge"
        origin = (
            (AUTHORS, "facts, no licence needed", "2026-11-23")
            if by_authors
            else (TREATY_TEXT, "treaty text and public domain", "2012-09-25")
        )
        needs_check = "yes" if by_authors else row["needs_check"]
        taxa.append([*(row[column] for column in columns[:-1]), needs_check, *origin])
    taxa.sort()
    write_table(target / "taxa.csv.gz", (*columns, *PROVENANCE), taxa)

    head = ("scientific_name", "language", "name", *PROVENANCE)
    for stem, source, licence in (
        ("public_domain", "NCBI Taxonomy common names", "public domain"),
        ("cc_by_sa", "species-names-dataset 0.0.13 (npm)", "CC BY-SA 4.0"),
    ):
        names = sorted(
            [row["scientific_name"], row["language"], row["name"], source, licence, "2026-11-23"]
            for row in _read(raw / "taxa" / f"common_names_{stem}.csv")
        )
        write_table(target / f"names_{stem}.csv.gz", head, names)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
