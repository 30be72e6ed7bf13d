"""The packaged reference data: provenance on every row, quick to load, built reproducibly."""

from pathlib import Path

import pytest

from streams.screening import reference_build
from streams.screening.law import load_law
from streams.screening.lexicon import TABLES, Cue, make_term, watchlist_terms
from streams.screening.taxa import load_taxa, read_table

FLAGSHIP_LANGUAGES = {"en", "fr", "es", "pt", "de", "ru", "zh", "vi", "th", "id", "ar", "hi", "sw", "ja"}


@pytest.mark.parametrize(
    "table", ["taxa.csv.gz", "names_public_domain.csv.gz", "names_cc_by_sa.csv.gz", *TABLES]
)
def test_every_row_says_where_it_is_from_and_since_when(table: str) -> None:
    rows = list(read_table(table))

    assert rows
    assert [row for row in rows if not (row["source"] and row["licence"] and row["as_of"])] == []


@pytest.mark.parametrize("table", TABLES)
def test_rows_from_general_knowledge_stay_marked_unchecked(table: str) -> None:
    rows = [row for row in read_table(table) if row["source"].startswith("general knowledge")]

    assert {row["status"] for row in rows} == {"unchecked"}


def test_the_share_alike_names_stand_in_a_file_of_their_own() -> None:
    licences = {row["licence"] for row in read_table("names_cc_by_sa.csv.gz")}

    assert licences == {"CC BY-SA 4.0"}
    for table in ("taxa.csv.gz", "names_public_domain.csv.gz", *TABLES):
        assert not {row["licence"] for row in read_table(table)} & licences


def test_taxa_are_found_by_name_and_by_genus() -> None:
    taxa = load_taxa()

    tiger = taxa.find("Panthera tigris")
    assert tiger is not None
    assert tiger.appendix == "I"
    assert tiger.reference().basis == tiger.basis
    monitor = taxa.find("Varanus unheardofus")
    assert monitor is not None
    assert monitor.rank == "genus"
    assert taxa.find("Nonsensia nonsensia") is None
    assert len(taxa.by_name) > 19_000


@pytest.mark.parametrize(
    "product",
    [
        "elephant-ivory",
        "rhino-horn",
        "pangolin-scales",
        "tiger-bone",
        "tiger-skin",
        "bekko",
        "hornbill-casque",
    ],
)
def test_flagship_products_have_names_in_fourteen_languages(product: str) -> None:
    languages = {row["language"] for row in read_table("products.csv") if row["id"] == product}
    if product == "elephant-ivory":
        languages |= {row["language"] for row in read_table("products.csv") if row["id"] == "elephant-tusk"}

    assert languages >= FLAGSHIP_LANGUAGES


def test_vietnamese_words_that_are_other_words_without_marks_insist_on_them() -> None:
    term = make_term("bán", "vi", _cue(), "cue:sale")

    assert term is not None
    assert (term.folded, term.exact) == (" ban ", "bán")


def test_a_term_without_letters_is_no_term() -> None:
    assert make_term("!!", "en", _cue(), "cue:sale") is None
    assert list(watchlist_terms([])) == []


def _cue() -> Cue:
    return Cue("sale")


def test_the_tables_are_rebuilt_byte_for_byte(tmp_path: Path) -> None:
    raw = tmp_path / "taxa"
    raw.mkdir()
    head = "scientific_name,rank,appendix,annotation,class,order,family,family_common_en,basis,needs_check\n"
    (raw / "cites_taxa.csv").write_text(head + "Aa bb,species,II,,Aves,,,,general knowledge,\n")
    for stem in ("public_domain", "cc_by_sa"):
        (raw / f"common_names_{stem}.csv").write_text(
            "scientific_name,language,name\nAa bb,en,b\nAa bb,en,a\n"
        )
    first, second = tmp_path / "one", tmp_path / "two"
    for target in (first, second):
        target.mkdir()
        reference_build.build(tmp_path, target)

    assert {p.name: p.read_bytes() for p in first.iterdir()} == {
        p.name: p.read_bytes() for p in second.iterdir()
    }


def test_the_hand_kept_tables_are_plain_csv_in_order() -> None:
    for table in TABLES:
        rows = list(read_table(table))
        assert all(None not in row and None not in row.values() for row in rows), table
        assert all(row["terms"] == row["terms"].strip("|") for row in rows), table


def test_provisions_have_a_source_and_a_date() -> None:
    for provision in load_law().values():
        assert provision.source
        assert provision.as_of
