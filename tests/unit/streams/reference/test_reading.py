"""Operators' lists: every public form is read, a broken file is refused whole. All files are synthetic."""

import csv
import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.reference.reading import BadList, read_list
from streams.screening.imported import ImportedTaxon

SPECIES_PLUS = (
    "Kingdom,Class,Order,Family,Genus,Species,Scientific Name,"
    "Author,Rank,Listing,Party,Listed under,Full note\n"
    "Animalia,Reptilia,Sauria,Exemplariidae,Exemplaria,,Exemplaria spp.,,"
    'GENUS,II,,Exemplaria,"Except ""rara"", see I"\n'
    "Animalia,Reptilia,Sauria,Exemplariidae,Exemplaria,rara,Exemplaria rara,Tester 1901,"
    "SPECIES,I,,Exemplaria rara,\n"
)


def only(text: str, name: str) -> ImportedTaxon:
    return next(one for one in read_list(text.encode()).taxa if one.name == name)


def test_the_form_of_species_plus_is_read() -> None:
    told = read_list(SPECIES_PLUS.encode())

    assert told.taxa == (
        ImportedTaxon(
            "Exemplaria", "genus", "II", 'Except "rara", see I', "", "Reptilia", "Sauria", "Exemplariidae"
        ),
        ImportedTaxon("Exemplaria rara", "species", "I", "", "", "Reptilia", "Sauria", "Exemplariidae"),
    )
    assert told.left_aside == ("Kingdom", "Author", "Party")


def test_the_form_of_the_checklist_is_read() -> None:
    text = (
        "TaxonId;FullName;RankName;CurrentListing;AnnotationEnglish;EU Annex\n"
        "7;Exemplaria rara;SPECIES;I/II;Population of Nowhere in II;A/B\n"
        "8;Exemplaria communis;SPECIES;NC;;\n"
    )
    told = read_list(text.encode())

    assert told.taxa == (
        ImportedTaxon("Exemplaria rara", "species", "I/II", "Population of Nowhere in II", "A/B"),
    )
    assert told.not_listed == ("Exemplaria communis",)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"\xef\xbb\xbf" + SPECIES_PLUS.encode(), id="UTF-8 with BOM"),
        pytest.param(SPECIES_PLUS.encode("utf-16"), id="UTF-16"),
        pytest.param(SPECIES_PLUS.replace("\n", "\r\n").encode(), id="CRLF"),
        pytest.param(SPECIES_PLUS.replace(",", "\t").replace('"rara"\t', '"rara",').encode(), id="tabs"),
    ],
)
def test_encodings_and_separators_do_not_matter(raw: bytes) -> None:
    assert {(t.name, t.appendix) for t in read_list(raw).taxa} == {
        ("Exemplaria", "II"),
        ("Exemplaria rara", "I"),
    }


def test_another_encoding_is_read_when_it_is_named() -> None:
    raw = "Scientific Name,Rank,Listing,Full note\nExemplaria rara,species,I,Población\n".encode("cp1252")

    with pytest.raises(BadList, match=r"line 2: not UTF-8.*--encoding"):
        read_list(raw)
    assert read_list(raw, "cp1252").taxa[0].annotation == "Población"


def test_rows_of_one_taxon_become_one() -> None:
    text = (
        "Scientific Name,Rank,Listing,Full note\n"
        "Exemplaria rara,SPECIES,II,Population of Here\n"
        "Exemplaria rara,SPECIES,I,all others\n"
    )

    assert only(text, "Exemplaria rara").appendix == "I/II"
    assert only(text, "Exemplaria rara").annotation == "Population of Here; all others"


def test_a_name_that_takes_two_lines_does_not_shift_the_count_of_lines() -> None:
    text = 'Scientific Name,Rank,Listing,Full note\nExemplaria rara,species,I,"two\nlines"\n'
    text += "Exemplaria,genus,IV,\n"

    with pytest.raises(BadList, match=r"^line 4: Exemplaria: 'IV' is no appendix"):
        read_list(text.encode())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("Name of it,Rank\nx,y\n", "line 1: no column says the appendix", id="no listing"),
        pytest.param("Listing,Rank\nI,species\n", "line 1: no column says the scientific name", id="no name"),
        pytest.param("FullName,Listing\nExemplaria rara,I,x\n", "line 2: 3 cells under 2", id="cells"),
        pytest.param(
            "FullName,Listing\nExemplaria rara,\n", "line 2: .* is no appendix", id="empty appendix"
        ),
        pytest.param("FullName,Listing\n=cmd()!A1,I\n", "line 2: .*is no scientific name", id="formula"),
        pytest.param("FullName,Rank,Listing\nExemplaria,king,I\n", "line 2: .*no rank 'king'", id="rank"),
        pytest.param('FullName,Listing\n"Exemplaria rara,I\n', "line 2: not CSV", id="open quote"),
        pytest.param("FullName,Listing\n", "line 1: no listed taxon", id="nothing"),
        pytest.param("", "line 1: no column", id="empty file"),
        pytest.param(
            "FullName,Rank,Listing\nExemplaria,genus,I\nExemplaria,family,I\n",
            "line 3: Exemplaria stands with two ranks",
            id="two ranks",
        ),
    ],
)
def test_a_broken_file_is_refused_with_line_and_reason(text: str, said: str) -> None:
    with pytest.raises(BadList, match=said):
        read_list(text.encode())


def test_every_bad_row_is_named_and_nothing_is_taken() -> None:
    with pytest.raises(BadList) as refused:
        read_list(b"FullName,Listing\nExemplaria rara,I\nExemplaria bona,V\nexemplaria,I\n")

    assert [problem.split(":")[0] for problem in refused.value.problems] == ["line 3", "line 4"]


@given(st.permutations(["Scientific Name", "Rank", "Listing", "Full note"]), st.sampled_from(",;\t"))
def test_the_order_of_columns_does_not_matter(order: list[str], separator: str) -> None:
    row = {"Scientific Name": "Exemplaria rara", "Rank": "SPECIES", "Listing": "II", "Full note": "a, b; c"}
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, order, delimiter=separator)
    table.writeheader()
    table.writerow(row)

    assert read_list(text.getvalue().encode()).taxa == (
        ImportedTaxon("Exemplaria rara", "species", "II", "a, b; c"),
    )


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with suppress(BadList):  # any other exception fails
        assert read_list(raw).taxa
