"""Which specimens a text names: a *claim* says "this place names this specimen of this taxon".

An animal's name makes a claim only with a specimen word beside it that fits the animal and is not
another animal's; a product's name (rhino horn) makes one by itself. What a claim is worth is
decided in :mod:`streams.screening.offer`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

from streams.screening.headings import KEPT_WORDS, Kept, kept_or_grown
from streams.screening.lexicon import Animal, CodeWord, Cue, Product, SpecimenWord, Term
from streams.screening.matching import (
    ANIMAL,
    CODE,
    CUE,
    EQUIPMENT,
    GROWN,
    KEPT,
    LIVING,
    OTHER,
    PARTNER,
    PLANT,
    PRODUCT,
    SALE,
    SPECIMEN,
    TRADED,
    Found,
    Hit,
)
from streams.screening.taxa import Taxon
from streams.screening.text import Folded


class Answer(IntEnum):
    """How sure the text lets us be; ordered, so that the weaker of two answers is the smaller."""

    NO = 0
    UNLIKELY = 1
    UNKNOWN = 2
    LIKELY = 3
    YES = 4

    @property
    def word(self) -> str:
        """As rules see it: ``no`` … ``yes``."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Indication:
    """A word that speaks for or against a claim."""

    category: str
    found: Found

    @property
    def supports(self) -> bool:
        return not self.category.startswith("not-")


class Weighing(NamedTuple):
    """What the scorer made of a claim that it moved."""

    score: float
    """Above 0 the text as a whole speaks for an offer, below 0 against one."""
    up: bool
    """True: raised, for a person to look; False: taken down."""
    speaks_for: tuple[str, ...]
    """Words and properties of the text that weigh most, in words for an officer."""
    speaks_against: tuple[str, ...]


@dataclass(frozen=True)
class Claim:
    """A specimen of a taxon that the text names."""

    taxon: Taxon
    group: str
    klass: str
    product: str
    kind: str
    """``live``, ``part``, ``derivative`` or ``unclear``."""
    sure: bool
    """True: the words themselves can hardly mean anything but the real material."""
    named_by: tuple[Found, ...]
    """Where taxon and specimen are named."""
    ref: str
    real: Answer = Answer.UNKNOWN
    offered: Answer = Answer.UNKNOWN
    indications: tuple[Indication, ...] = ()
    curated: bool = True
    bare: bool = False
    """True: hardly more than the name makes the claim, so that it is likely at best."""
    traded: bool = False
    """True: the name is one under which living things are traded."""
    weighing: Weighing | None = None
    """Set where the scorer moved an answer."""

    @cached_property
    def disguised(self) -> bool:
        """True when the text had to be undisguised to read the name."""
        return any(one.disguised for one in self.named_by)

    @cached_property
    def misspelt(self) -> bool:
        """True when the name had to be put right: a hint, never enough for a notice."""
        return any(one.misspelt for one in self.named_by)

    @cached_property
    def pictured(self) -> bool:
        """True when a picture (emoji) stands for the name: a hint, never enough for a notice."""
        return any(one.pictured for one in self.named_by)

    @cached_property
    def by_scientific_name(self) -> bool:
        """True when the text gives the scientific name of a species."""
        return self.ref.startswith("taxon:") and " " in self.taxon.name

    @cached_property
    def against(self) -> tuple[str, ...]:
        """Categories of what speaks against it, without doubles."""
        return tuple(dict.fromkeys(one.category for one in self.indications if not one.supports))

    @cached_property
    def support(self) -> tuple[str, ...]:
        """Categories of what speaks for it, without doubles."""
        return tuple(dict.fromkeys(one.category for one in self.indications if one.supports))

    @cached_property
    def score(self) -> float:
        """How sure it is that the specimen is offered, 0 to 1."""
        return round(_SHARE[self.real] * _SHARE[self.offered], 4)


_SHARE = {Answer.NO: 0.02, Answer.UNLIKELY: 0.25, Answer.UNKNOWN: 0.6, Answer.LIKELY: 0.85, Answer.YES: 0.98}

_FITS_IN_WORDS = {
    "mammal": "body fur leather tooth bone meat live livehint weak",
    "bird": "body feather meat live livehint",
    "reptile": "body leather carrier tooth bone shell meat live livehint weak",
    "amphibian": "body leather live livehint",
    "fish": "body tooth fin leather meat live livehint",
    "invertebrate": "body shell live",
    "plant": "",
    "other": "body live",
}
_FITS = {klass: frozenset(words.split()) for klass, words in _FITS_IN_WORDS.items()}
"""Which classes of specimen word make sense for which class of animal."""

_ONLY_FOR = {
    "horn": frozenset({"rhino", "saiga", "ungulate"}),
    "tusk": frozenset({"elephant", "walrus", "hippo", "narwhal"}),
    "scales": frozenset({"pangolin"}),
    "casque": frozenset({"hornbill", "helmeted-hornbill"}),
    "insect": frozenset({"butterfly", "arachnid"}),
    "reef": frozenset({"coral", "clam"}),
}
"""Classes of specimen word that belong to few groups."""

SOLD_ALIVE = frozenset(
    {"ape", "arowana", "lemur", "lizard", "loris", "monitor", "parrot", "parrot1"}
    | {"primate", "python", "raptor", "tortoise", "tortoise1"}
)
"""Groups whose bare name next to "for sale" means the living animal."""

_NO_FIELDS: Mapping[str, Folded] = MappingProxyType({})

_ANY_TUSK = "tusk"
"""The group of tusks that nothing is said about: most are an elephant's."""

_REACH = 40
_REACH_SALE = 14
_REACH_AMBIGUOUS = 24
_REACH_NARROW = 18
_REACH_LIVE = 16
_REACH_CARRIER = 45
_REACH_SHARK_LEATHER = 8
"""A shark gives its name to vapes and boats far more often than its skin to leather."""
_NARROW = frozenset({"weak", "meat", "shell", "feather", "livehint"})


def gap(one: Found, other: Found) -> int:
    """Folded characters between two places of one field; negative when they overlap."""
    start, end, other_start, other_end = one.start, one.end, other.start, other.end
    return (start if start > other_start else other_start) - (end if end < other_end else other_end)


def named(
    found: Sequence[Found],
    heading: tuple[str, int] | None = None,
    fields: Mapping[str, Folded] = _NO_FIELDS,
    *,
    priced: bool = False,
) -> list[Claim]:
    """Every claim that the words make, unweighed; the same one as often as it is made.

    ``heading`` is the field and the length of a marketplace listing's heading: what stands there is
    what the listing is about, so that words about keeping or growing it may stand anywhere.
    ``fields`` are its texts; ``priced``: the listing has a price of its own.
    """
    animals = _animals(found)
    made = [
        *_product_claims(found),
        *(_animal_claims(found, animals) if animals else ()),
        *_code_claims(found),
    ]
    if heading is not None and animals:
        taken = {one.taxon.name for one in made if one.product != _IMPLIED.id}
        made += map(_kept_claim, kept_or_grown(found, animals, heading, taken, fields, priced=priced))
    return made


_WITHIN_REACH = 48
"""No less than any reach, with the spaces around a hit."""


def may_claim(
    names: Mapping[str, Sequence[Found]],
    around: Mapping[str, Sequence[Hit]],
    roles: Sequence[int],
    heading: tuple[str, int] | None,
) -> bool:
    """False when :func:`named` can make nothing of these names and of what stands around them.

    To be asked before the words around are read: ``around`` are their hits by field, ``roles`` those
    of each spelling that is hit. Most names without a specimen word or words of sale near them stand
    in listings of something else.
    """
    told: int | None = None
    for field, places in names.items():
        for one in places:
            if one.roles & (PRODUCT | CODE):
                return True
            if not one.roles & ANIMAL:
                continue
            if heading is not None and field == heading[0] and one.start < heading[1]:
                told = _told_of_life(around, roles) if told is None else told
                if one.roles & TRADED or told & (GROWN if one.roles & PLANT else KEPT):
                    return True
            low, high = one.start - _WITHIN_REACH, one.end + _WITHIN_REACH
            for number, start, end in around[field]:
                if end >= low and start <= high and roles[number] & (PARTNER | SALE):
                    return True
    return False


def _told_of_life(around: Mapping[str, Sequence[Hit]], roles: Sequence[int]) -> int:
    """``GROWN`` when a word of growing is hit; ``KEPT`` when words enough of keeping and living are."""
    words = {hit[0] for hits in around.values() for hit in hits}
    told = [roles[word] for word in words if roles[word] & (GROWN | KEPT | LIVING)]
    kept = sum(role & KEPT for role in told) // KEPT
    enough = kept and kept + any(role & LIVING for role in told) >= KEPT_WORDS
    return (KEPT if enough else 0) | (GROWN if any(role & GROWN for role in told) else 0)


def _kept_claim(kept: Kept) -> Claim:
    return Claim(
        taxon=kept.animal.taxon,
        group=kept.animal.group,
        klass=kept.animal.klass,
        product=kept.product,
        kind=kept.kind,
        sure=False,
        named_by=(kept.name,) if kept.shown_by is None else (kept.name, kept.shown_by),
        ref=kept.term.ref,
        curated=kept.animal.curated,
        bare=kept.bare,
        traded=kept.animal.trade_name,
    )


def _product_claims(found: Sequence[Found]) -> list[Claim]:
    made = []
    for at, one in enumerate(found):
        if not one.roles & PRODUCT:
            continue
        options = [(term.meaning, term) for term in one.terms if isinstance(term.meaning, Product)]
        if options:
            # A word that is a colour in one language and the bare material in another is the material.
            p, term = max(options, key=lambda option: option[0].sure)
            sure = p.sure and not one.parted
            claim = Claim(p.taxon, p.group, "product", p.product, p.kind, sure, (one,), term.ref)
            narrowed = _narrowed(claim, one, found[at - 1] if at else None)
            if _runs_into_another_meaning(one, found[at + 1 : at + 3]):
                narrowed = None  # carved in *Ivory* Coast
            if p.group == _ANY_TUSK and any(
                abs(gap(one, other)) <= _REACH for other in _places(found, OTHER, "other-animal")
            ):
                narrowed = None  # a boar's
            if claim.product == "ivory" and "eleph" not in term.folded and _is_a_tuskers(one, found):
                narrowed = None
            if narrowed is not None:
                made.append(narrowed)
    return made


def _runs_into_another_meaning(product: Found, after: Sequence[Found]) -> bool:
    """Whether the product's last word is the first one of a phrase that means something else."""
    return any(
        one.field == product.field
        and product.start < one.start < product.end < one.end
        and any(isinstance(t.meaning, Cue) and t.meaning.category == "not-other-meaning" for t in one.terms)
        for one in after
    )


def _is_a_tuskers(ivory: Found, found: Sequence[Found]) -> bool:
    return any(
        0 <= gap(ivory, one) <= _REACH_AMBIGUOUS and one.terms[0].folded.split()[0] in _TUSKERS
        for one in found
    )


_TUSKERS = frozenset({"warthog", "warthogs", "boar", "boars", "hog", "elk", "javelina"})
"""Animals whose tusks or teeth are called ivory as well."""


def _narrowed(claim: Claim, product: Found, before: Found | None) -> Claim | None:
    """The claim in the light of a name that runs into it: a *snow leopard* skin, a *tiger snake* skin."""
    if before is None or before.field != product.field or before.end <= product.start:
        return claim
    best = _best_animal(before)
    if best is not None:
        animal = best[0]
        return replace(claim, taxon=animal.taxon, group=animal.group, named_by=(before, product))
    other = any(
        isinstance(t.meaning, Cue) and t.meaning.category in ("other-animal", "not-other-meaning")
        for t in before.terms
    )
    return None if other else claim


def _code_claims(found: Sequence[Found]) -> list[Claim]:
    made = []
    for one in found:
        for term in one.terms if one.roles & CODE else ():
            if isinstance(term.meaning, CodeWord):
                c = term.meaning
                made.append(Claim(c.taxon, c.group, "code", c.product, "part", False, (one,), term.ref))
    return made


_NARROW_RANKS = frozenset({"genus", "species", "subspecies"})


def _best_animal(one: Found) -> tuple[Animal, Term] | None:
    """The meaning to go by: the hand-kept one, unless the words are a scientific name."""
    best: tuple[Animal, Term] | None = None
    narrowest: Taxon | None = None
    highest = (False, False, False, False)
    for term in one.terms:
        animal = term.meaning
        if isinstance(animal, Animal):
            rank = (
                term.ref.startswith("taxon:") and " " in animal.id,
                animal.curated,
                animal.trade_name,
                not animal.ambiguous,
            )
            if best is None or rank > highest:
                best, highest = (animal, term), rank
            if animal.taxon.rank in _NARROW_RANKS and not animal.curated:
                narrowest = animal.taxon
    if narrowest is not None and best is not None and best[0].taxon.rank not in _NARROW_RANKS:
        # The hand-kept row is for the family, the name for one genus of it.
        best = (replace(best[0], taxon=narrowest), best[1])
    return best


def _animals(found: Sequence[Found]) -> list[tuple[Found, Animal, Term]]:
    shapes = _places(found, CUE, "likeness")
    return [
        (one, *best)
        for one in found
        if one.roles & ANIMAL
        and (best := _best_animal(one)) is not None
        and not any(shape.field == one.field and 0 <= shape.start - one.end <= 1 for shape in shapes)
    ]


def _animal_claims(found: Sequence[Found], animals: Sequence[tuple[Found, Animal, Term]]) -> list[Claim]:
    specimens = [
        (one, term.meaning)
        for one in found
        if one.roles & SPECIMEN
        for term in one.terms
        if isinstance(term.meaning, SpecimenWord)
    ]
    others, sales = _places(found, OTHER, "other-animal"), _places(found, SALE, "sale", "dealing")
    equipment = _places(found, EQUIPMENT, "not-equipment")
    made = []
    for one, animal, term in animals:
        if animal.group.startswith("shark") and _is_of_other(one, specimens, others):
            continue
        partner = _partner(one, animal, specimens, others) or _sold(one, animal, sales, equipment)
        if partner is None:
            continue
        where, word = partner
        made.append(
            Claim(
                taxon=animal.taxon,
                group=animal.group,
                klass=animal.klass,
                product=word.id,
                kind=word.kind,
                sure=False,
                named_by=(one, where),
                ref=term.ref,
                curated=animal.curated,
                traded=animal.trade_name,
            )
        )
    return made


_BESIDE = 12


def _is_of_other(
    one: Found, specimens: Sequence[tuple[Found, SpecimenWord]], others: Sequence[Found]
) -> bool:
    """True when a fish that is not listed comes first, with the part: *horn shark jaw, mako sharks*."""
    return any(
        other.field == where.field == one.field
        and where.end <= one.start
        and 0 <= where.start - other.end <= _BESIDE
        and word.klass in ("body", "tooth", "fin", "leather")
        for other in others
        for where, word in specimens
    )


def _is_nearer(other: Found, where: Found, name: Found, distance: int) -> bool:
    """True when the part is the other's: nearer to it, or between the two (*pheasant mount, ring neck*)."""
    if other.field != where.field or (away := gap(other, where)) < 0:
        return False
    return away < distance or (away == distance and other.start < where.start < name.start)


def _is_cat(name: Found, other: Found, animal: Animal) -> bool:
    """True for the *cat* of a *serval cat*, which is part of the name."""
    return (
        animal.group in ("cat", "leopard", "tiger")
        and 0 <= other.start - name.end <= 1
        and other.terms[0].folded.strip() in ("cat", "cats")
    )


_IMPLIED = SpecimenWord("livehint", "live", "livehint")


def _places(found: Sequence[Found], role: int, *categories: str) -> list[Found]:
    return [
        one
        for one in found
        if one.roles & role
        and any(isinstance(term.meaning, Cue) and term.meaning.category in categories for term in one.terms)
    ]


def _sold(
    one: Found, animal: Animal, sales: Sequence[Found], equipment: Sequence[Found]
) -> tuple[Found, SpecimenWord] | None:
    """The words "for sale" beside an animal that is usually sold alive."""
    young = animal.klass == "mammal" and animal.trade_name and not animal.ambiguous
    if (
        (animal.group not in SOLD_ALIVE and not young)
        or not animal.curated
        or (animal.group == "raptor" and animal.ambiguous)
        or any(other.field == one.field and 0 <= gap(one, other) <= 1 for other in equipment)
    ):
        return None
    for sale in sales:
        if sale.field == one.field and 0 <= gap(one, sale) <= _REACH_SALE:
            return (sale, _IMPLIED)
    return None


def _fits(animal: Animal, word: SpecimenWord) -> bool:
    only = _ONLY_FOR.get(word.klass)
    if only is not None:
        return animal.group in only
    return word.klass in _FITS[animal.klass] and not (word.klass == "carrier" and animal.ambiguous)


def _partner(
    one: Found,
    animal: Animal,
    specimens: Sequence[tuple[Found, SpecimenWord]],
    others: Sequence[Found],
) -> tuple[Found, SpecimenWord] | None:
    """The nearest specimen word that fits the animal and is not another animal's; parts before life."""
    best: tuple[tuple[bool, bool, int], Found, SpecimenWord] | None = None
    for where, word in specimens:
        if where.field != one.field or not _fits(animal, word):
            continue
        distance = gap(one, where)
        reach = _REACH_LIVE if word.kind == "live" else _REACH_AMBIGUOUS if animal.ambiguous else _REACH
        if word.klass in _NARROW:
            reach = min(reach, _REACH_NARROW)
        elif word.klass == "leather" and animal.group.startswith("shark"):
            reach = _REACH_SHARK_LEATHER
        elif word.klass == "carrier":
            reach = _REACH_CARRIER
        if distance < 0 or distance > reach:
            continue
        if any(
            _is_nearer(other, where, one, distance) and not _is_cat(one, other, animal) for other in others
        ):
            continue
        rank = (word.kind == "live", word.klass == "weak", distance)
        if best is None or rank < best[0]:
            best = (rank, where, word)
    return None if best is None else (best[1], best[2])
