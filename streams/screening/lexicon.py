"""The words that screening looks for, each with what it stands for and where it is from.

Four kinds of word make an offer: an *animal* (a name of a taxon), a *specimen* (skull, leather,
live), a *product* that names both at once (rhino horn), and *cues* that speak for or against
(carved, for sale, plush, stamp). Taxa and common names come from :mod:`streams.screening.taxa`;
all else from the hand-kept tables in ``reference/``.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from schemas.detection import Match
from schemas.watchlist import WatchlistEntry
from streams.screening.misspelling import frequency_of_parts
from streams.screening.taxa import IMPORTED, Taxa, Taxon, read_table
from streams.screening.text import fold, fold_term, is_unspaced

TABLES = ("animals.csv", "products.csv", "specimens.csv", "cues.csv", "codewords.csv")


@dataclass(frozen=True, slots=True)
class Animal:
    """What a name of an animal or plant stands for."""

    id: str
    taxon: Taxon
    group: str
    """The rules' name for the kind of animal, for example ``elephant`` or ``shark``."""
    klass: str
    """``mammal``, ``bird``, ``reptile``, ``fish``, ``invertebrate``, ``plant`` or ``other``."""
    ambiguous: bool
    """True: the word means other things as well, so a specimen word must stand close by."""
    curated: bool
    """True: from the hand-kept table; False: from the long lists of names."""
    trade_name: bool = False
    """True: a name under which the living thing itself is traded, more than its parts or its picture."""


@dataclass(frozen=True, slots=True)
class Product:
    """A specimen named together with its animal."""

    id: str
    taxon: Taxon
    group: str
    product: str
    kind: str
    sure: bool
    """True: the words can hardly mean anything else than the real material."""


@dataclass(frozen=True, slots=True)
class SpecimenWord:
    """A word for a specimen that does not say of what animal."""

    id: str
    kind: str
    klass: str


@dataclass(frozen=True, slots=True)
class Cue:
    """A word that speaks for or against an offer; the category says how."""

    category: str


@dataclass(frozen=True, slots=True)
class CodeWord:
    """A word traders use in place of the product's name."""

    id: str
    taxon: Taxon
    group: str
    product: str
    use: str


@dataclass(frozen=True, slots=True)
class Watched:
    """A watchlist entry that is looked for in the text."""

    entry: WatchlistEntry


Meaning = Animal | Product | SpecimenWord | Cue | CodeWord | Watched


@dataclass(frozen=True, slots=True)
class Term:
    """One spelling of a word and what it means."""

    folded: str
    text: str
    language: str
    meaning: Meaning
    ref: str
    exact: str | None
    """Set when the marks must be right (``bán`` is not ``ban``): the spelling, NFC and casefolded."""

    @property
    def match_kind(self) -> str:
        """The kind under which a detection reports it; see :class:`schemas.detection.Match`."""
        meaning = self.meaning
        if isinstance(meaning, Animal):
            return "common_name" if meaning.curated or self.ref.startswith("name:") else "taxon"
        if isinstance(meaning, Watched):
            return "watchlist"
        if isinstance(meaning, CodeWord):
            return "code_word"
        if isinstance(meaning, Cue):
            if meaning.category == "permit":
                return "permit"
            return "exclusion" if meaning.category.startswith("not-") else "product"
        return "product"


_SHORT = 5

_HASHTAG = 8
"""Product names of this many letters are also looked for run together, as hashtags write them."""


def _exact(text: str, folded: str, language: str) -> str | None:
    """The spelling to insist on, for words that without their marks are other people's words."""
    spelling = unicodedata.normalize("NFC", text).casefold()
    body = folded.strip(" ")
    if spelling == body or is_unspaced(body[0]) or not body.isascii():
        return None
    if language == "vi" and " " not in body:
        return spelling
    return spelling if len(body) <= _SHORT else None


def make_term(text: str, language: str, meaning: Meaning, ref: str) -> Term | None:
    """A term, or ``None`` when nothing of the text is left to look for."""
    folded = fold_term(text)
    if len(folded.strip(" ")) < 2:
        return None
    return Term(folded, text, language, meaning, ref[:256], _exact(text, folded, language))


def _plural(text: str) -> str | None:
    if not text[-1:].isalpha() or not text.isascii() or text.endswith(("s", "x", "sh", "ch")):
        return None
    return f"{text[:-1]}ies" if text.endswith("y") and text[-2:-1] not in "aeiou" else f"{text}s"


TRADED_ALIVE = frozenset(
    {"arachnid", "arowana", "clam", "coral", "frog", "lizard", "parrot1", "plant", "tortoise1"}
)
"""Groups whose plain names are those under which the living thing is traded."""


def _row_taxon(row: dict[str, str], taxa: Taxa) -> Taxon:
    known = taxa.by_name.get(row["taxon"])
    if known is not None and known.status == IMPORTED:
        return known  # the operator's own list is newer than our table
    if known is not None and known.appendix == row["appendix"] and known.rank == row["rank"]:
        return known
    return Taxon(
        name=row["taxon"],
        rank=row["rank"],
        appendix=row["appendix"],
        annotation=known.annotation if known else "",
        klass=known.klass if known else "",
        order=known.order if known else "",
        family=known.family if known else "",
        needs_check="general knowledge" in (row.get("listed_by") or "general knowledge"),
        source=row.get("listed_by") or row["source"],
        as_of=row.get("listed_as_of") or row["as_of"],
    )


def _spellings(row: dict[str, str]) -> Iterator[tuple[str, str]]:
    for text in row["terms"].split("|"):
        yield text, row["language"]


def named_terms(taxa: Taxa) -> Iterator[Term | None]:
    """Terms of the hand-kept tables that name an animal, a product or stand in for one."""
    for row in read_table("animals.csv"):
        flags = row["flags"]
        animal = Animal(
            row["id"],
            _row_taxon(row, taxa),
            row["group"],
            row["class"],
            "a" in flags,
            curated=True,
            trade_name="h" in flags or (row["group"] in TRADED_ALIVE and "a" not in flags),
        )
        for text, language in _spellings(row):
            yield make_term(text, language, animal, f"animal:{row['id']}")
            plural = _plural(text) if language == "en" else None
            if plural:
                yield make_term(plural, language, animal, f"animal:{row['id']}")
    for row in read_table("products.csv"):
        product = Product(
            row["id"],
            _row_taxon(row, taxa),
            row["group"],
            row["product"],
            row["kind"],
            row["certainty"] == "sure",
        )
        for text, language in _spellings(row):
            yield make_term(text, language, product, f"product:{row['id']}")
            run_together = text.replace(" ", "")
            if run_together != text and len(run_together) >= _HASHTAG and text.isascii():
                yield make_term(run_together, language, product, f"product:{row['id']}")
    for row in read_table("codewords.csv"):
        code = CodeWord(row["id"], _row_taxon(row, taxa), row["group"], row["product"], row["use"])
        if row["use"] != "never-alone":
            for text, language in _spellings(row):
                yield make_term(text, language, code, f"code:{row['id']}")


def emoji_terms(named: Iterable[Term | None]) -> Iterator[Term | None]:
    """Pictures that stand for an animal or product of the hand-kept tables; only ever a hint."""
    meanings: dict[str, Meaning] = {}
    for term in named:
        if term is not None:
            meanings.setdefault(term.ref, term.meaning)
    for row in read_table("emoji.csv"):
        ref = f"{row['stands_for']}:{row['id']}"
        meaning = meanings[ref]
        if isinstance(meaning, Animal):
            meaning = replace(meaning, ambiguous=True)  # pictures decorate all kinds of listings
        for text in row["terms"].split("|"):
            yield Term(fold(text), text, "und", meaning, ref, None)


def context_terms() -> Iterator[Term | None]:
    """Terms that only mean something beside a name: specimen words and cues."""
    for row in read_table("specimens.csv"):
        specimen = SpecimenWord(row["id"], row["kind"], row["class"])
        for text, language in _spellings(row):
            yield make_term(text, language, specimen, f"specimen:{row['id']}")
    for row in read_table("cues.csv"):
        cue = Cue(row["category"])
        for text, language in _spellings(row):
            yield make_term(text, language, cue, f"cue:{row['category']}")


_KLASS = {
    "Mammalia": "mammal",
    "Aves": "bird",
    "Reptilia": "reptile",
    "Lepidosauria": "reptile",
    "Amphibia": "amphibian",
    "Chondrichthyes": "fish",
    "Elasmobranchii": "fish",
    "Actinopteri": "fish",
    "Actinopterygii": "fish",
    "Magnoliopsida": "plant",
    "Cycadopsida": "plant",
    "Polypodiopsida": "plant",
    "Pinopsida": "plant",
    "Gnetopsida": "plant",
    "FLORA": "plant",
}

GROUPS = (
    ("Elephantidae", "elephant"),
    ("Rhinocerotidae", "rhino"),
    ("Manidae", "pangolin"),
    ("Panthera tigris", "tiger"),
    ("Eretmochelys imbricata", "hawksbill"),
    ("Cheloniidae", "sea-turtle"),
    ("Dermochelyidae", "sea-turtle"),
    ("Rhinoplax vigil", "helmeted-hornbill"),
    ("Hominidae", "ape"),
    ("Hylobatidae", "ape"),
    ("Felidae", "cat"),
    ("Psittaciformes", "parrot"),
    ("Crocodylia", "crocodile"),
    ("Pythonidae", "python"),
    ("Boidae", "python"),
    ("Varanidae", "monitor"),
    ("Carcharhinidae", "shark"),
    ("Sphyrnidae", "shark"),
    ("Papilionidae", "butterfly"),
)
"""Which group a taxon of the long lists belongs to: the first line whose name it bears."""


def group_of(taxon: Taxon) -> str:
    """The rules' group of a taxon from the long lists; ``listed`` when it has none of its own."""
    names = {taxon.name, taxon.family, taxon.order}
    for name, group in GROUPS:
        if name in names or taxon.name.startswith(f"{name} "):
            if taxon.appendix == "I" and group in ("parrot", "cat"):
                return "parrot1" if group == "parrot" else "leopard"
            return group
    return "listed"


_GROWN_OR_KEPT = frozenset({"reptile", "amphibian", "plant"})
_NAMED_BY_KEEPERS = frozenset({"reptile", "amphibian", "bird"})
_KEPT_ORDERS = frozenset({"Psittaciformes", "Scleractinia"})
"""Classes and orders whose scientific names are written by those who keep or grow them."""


_SHORTENED_FAMILIES = frozenset(
    [
        "Theraphosidae",
        "Dendrobatidae",
        "Cactaceae",
        "Nepenthaceae",
        "Sarraceniaceae",
        "Zamiaceae",
        "Cycadaceae",
        "Stangeriaceae",
        "Asphodelaceae",
        "Apocynaceae",
        "Euphorbiaceae",
        "Didiereaceae",
        "Agavaceae",
    ]
)
_SHORTENED_GENERA = {
    "Paphiopedilum": ("paph",),
    "Phalaenopsis": ("phal",),
    "Phragmipedium": ("phrag",),
    "Bulbophyllum": ("bulb", "bulbo"),
    "Dendrobium": ("den", "dend"),
    "Cattleya": ("catt", "c"),
    "Cymbidium": ("cym",),
    "Oncidium": ("onc",),
    "Masdevallia": ("masd",),
    "Coelogyne": ("coel",),
    "Epidendrum": ("epi",),
    "Laelia": ("l",),
    "Vanda": ("v",),
    "Angraecum": ("angcm",),
    "Cypripedium": ("cyp",),
}
"""How growers and keepers shorten a genus before a species' name: *E. lehmannii*, *Paph. delenatii*."""
_SHORTEST_EPITHET = 6


def _shortened(taxon: Taxon) -> Iterator[str]:
    """Ways in which the trade shortens a species' name, where the rest is no everyday word."""
    genus, _, epithet = taxon.name.partition(" ")
    if taxon.rank != "species" or len(epithet) < _SHORTEST_EPITHET or epithet in frequency_of_parts():
        return
    short = _SHORTENED_GENERA.get(genus, ())
    if taxon.family in _SHORTENED_FAMILIES:
        short = (*short, genus[0].lower())
    yield from (f"{letters} {epithet}" for letters in short)


def listed_terms(taxa: Taxa) -> Iterator[Term | None]:
    """Terms of the long lists: scientific names, and common names of two words or more."""
    animals: dict[str, Animal] = {}
    for taxon in taxa.by_name.values():
        if "Only the population" in taxon.annotation:
            continue  # ostriches, most wolves: the name alone does not say that it is listed
        klass = _KLASS.get(taxon.klass, "invertebrate" if taxon.klass else "other")
        alive = klass in _GROWN_OR_KEPT or taxon.order in _KEPT_ORDERS or taxon.family == "Theraphosidae"
        animal = Animal(
            taxon.name, taxon, group_of(taxon), klass, ambiguous=False, curated=False, trade_name=alive
        )
        animals[taxon.name] = animal
        if " " in taxon.name or len(taxon.name) >= 6:
            yield make_term(taxon.name, "la", animal, f"taxon:{taxon.name}")
        for short in _shortened(taxon):
            yield make_term(short, "la", animal, f"taxon:{taxon.name}")
    for name in taxa.common_names:
        known = animals.get(name.scientific_name)
        if known is None:
            continue
        one_word = " " not in name.name and "-" not in name.name
        if one_word and name.name.isascii() and name.language != "en" and len(name.name) <= _SHORT:
            continue  # "drop" is a bustard in Polish and everything else elsewhere
        ref = f"name:{name.language}:{name.scientific_name}"
        traded = not one_word and known.klass in _NAMED_BY_KEEPERS and name.language == "en"
        words = replace(known, ambiguous=one_word, trade_name=traded)
        yield make_term(name.name, name.language, words, ref)
        plural = _plural(name.name) if name.language == "en" else None
        if plural:
            yield make_term(plural, name.language, words, ref)


TEXT_KINDS = frozenset({"term", "code_word", "hashtag", "handle", "phone", "payment", "not_term"})


def watchlist_terms(entries: Iterable[WatchlistEntry]) -> Iterator[Term]:
    """Terms of the watchlist entries that are looked for in the text.

    Raises:
        ValueError: an entry comes down to one letter or none, which would match everything or nothing.
    """
    for entry in entries:
        if entry.kind in TEXT_KINDS:
            term = make_term(
                entry.value.lstrip("#@"),
                entry.language or "und",
                Watched(entry),
                f"watchlist:{entry.entry_id}",
            )
            if term is None:
                raise ValueError("it comes down to one letter or none")
            yield term


def quote(term: Term, field: str, start: int, end: int, text: str, *, disguised: bool) -> Match:
    """The match as a detection reports it."""
    where: Any = field
    kind: Any = term.match_kind
    # To validate takes half as long as to construct without validation.
    return Match(
        field=where,
        start=start,
        end=end,
        quote=text[:2_000],
        term=term.text[:512],
        kind=kind,
        ref=term.ref,
        disguised=disguised,
    )
