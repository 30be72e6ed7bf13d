"""Every row of names says a taxon of our own table, and no more of its listing than the table does.

A notice with a wrong taxon costs the sender its standing, so that the tables are gone through whole.
"""

import re
from collections import defaultdict
from functools import cache

import pytest

from streams.screening.lexicon import _row_taxon
from streams.screening.taxa import Taxa, Taxon, load_taxa, read_table

NAMES = ("animals.csv", "products.csv", "codewords.csv")

RANKS = {"Lutrinae": "subfamily"}
"""Where the table repeats the treaty's layout, which sets otters beside the families."""


@cache
def taxa() -> Taxa:
    return load_taxa()


@cache
def beneath() -> dict[str, tuple[Taxon, ...]]:
    """The rows of the table beneath a name, by that name: genus, family, order or class."""
    rows: dict[str, list[Taxon]] = defaultdict(list)
    for taxon in taxa().by_name.values():
        words = taxon.name.split()
        above = {words[0], " ".join(words[:2]), taxon.family, taxon.order, taxon.klass} - {taxon.name, ""}
        for name in above:
            rows[name].append(taxon)
    return {name: tuple(found) for name, found in rows.items()}


def appendices(rows: tuple[Taxon, ...]) -> set[str]:
    return {one for row in rows for one in row.appendix.split("/")} - {"none"}


@cache
def basis() -> dict[tuple[str, str, str], str]:
    """What a claim rests on where the table has no row of that name, as the rows that make it say."""
    return {
        (row["taxon"], row["rank"], row["appendix"]): row["listed_by"]
        for table in ("animals.csv", "products.csv")
        for row in read_table(table)
        if row["listed_by"]
    }


def fault(row: dict[str, str]) -> str | None:
    """Why a row's taxon, rank and appendix do not stand; ``None`` when they do."""
    name, claimed = row["taxon"], set(row["appendix"].split("/"))
    own = taxa().by_name.get(name)
    members = beneath().get(name, ())
    if own is not None and row["rank"] != RANKS.get(name, own.rank):
        return f"the table has it as {own.rank}"
    if row["appendix"] == "unclear":
        return None
    if row["appendix"] == "none":
        return "the table lists it" if own or members else None
    if own is not None:
        listed = set(own.appendix.split("/"))
        wrong = not listed <= claimed <= listed | appendices(members)
        return f"the table lists it in {own.appendix}" if wrong else None
    if said := basis().get((name, row["rank"], row["appendix"])):
        told = set(re.findall(r"Appendix (I+)\b", said))
        return None if claimed <= told else "what it rests on does not speak of that appendix"
    higher = {above for one in members for above in (one.family, one.order)} & set(taxa().by_name)
    if not higher:
        return "not in the table, nor all of it beneath a listing"
    return None if appendices(members) == claimed else "those beneath it are listed otherwise"


@pytest.mark.parametrize("table", NAMES)
def test_every_taxon_is_listed_where_its_row_says_or_is_marked_as_no_listing(table: str) -> None:
    faults = {
        (row["id"], row["taxon"], row["rank"], row["appendix"], why)
        for row in read_table(table)
        if (why := fault(row)) is not None
    }

    assert faults == set()


@cache
def bearers() -> dict[str, set[str]]:
    """Taxa of the table by a name they bear: their own, their genus, common names in any language."""
    named: dict[str, set[str]] = defaultdict(set)
    for taxon in taxa().by_name.values():
        named[taxon.name.casefold()].add(taxon.name)
        if taxon.rank in ("species", "subspecies"):
            named[taxon.name.split()[0].casefold()].add(taxon.name)
    for common in taxa().common_names:
        if common.scientific_name in taxa().by_name:
            named[common.name.casefold()].add(common.scientific_name)
    return named


def kin(name: str) -> set[str]:
    """The name and all that it is part of."""
    taxon = taxa().by_name[name]
    words, family = name.split(), taxon.family
    return {name, words[0], " ".join(words[:2]), family, ABOVE.get(family, ""), taxon.order, taxon.klass}


OTHERWISE = frozenset(
    [
        # The table has the taxon in another family, or under a name split off or taken back since.
        ("Boa constrictor", "boa imperator"),
        ("Lutrinae", "sea otter"),
        ("Lutrinae", "калан"),
        ("Mobulidae", "mobula"),
        ("Panthera uncia", "uncia uncia"),
        ("Physeter macrocephalus", "sperm whale"),
        ("Sphyrnidae", "bonnethead"),
        ("Sphyrnidae", "sphyrna mokarran"),
        ("Sphyrnidae", "sphyrna zygaena"),
        ("Holothuria (Microthele)", "holothuria fuscogilva"),
        ("Holothuria (Microthele)", "holothuria nobilis"),
        ("Holothuria (Microthele)", "holothuria whitmaei"),
        # Reef keepers mean Acropora millepora, not the fire coral.
        ("Scleractinia", "millepora"),
    ]
)
"""Terms whose row is right and the table's name another's."""

ABOVE = {
    "Cheirogaleidae": "Lemuriformes",
    "Daubentoniidae": "Lemuriformes",
    "Indriidae": "Lemuriformes",
    "Lemuridae": "Lemuriformes",
    "Lepilemuridae": "Lemuriformes",
}
"""Ranks that the table leaves out, by family."""


@pytest.mark.parametrize("table", NAMES)
def test_a_term_that_names_a_taxon_of_the_table_stands_under_that_taxon(table: str) -> None:
    strays = {
        (row["taxon"], term)
        for row in read_table(table)
        for term in row["terms"].split("|")
        if (found := bearers().get(term.casefold()))
        and not any(row["taxon"] in kin(name) or row["taxon"].split()[0] == name for name in found)
    }

    assert strays - OTHERWISE == set()


def line(name: str) -> set[str]:
    """The name and all that the table knows it to be part of."""
    if name in taxa().by_name:
        return kin(name)
    one = next(iter(beneath().get(name, ())), None)
    if one is None:
        return {name, name.split(maxsplit=1)[0]}
    ranks = [one.klass, one.order, ABOVE.get(one.family, ""), one.family]
    return {name, *(ranks[: ranks.index(name)] if name in ranks else ranks)}


def test_a_term_that_stands_in_two_rows_stands_under_one_taxon_and_what_it_is_part_of() -> None:
    named: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in read_table("animals.csv"):
        for term in row["terms"].split("|"):
            named[term, row["language"]].add(row["taxon"])

    apart = {term: under for term, under in named.items() if not any(under <= line(one) for one in under)}

    assert apart == {}


def test_a_listing_from_general_knowledge_is_told_as_unchecked() -> None:
    told = {
        row["terms"]: _row_taxon(row, taxa()).doubt
        for table in ("animals.csv", "products.csv")
        for row in read_table(table)
        if row["language"] == "en" and "general knowledge" in row["listed_by"]
    }

    assert told
    assert [terms for terms, said in told.items() if "nobody has checked" not in said] == []
