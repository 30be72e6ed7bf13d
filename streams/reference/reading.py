"""An operator's own list of taxa, as Species+ or the Checklist of CITES Species write it. Pure.

A file is taken whole or not at all. Columns are known by their headings in the public forms; what is
not known is left aside and named.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from streams.screening.imported import ImportedTaxon

FILE_BYTES = 100_000_000
"""A larger file is refused unread."""

_HEADINGS: Mapping[str, tuple[str, ...]] = {
    "name": ("scientificname", "fullname", "taxonname", "acceptedname", "taxon"),
    "rank": ("rank", "rankname", "taxonrank"),
    "listing": ("listing", "currentlisting", "appendix", "citeslisting", "citesappendix", "listings"),
    "under": ("listedunder",),
    "note": ("fullnote", "annotation", "annotationenglish", "fullannotationenglish", "notes", "note"),
    "hash": ("fullhashnote", "hashfullnote", "hashannotation", "hashannotationenglish"),
    "annex": ("annex", "euannex", "eulisting", "currenteulisting"),
    "klass": ("class", "classname"),
    "order": ("order", "ordername"),
    "family": ("family", "familyname"),
    "genus": ("genus",),
    "species": ("species",),
    "subspecies": ("subspecies",),
}
_RANKS = frozenset(
    [
        "phylum",
        "subphylum",
        "class",
        "subclass",
        "order",
        "suborder",
        "superfamily",
        "family",
        "subfamily",
        "tribe",
        "genus",
        "species",
        "subspecies",
        "variety",
    ]
)
_NAME = re.compile(r"[A-Z][A-Za-zÀ-ÿ-]+(?: [×x]? ?\(?[A-Za-zÀ-ÿ.-]+\)?){0,4}")
_SPP = re.compile(r"\s+(?:spp?|ssp)\.?$")
_LISTING = re.compile(r"(?<![A-Z])(?:III|II|I|NC)(?![A-Z])")
_ANNEX = re.compile(r"(?<![A-Z])[A-D](?![A-Z])")
_APPENDICES = ("I", "II", "III")


class BadList(ValueError):
    """Nothing of the file is taken; ``problems`` names each bad row by its line."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(problems[0] if problems else "the file is refused")


@dataclass(frozen=True, slots=True)
class OperatorsList:
    """What a file holds."""

    taxa: tuple[ImportedTaxon, ...]
    left_aside: tuple[str, ...]
    """Headings of columns that are not used."""
    not_listed: tuple[str, ...]
    """Names that the file gives as in no appendix (NC); they are not taken."""


def read_list(raw: bytes, encoding: str | None = None) -> OperatorsList:
    """Every taxon of a CSV file; rows of one taxon (populations, split listings) become one.

    Raises:
        BadList: the file cannot be read, lacks a column, or holds a bad row.
    """
    text = _decoded(raw, encoding)
    rows = _rows(text)
    _, heading = next(rows, (1, []))
    places, left_aside = _columns(heading)
    taxa: dict[str, ImportedTaxon] = {}
    problems: list[str] = []
    not_listed: list[str] = []
    for line, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        try:
            if len(cells) != len(heading):
                raise ValueError(
                    f"{len(cells)} cells under {len(heading)} columns: a quote or a separator is missing"
                )
            taxon = _taxon({name: cells[at].strip() for name, at in places.items()})
        except ValueError as bad:
            problems.append(f"line {line}: {bad}")
            continue
        if taxon.appendix == "":
            not_listed.append(taxon.name)
            continue
        try:
            taxa[taxon.name] = _joined(taxa[taxon.name], taxon) if taxon.name in taxa else taxon
        except ValueError as bad:
            problems.append(f"line {line}: {bad}")
    if problems:
        raise BadList(problems)
    if not taxa:
        raise BadList([f"line 1: no listed taxon in {max(0, text.count(chr(10)) - 1)} rows"])
    return OperatorsList(tuple(taxa.values()), left_aside, tuple(dict.fromkeys(not_listed)))


def _decoded(raw: bytes, encoding: str | None) -> str:
    if len(raw) > FILE_BYTES:
        raise BadList([f"the file is larger than {FILE_BYTES:,} bytes"])
    if encoding is None:
        encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadList(
            [
                f"line {line}: not {encoding.removesuffix('-sig').upper()}: name the encoding, "
                "for example --encoding cp1252"
            ]
        ) from error
    except LookupError as error:
        raise BadList([f"there is no encoding {encoding!a}"]) from error


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line on which each begins; the separator is the commonest of the heading."""
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    table = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = 1
    try:
        for cells in table:
            yield line, cells
            line = table.line_num + 1
    except csv.Error as error:
        raise BadList([f"line {line}: not CSV: {error}"]) from error


def _plain(heading: str) -> str:
    return re.sub(r"[^a-z]+", "", heading.replace("#", "hash").lower().replace("fullname/", ""))


def _columns(heading: list[str]) -> tuple[dict[str, int], tuple[str, ...]]:
    known = [_plain(cell) for cell in heading]
    places: dict[str, int] = {}
    for name, spellings in _HEADINGS.items():
        at = next((known.index(one) for one in spellings if one in known), None)
        if at is not None:
            places[name] = at
    if "listing" not in places and "annex" not in places:
        raise BadList([f"line 1: no column says the appendix: one of {', '.join(_HEADINGS['listing'])}"])
    if "name" not in places and "genus" not in places:
        raise BadList(["line 1: no column says the scientific name: for example “Scientific Name”"])
    return places, tuple(cell.strip() for at, cell in enumerate(heading) if at not in places.values())


def _taxon(told: Mapping[str, str]) -> ImportedTaxon:
    name = told.get("name") or " ".join(
        told.get(part, "") for part in ("genus", "species", "subspecies") if told.get(part)
    )
    name = _SPP.sub("", " ".join(name.split()))
    if not name:
        raise ValueError("no scientific name")
    if len(name) > 200 or not _NAME.fullmatch(name):
        raise ValueError(f"{name[:80]!a} is no scientific name")
    rank = told.get("rank", "").lower() or _rank_of(name, told)
    if rank not in _RANKS:
        raise ValueError(f"{name}: there is no rank {rank[:40]!a}")
    appendix = _appendix(name, told.get("listing", ""))
    notes = [told.get("note", ""), told.get("hash", "")]
    under = told.get("under", "")
    if under and under != name:
        notes.append(f"listed under {under}")
    return ImportedTaxon(
        name=name,
        rank=rank,
        appendix=appendix,
        annotation="; ".join(" ".join(note.split()) for note in notes if note)[:4_000],
        annex="/".join(dict.fromkeys(_ANNEX.findall(told.get("annex", "").upper())))[:16],
        klass=told.get("klass", "")[:64],
        order=told.get("order", "")[:64],
        family=told.get("family", "")[:64],
    )


def _rank_of(name: str, told: Mapping[str, str]) -> str:
    words = len(name.split())
    if words >= 2:
        return "species" if words == 2 else "subspecies"
    return next((rank for rank in ("family", "order") if told.get(rank) == name), "genus")


def _appendix(name: str, listing: str) -> str:
    """``I``, ``II``, ``III`` or several with a stroke; empty when it is in none."""
    said = listing.upper().replace("APPENDIX", " ").replace("APPENDICES", " ")
    found = _LISTING.findall(said)
    if not found or _LISTING.sub("", said).strip(" /,;.&\n\r\t"):
        raise ValueError(f"{name}: {listing[:40]!a} is no appendix: I, II, III, several with a stroke, or NC")
    return "/".join(one for one in _APPENDICES if one in found)


def _joined(one: ImportedTaxon, other: ImportedTaxon) -> ImportedTaxon:
    if one.rank != other.rank:
        raise ValueError(f"{one.name} stands with two ranks, {one.rank} and {other.rank}")
    listed = {*one.appendix.split("/"), *other.appendix.split("/")}
    notes = dict.fromkeys(note for note in (one.annotation, other.annotation) if note)
    annexes = dict.fromkeys(annex for both in (one, other) for annex in both.annex.split("/") if annex)
    return replace(
        one,
        appendix="/".join(each for each in _APPENDICES if each in listed),
        annotation="; ".join(notes)[:4_000],
        annex="/".join(sorted(annexes)),
    )
