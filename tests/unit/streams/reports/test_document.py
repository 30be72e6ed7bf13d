"""One set of figures in every form, under one checksum."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import OperatorError
from streams.reports.document import BOM, Document, Table, checksum, figures_in
from streams.reports.output import form_of, give, render
from streams.reports.sla import document, report
from tests.support.notices import at
from tests.support.reports import REMOVED, times

ITEMS = [REMOVED, times("other", late=1)]
FORMULAS = ("=1+1", "+cmd|x", "-2", "@SUM(A1)", "\t=1", "'=1", "\uff1d1")


def made(seconds: float = 100) -> Document:
    return document(report(ITEMS, now=at(100)), now=at(seconds), period={"since": None, "until": None})


def test_every_form_carries_the_same_checksum() -> None:
    wanted = made().checksum.encode()

    assert json.loads(render(made(), "json"))["checksum"].encode() == wanted
    assert all(wanted in render(made(), form) for form in ("csv", "table"))


def test_the_checksum_can_be_made_again_from_the_json_and_from_the_csv() -> None:
    read = json.loads(made().to_json())

    assert checksum({name: read[name] for name in read["checksum_of"]}) == made().checksum
    assert figures_in(made().to_csv()) == json.loads(json.dumps(made().figures))
    assert checksum(figures_in(made().to_csv())) == made().checksum


def test_it_is_of_the_figures_and_not_of_when_they_were_made() -> None:
    changed = document(report([times(late=1)], now=at(100)), now=at(100), period={})

    assert made(100).checksum == made(200).checksum != changed.checksum


def test_what_is_kept_comes_back_as_it_was() -> None:
    back = Document.from_bytes(made().to_bytes())

    assert back.as_json() == json.loads(made().to_json())
    assert (back.to_text(), back.checksum) == (made().to_text(), made().checksum)


def with_figures(figures: dict[str, Any]) -> Document:
    return Document("x", "X", 1, {}, at(0), figures, {}, (Table("T", ("a", "b"), (("1", "2"),)),))


words = st.text(st.characters(codec="utf-8"), max_size=8)
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words
values = plain | st.lists(plain, max_size=3) | st.dictionaries(st.text("ab/~", min_size=1), plain, max_size=3)


@given(st.dictionaries(st.sampled_from(["a", "b/c", "d~e"]), values, max_size=3))
def test_whatever_the_figures_are_the_csv_gives_them_back(figures: dict[str, Any]) -> None:
    assert figures_in(with_figures(figures).to_csv()) == json.loads(json.dumps(figures))


@pytest.mark.parametrize("text", FORMULAS, ids=ascii)
def test_no_cell_is_a_formula(text: str) -> None:
    found = with_figures({text: text, "inner": [text]})

    cells = [cell for row in csv.reader(io.StringIO(found.to_csv().removeprefix(BOM))) for cell in row]
    numbers = [cell for cell in cells if cell.lstrip("-").replace(".", "").isdigit()]
    assert not [cell for cell in cells if cell not in numbers and cell.lstrip()[:1] in "=+-@\uff1d" and cell]


def test_hostile_text_does_nothing_on_a_terminal() -> None:
    table = Table("T", ("a", "b"), (("\x1b[2J", "\u202eevil"),))

    shown = Document("x", "X", 1, {}, at(0), {}, {}, (table,)).to_text()

    assert "\x1b" not in shown
    assert "\u202e" not in shown


@pytest.mark.parametrize(
    ("wanted", "file", "as_json", "form"),
    [
        (None, None, False, "table"),
        (None, None, True, "json"),
        (None, "r.csv", False, "csv"),
        (None, "r.PDF", False, "pdf"),
        (None, "r.txt", False, "json"),
        ("csv", "r.json", False, "csv"),
        ("table", "r.csv", False, "table"),
    ],
)
def test_the_form_is_as_named_or_as_the_file_ends(
    wanted: str | None, file: str | None, as_json: bool, form: str
) -> None:
    assert form_of(wanted, Path(file) if file else None, as_json=as_json) == form


@pytest.mark.parametrize(("wanted", "told"), [("xlsx", "table, json, csv, pdf"), ("pdf", "--output")])
def test_a_form_that_is_none_is_told(wanted: str, told: str) -> None:
    with pytest.raises(OperatorError, match=told):
        form_of(wanted, None)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    give(made(), "json", tmp_path / "r.json")
    with pytest.raises(OperatorError, match="cannot be written"):
        give(made(), "json", tmp_path / "no" / "r.json")

    assert [one.name for one in tmp_path.iterdir()] == ["r.json"]
    assert (tmp_path / "r.json").read_text() == made().to_json()
