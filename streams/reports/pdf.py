"""A report as PDF (fpdf2), with Noto Sans, which the package ``fontpkg-noto-sans`` ships under the OFL.

Noto Sans has the Latin (with Vietnamese), Greek and Cyrillic scripts. Other scripts need a font of the
operator's own; a character that no font has is written as its code, ``[U+4E2D]``, never left out.
The same document gives the same bytes, but for the release of fpdf2.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import OperatorError
from streams.local.visible import visible
from streams.reports.document import Document, Table

if TYPE_CHECKING:
    from fpdf import FPDF

FAMILY = "takin"
_SIZE = 8
_LONGEST_CELL = 200


def pdf(document: Document, *, font: Path | None = None) -> bytes:
    """The file. ``font`` is looked at where Noto Sans lacks a character.

    Raises:
        OperatorError: the font cannot be read.
    """
    from fpdf import FPDF

    page = FPDF(orientation="landscape", format="A4")
    try:
        covered = _set_up(page, document, font)
        _fill(page, document, covered)
        return bytes(page.output())
    finally:
        # The library leaves the fonts' files open.
        for one in page.fonts.values():
            if (opened := getattr(one, "ttfont", None)) is not None:
                opened.close()


def _fill(page: "FPDF", document: Document, covered: frozenset[int]) -> None:
    page.add_page()
    page.set_font(FAMILY, "", 14)
    page.multi_cell(0, 8, _shown(document.title, covered), new_x="LMARGIN", new_y="NEXT")
    page.set_font(FAMILY, "", _SIZE)
    for line in _facts(document):
        page.multi_cell(0, 5, _shown(line, covered), new_x="LMARGIN", new_y="NEXT")
    for heading, text in document.texts:
        _heading(page, heading, covered)
        page.multi_cell(0, 5, _shown(text, covered), new_x="LMARGIN", new_y="NEXT")
    for table in document.tables:
        if table.rows:
            _table(page, table, covered)
    _heading(page, "Definitions", covered)
    for name, meaning in document.definitions.items():
        page.multi_cell(0, 4, _shown(f"{name}: {meaning}", covered), new_x="LMARGIN", new_y="NEXT")


def _facts(document: Document) -> Sequence[str]:
    name = document.period.get("name")
    since = document.period.get("since") or "the beginning"
    until = document.period.get("until") or document.as_of.isoformat()
    return (
        f"Notices written from {since} until before {until}{f' ({name})' if name else ''}",
        f"Figures as of {document.as_of.isoformat()}",
        f"SHA-256 of the figures (canonical JSON): {document.checksum}",
    )


def _set_up(page: "FPDF", document: Document, font: Path | None) -> frozenset[int]:
    page.set_creation_date(document.as_of)
    page.set_title(document.title)
    page.set_producer("Takin")
    page.set_auto_page_break(True, margin=12)
    noto = _noto()
    page.add_font(FAMILY, "", noto)
    covered = _covered(page, FAMILY)
    if font is not None:
        _check(font)
        page.add_font("more", "", font)
        covered |= _covered(page, "more")
        page.set_fallback_fonts(["more"], exact_match=False)
    return covered


def _check(font: Path) -> None:
    """Refuse what cannot be a font; what is behind its first bytes is the operator's own file."""
    try:
        with font.open("rb") as file:
            kind = file.read(4)
    except OSError as error:
        raise OperatorError(
            f"The font {font} cannot be read ({error.strerror}): give a TrueType or OpenType file."
        ) from error
    if kind not in (b"\x00\x01\x00\x00", b"OTTO", b"true"):
        raise OperatorError(f"The font {font} is none: give a TrueType or OpenType file (not a collection).")


@lru_cache(maxsize=1)
def _noto() -> Path:
    import fontpkg_noto_sans

    files = sorted((Path(fontpkg_noto_sans.__file__).parent / "files").glob("NotoSans[[]*.ttf"))
    assert files, "the package ships the font"
    return files[0]


def _covered(page: "FPDF", family: str) -> frozenset[int]:
    cmap: Mapping[int, object] = getattr(page.fonts[family], "cmap", {})
    return frozenset(cmap)


def _shown(text: str, covered: frozenset[int]) -> str:
    return "".join(
        character if character == "\n" or ord(character) in covered else f"[U+{ord(character):04X}]"
        for character in visible(text, keep_lines=True)
    )


def _heading(page: "FPDF", text: str, covered: frozenset[int]) -> None:
    page.ln(3)
    page.set_font(FAMILY, "", 10)
    page.multi_cell(0, 6, _shown(text, covered), new_x="LMARGIN", new_y="NEXT")
    page.set_font(FAMILY, "", _SIZE)


def _table(page: "FPDF", table: Table, covered: frozenset[int]) -> None:
    from fpdf.fonts import FontFace

    _heading(page, table.title or " ", covered)
    align = ["LEFT", *["RIGHT"] * (len(table.heading) - 1)]
    rows = [[_shown(cell[:_LONGEST_CELL], covered) for cell in row] for row in (table.heading, *table.rows)]
    widths = tuple(max(6, min(30, max(map(len, column)))) for column in zip(*rows, strict=True))
    look = FontFace(fill_color=230)
    with page.table(text_align=align, line_height=4.5, headings_style=look, col_widths=widths) as drawn:
        for row in rows:
            cells = drawn.row()
            for cell in row:
                cells.cell(cell)
    if table.note:
        page.multi_cell(0, 5, _shown(table.note, covered), new_x="LMARGIN", new_y="NEXT")
