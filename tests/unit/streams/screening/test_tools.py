"""The commands for rule writers: what goes in, what comes out, what is said of bad lines."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from schemas.errors import OperatorError
from streams.screening.tools import listing_from, register

OFFER = {"id": "1", "title": "Carved elephant ivory netsuke, 52 g", "text": "For sale, 300 USD", "label": 1}
INNOCENT = {"id": "2", "title": "Ivory lace wedding dress", "text": "size 10", "label": 0, "lang": "en"}


def run(*arguments: str, stdin: str | None = None) -> Result:
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, list(arguments), input=stdin, catch_exceptions=True)


def lines(*rows: object) -> str:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "listings.jsonl"
    path.write_text(lines(OFFER, INNOCENT), encoding="utf-8")
    return path


def test_screen_writes_one_json_line_a_listing(file: Path) -> None:
    done = run("screen", str(file))
    rows = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.exit_code == 0
    assert [(row["id"], row["outcome"]) for row in rows] == [("1", "notify"), ("2", "clear")]
    assert rows[0]["rule"] == "elephant-ivory.offered"
    assert rows[0]["taxon"] == "Elephantidae"
    assert rows[0]["appendix"] == "I/II"
    match = next(one for one in rows[0]["matches"] if one["ref"].startswith("product:"))
    assert OFFER["title"][match["start"] : match["end"]] == match["quote"] == "elephant ivory"  # type: ignore[index]


def test_screen_reads_standard_input_and_names_bad_lines() -> None:
    done = run(
        "screen", "-", stdin=lines("{broken", {"title": "no id"}, "[1]", OFFER, {"id": "3", "title": 7})
    )

    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["1"]
    for said in (
        "line 1 set aside: not JSON",
        "line 2 set aside: no id",
        "line 3",
        "line 5",
        "4 lines set aside",
    ):
        assert said in done.stderr


def test_only_keeps_the_outcomes_asked_for(file: Path) -> None:
    assert len(run("screen", str(file), "--only", "clear").stdout.splitlines()) == 1
    assert isinstance(run("screen", str(file), "--only", "perhaps").exception, OperatorError)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    done = run("screen", str(tmp_path / "none.jsonl"))

    assert isinstance(done.exception, OperatorError)
    assert "cannot be read" in str(done.exception)


def test_evaluate_leaves_ambiguous_rows_out(file: Path) -> None:
    file.write_text(lines(OFFER, INNOCENT, {**INNOCENT, "id": "9", "label": 1, "ambiguous": True}))
    figures = json.loads(run("evaluate", str(file), "--json").stdout)

    assert figures["listings"] == 2
    assert figures["ambiguous_left_out"] == 1
    assert figures["all"]["flagged"]["precision"] == 1.0
    assert figures["all"]["notify"]["recall"] == 1.0


def test_a_row_with_an_empty_language_is_counted_as_one_without(file: Path) -> None:
    file.write_text(lines({**OFFER, "lang": ""}, {**INNOCENT, "lang": " "}))
    figures = json.loads(run("evaluate", str(file), "--json").stdout)

    assert (figures["listings"], figures["set_aside"], list(figures["languages"])) == (2, 0, ["und"])
    assert figures["without_language"] == 2
    assert "2 name no language and count as und." in run("evaluate", str(file)).stderr


def test_a_language_counts_whichever_way_a_row_names_it(file: Path) -> None:
    file.write_text(lines({**OFFER, "language": "en"}, {**INNOCENT, "lang": "en"}))
    figures = json.loads(run("evaluate", str(file), "--json").stdout)

    assert (list(figures["languages"]), figures["without_language"]) == (["en"], 0)
    assert "no language" not in run("evaluate", str(file)).stderr


def test_evaluate_lists_the_wrong_ones(file: Path) -> None:
    file.write_text(lines(OFFER, {**INNOCENT, "label": 1}))
    done = run("evaluate", str(file))

    assert "2: label 1, clear" in done.stdout


def test_evaluate_needs_labels(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(lines({"id": "1", "title": "x"}))

    assert isinstance(run("evaluate", str(path)).exception, OperatorError)


def test_rules_test_passes_on_the_packaged_packs() -> None:
    done = run("rules", "test")

    assert done.exit_code == 0
    assert " 0 wrong" in done.stdout


PACK = """
pack: mine
version: 1
title: A pack of somebody's own
rules:
  - id: mine.horn
    title: Horn
    description: Horn.
    severity: high
    outcome: review
    groups: [rhino]
    when: {when}
    tests:
      must_hit: [{{title: "{hit}"}}]
      must_not_hit: [{{title: "Rhino plush toy"}}]
"""


def test_rules_test_fails_when_an_example_comes_out_wrong(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(PACK.format(when="product == 'horn'", hit="Blue mug"))
    done = run("rules", "test", "--packs", str(tmp_path))

    assert done.exit_code == 1
    assert "'Blue mug' must hit with review" in done.stdout


def test_a_pack_that_does_not_type_check_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(PACK.format(when="produkt == 'horn'", hit="Rhino horn"))
    done = run("rules", "list", "--packs", str(tmp_path))

    assert isinstance(done.exception, OperatorError)
    assert "mine.horn" in str(done.exception)
    assert "produkt" in str(done.exception)


def test_rules_list_as_json() -> None:
    rows = [json.loads(line) for line in run("rules", "list", "--json").stdout.splitlines()]

    assert {"elephant-ivory.offered", "rhino-horn.offered"} <= {row["id"] for row in rows}
    assert all("tests" not in row for row in rows)


def test_rules_explain_reads_as_sentences(file: Path) -> None:
    told = run("rules", "explain", str(file)).stdout

    assert "1: notify, critical. The listing says “elephant ivory”" in told


def test_a_row_may_carry_the_fields_of_a_listing() -> None:
    listing = listing_from({"id": 5, "text": "x", "lang": "fr", "price": {"amount": "3.5"}, "platform": "p"})

    assert (listing.listing_id, listing.description, listing.language) == ("5", "x", "fr")
    assert listing.price is not None
