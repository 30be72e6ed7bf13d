"""The packaged reference data: provenance on every row, quick to load, built reproducibly."""

from functools import cache
from pathlib import Path

import pytest

from streams.screening import reference_build
from streams.screening.law import load_law
from streams.screening.lexicon import TABLES, Cue, make_term, watchlist_terms
from streams.screening.screener import ScreeningRuleset, build_ruleset
from streams.screening.taxa import load_taxa, read_table
from streams.screening.tools import listing_from

SIDE_TABLES = (
    "amendments.csv",
    "annexes.csv",
    "synonyms.csv",
    "places.csv",
    "lawful_claims.csv",
    "permit_forms.csv",
    "cites_parties.csv",
    "amount_words.csv",
)
FLAGSHIP_LANGUAGES = {"en", "fr", "es", "pt", "de", "ru", "zh", "vi", "th", "id", "ar", "hi", "sw", "ja"}


@pytest.mark.parametrize(
    "table",
    ["taxa.csv.gz", "names_public_domain.csv.gz", "names_cc_by_sa.csv.gz", *TABLES, *SIDE_TABLES],
)
def test_every_row_says_where_it_is_from_and_since_when(table: str) -> None:
    rows = list(read_table(table))

    assert rows
    provenance = ("source", "licence", "as_of", "status")
    assert [row for row in rows if not all(row[column] for column in provenance)] == []


@cache
def ruleset() -> ScreeningRuleset:
    return build_ruleset()


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


FLAGSHIP_ANIMALS = (
    "elephant",
    "rhino",
    "pangolin",
    "tiger",
    "leopard",
    "snow leopard",
    "clouded leopard",
    "jaguar",
    "cheetah",
    "moon bear",
    "sun bear",
    "panda",
    "chimpanzee",
    "gorilla",
    "orangutan",
    "gibbon",
    "loris",
    "saiga",
    "tibetan antelope",
    "small-clawed otter",
    "hawksbill",
    "sea turtle",
    "radiated tortoise",
    "star tortoise",
    "macaw1",
    "palm cockatoo",
    "african grey",
    "helmeted hornbill",
    "arowana",
    "totoaba",
    "sawfish",
)
FLAGSHIP_PRODUCTS = (
    "elephant-ivory",
    "rhino-horn",
    "pangolin-scales",
    "tiger-bone",
    "tiger-skin",
    "tiger-teeth",
    "leopard-skin",
    "snow-leopard-skin",
    "clouded-leopard-skin",
    "cheetah-skin",
    "bekko",
    "hornbill-casque",
    "shahtoosh",
    "bear-bile",
    "saiga-horn",
    "totoaba-maw",
    "sawfish-saw",
    "musk-pod",
    "brazilian-rosewood",
)


def named(table: str) -> dict[tuple[str, str], set[str]]:
    """Terms by id and language."""
    terms: dict[tuple[str, str], set[str]] = {}
    for row in read_table(table):
        terms.setdefault((row["id"], row["language"]), set()).update(row["terms"].split("|"))
    return terms


@pytest.mark.parametrize(
    ("table", "flagships"), [("animals.csv", FLAGSHIP_ANIMALS), ("products.csv", FLAGSHIP_PRODUCTS)]
)
def test_every_flagship_has_a_name_in_each_of_fourteen_languages(
    table: str, flagships: tuple[str, ...]
) -> None:
    terms = named(table)
    holes = [
        (one, tag) for one in flagships for tag in sorted(FLAGSHIP_LANGUAGES) if not terms.get((one, tag))
    ]

    assert holes == []


@pytest.mark.parametrize("language", ["ru", "ar", "de"])
def test_where_a_language_inflects_most_flagships_have_more_than_one_form(language: str) -> None:
    terms = named("animals.csv")
    one_form = [one for one in FLAGSHIP_ANIMALS if len(terms[one, language]) < 2]

    # Russian does not decline шимпанзе; totoaba and panda are foreign words everywhere.
    assert len(one_form) <= 3, one_form


@pytest.mark.parametrize(
    ("text", "taxon"),
    [
        ("Продам шкуру снежного барса, натуральная, 90 000 руб", "Panthera uncia"),
        ("Verkaufe echtes Fell vom Nebelparder, 400 Euro", "Neofelis"),
        ("للبيع جلد نمر الثلوج أصلي 500 دولار", "Panthera uncia"),
        ("Bán răng gấu chó thật, giá 2 triệu", "Helarctos malayanus"),
        ("ขายหนังเสือดาวหิมะแท้ ราคา 5000 บาท", "Panthera uncia"),
        ("Se vende pashmina de lana shahtoosh auténtica, 300 EUR", "Pantholops hodgsonii"),
        ("出售藏羚羊角 真品 500元", "Pantholops hodgsonii"),
    ],
)
def test_an_offer_in_an_inflected_form_is_found(text: str, taxon: str) -> None:
    listing = listing_from({"id": "1", "text": text})
    verdict = ruleset().screener({}).screen(listing, listing.observed_at)

    assert verdict.taxon is not None
    assert verdict.taxon.scientific_name == taxon
    assert verdict.outcome in ("notify", "review")


@pytest.mark.parametrize(
    ("name", "covered_by", "rank", "appendix"),
    [
        ("Brookesia nonexistens", "Brookesia", "genus", "II"),
        ("Varanus unheardofus", "Varanus", "genus", "I/II"),
        ("Nycticebus novus", "Nycticebus", "genus", "I"),
        ("Hylobates novus", "Hylobatidae", "family", "I"),
        ("Paphiopedilum novum", "Paphiopedilum", "genus", "I"),
        ("Brachypelma nova spp.", "Brachypelma", "genus", "II"),
        ("Panthera tigris nova", "Panthera tigris", "species", "I"),
        ("Uncia uncia", "Panthera uncia", "species", "I"),
        ("Geochelone radiata", "Astrochelys radiata", "species", "I"),
    ],
)
def test_a_higher_listing_or_the_accepted_name_covers_a_name_without_a_row(
    name: str, covered_by: str, rank: str, appendix: str
) -> None:
    taxa = load_taxa()
    found = taxa.find(name)

    assert name not in taxa.by_name or name == "Uncia uncia"
    assert found is not None
    assert (found.name, found.rank) == (covered_by, rank)
    assert found.appendix in appendix.split("/")


def test_a_text_that_names_an_unknown_species_is_taken_at_the_rank_of_its_listing() -> None:
    listing = listing_from({"id": "1", "title": "Brookesia nonexistens, live pair, captive bred, 200 EUR"})
    verdict = ruleset().screener({}).screen(listing, listing.observed_at)

    assert verdict.taxon is not None
    assert (verdict.taxon.scientific_name, verdict.taxon.rank) == ("Brookesia", "genus")


@pytest.mark.parametrize(
    ("name", "as_of"),
    [
        ("Panthera tigris", "2012-09-25"),
        ("Psittacus erithacus", "2017-01-02"),
        ("Manis pentadactyla", "2017-01-02"),
        ("Geochelone elegans", "2019-11-26"),
        ("Carcharhinus leucas", "2023-11-25"),
        ("Mobula", "2026-03-05"),
    ],
)
def test_a_row_bears_the_date_of_the_amendment_that_made_it(name: str, as_of: str) -> None:
    taxon = load_taxa().by_name[name]

    assert taxon.as_of == as_of
    assert taxon.needs_check == (as_of != "2012-09-25")
    assert f"as of {as_of}" in (taxon.reference().basis or "")


def test_a_family_that_a_listing_leaves_out_is_in_no_row() -> None:
    taxa = load_taxa()

    assert "species of the family Cathartidae" in taxa.by_name["Falconiformes"].annotation
    assert "Cathartes aura" not in taxa.by_name
    assert taxa.by_name["Vultur gryphus"].appendix == "I"


@pytest.mark.parametrize("name", ["Pongo tapanuliensis", "Neofelis diardi"])
def test_a_species_split_from_one_in_appendix_one_stands_there_and_is_unchecked(name: str) -> None:
    taxon = load_taxa().by_name[name]

    assert (taxon.appendix, taxon.needs_check) == ("I", True)


def test_what_is_unchecked_says_so_in_plain_words() -> None:
    inferred = next(one for one in load_taxa().by_name.values() if one.status == "inferred")

    assert inferred.doubt == "inferred from a higher listing, to be checked"
    assert load_taxa().by_name["Manis"].doubt == "nobody has checked this against the Appendices"
    assert load_taxa().by_name["Panthera tigris"].doubt == ""


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
