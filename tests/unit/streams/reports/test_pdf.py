"""The PDF, read back by another library."""

import gc
import io
import os
from pathlib import Path

import pytest
from pypdf import PdfReader

from schemas.errors import OperatorError
from streams.reports.document import Document, Table
from streams.reports.pdf import pdf
from tests.support.notices import at


def made(text: str = "", cell: str = "") -> Document:
    table = Table("A table", ("name", "value"), (("row", cell or "7"),))
    return Document("x", "A report", 1, {}, at(0), {"a": 1}, {"a": "one"}, (table,), (("Text", text),))


def read(content: bytes) -> str:
    return " ".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)


def test_it_carries_the_checksum_the_period_and_the_tables() -> None:
    found = read(pdf(made()))

    assert made().checksum in found
    assert all(word in found for word in ("A report", "A table", "row", "a: one", "2026-03-02"))


def test_vietnamese_greek_and_cyrillic_are_shown_and_no_script_vanishes() -> None:
    found = read(pdf(made("Ngà voi, ελέφαντας, слоновая кость, 象牙")))

    assert all(word in found for word in ("Ngà voi", "ελέφαντας", "слоновая кость"))
    assert "[U+8C61][U+7259]" in found


@pytest.mark.parametrize(
    "text", ["\x1b[2J", "a\u202eb", "\x00", "<b>x</b> **y** [l](u)", "x" * 5_000], ids=ascii
)
def test_hostile_text_stays_text(text: str) -> None:
    found = read(pdf(made(text, text)))

    assert not set(found) & {"\x1b", "\u202e", "\x00"}
    assert "<b>" not in text or "<b>x</b> **y**" in found


def test_the_same_report_is_the_same_file() -> None:
    assert pdf(made()) == pdf(made())


def test_no_file_stays_open_whether_it_was_made_or_not(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    gc.disable()  # what is closed only when it is collected is still open here
    try:
        pdf(made())
        with pytest.raises(OperatorError) as kept:  # keeps the frames, and so what they hold
            pdf(made(), font=tmp_path / "missing.ttf")
        after = len(os.listdir("/proc/self/fd"))
    finally:
        gc.enable()

    assert kept.value.exit_code == 2
    assert after == before


def test_a_font_that_is_none_is_told(tmp_path: Path) -> None:
    no_font = tmp_path / "font.ttf"
    no_font.write_bytes(b"no font")

    for file in (no_font, tmp_path / "missing.ttf"):
        with pytest.raises(OperatorError, match="give a TrueType"):
            pdf(made(), font=file)
