"""Finds every known term of a folded text in one pass, however many terms there are."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import ahocorasick_rs

from streams.screening.lexicon import Animal, CodeWord, Cue, Meaning, Product, SpecimenWord, Term
from streams.screening.text import EMOJI, Folded, is_unspaced

HITS_LIMIT = 3_000
"""Raw hits looked at in one field; a text made of nothing but terms must not cost more than its length."""


REPEATS_LIMIT = 12
"""Hits of one term that are looked at when there are too many hits."""


ANIMAL, PRODUCT, CODE, SPECIMEN, CUE = 1, 2, 4, 8, 16
TRADED, PLANT, GROWN, KEPT, LIVING = 32, 64, 128, 256, 512
PARTNER, SALE, OTHER, EQUIPMENT = 1024, 2048, 4096, 8192
"""Roles of a place: bits that say what its terms may mean, to pass over most places without asking each
term. ``TRADED``: a name under which a living thing is traded; ``GROWN``, ``KEPT``, ``LIVING``: words of
growing, of keeping, for living animals; ``PARTNER``: specimen words that beside a name say what is
offered of it; ``SALE``: of sale and dealing; ``OTHER``: for animals that are not listed; ``EQUIPMENT``:
for keeping."""
ANY_ROLE = 2 * EQUIPMENT - 1

_ROLE_OF_CUE = {"sale": SALE, "dealing": SALE, "other-animal": OTHER, "not-equipment": EQUIPMENT}
_ROLE_OF_WORD = {"grown": GROWN, "keeping": KEPT, "live": LIVING, "livehint": LIVING}


def _role(meaning: Meaning) -> int:
    if isinstance(meaning, Cue):
        return CUE | _ROLE_OF_CUE.get(meaning.category, 0)
    if isinstance(meaning, SpecimenWord):
        partner = 0 if meaning.klass in ("grown", "keeping") else PARTNER
        return SPECIMEN | partner | _ROLE_OF_WORD.get(meaning.klass, 0)
    if isinstance(meaning, Animal):
        traded = meaning.trade_name or meaning.group == "coral"
        return ANIMAL | (TRADED if traded else 0) | (PLANT if meaning.klass == "plant" else 0)
    if isinstance(meaning, Product):
        return PRODUCT
    return CODE if isinstance(meaning, CodeWord) else 0


def _roles(terms: Iterable[Term]) -> int:
    roles = 0
    for term in terms:
        roles |= _role(term.meaning)
    return roles


Hit = tuple[int, int, int]
"""What the automaton tells: number of the spelling, start and end, with the spaces around it."""


class Found(NamedTuple):
    """Terms at one place of a folded field. ``start`` and ``end`` count folded characters."""

    field: str
    start: int
    end: int
    terms: tuple[Term, ...]
    explains: bool = True
    """True when what lies inside this phrase has no meaning of its own."""
    folded: Folded | None = None
    """The text it was found in, to ask how it was written there; that is not asked of every hit."""
    roles: int = ANY_ROLE
    """No term of it means what is not among these."""

    @property
    def disguised(self) -> bool:
        """True when the text had to be undisguised to read it."""
        return self.folded is not None and self.folded.is_disguised(self.start, self.end)

    @property
    def parted(self) -> bool:
        """True when a mark that ends a thought stands between its words."""
        return self.folded is not None and self.folded.is_parted(self.start, self.end)

    @property
    def misspelt(self) -> bool:
        """True when a word of it had to be put right."""
        return self.folded is not None and self.folded.is_misspelt(self.start, self.end)

    @property
    def pictured(self) -> bool:
        """True when a picture stands for a word of it."""
        return self.folded is not None and not EMOJI.isdisjoint(self.folded.text[self.start : self.end])


class Matcher:
    """An automaton over terms; immutable."""

    def __init__(self, terms: Iterable[Term | None]) -> None:
        by_spelling: dict[str, list[Term]] = {}
        for term in terms:
            if term is not None:
                by_spelling.setdefault(term.folded, []).append(term)
        self._terms = [tuple(same) for same in by_spelling.values()]
        self._explaining = [_explains(terms) for terms in self._terms]
        self.roles = [_roles(terms) for terms in self._terms]
        """Of each spelling, by its number."""
        self._marked = [any(term.exact is not None for term in terms) for terms in self._terms]
        """True where a meaning depends on the marks over the letters."""
        self._unmarked = [tuple(term for term in terms if term.exact is None) for terms in self._terms]
        """The terms of each spelling that stand for any marks."""
        # Measured on 37,600 names: two thirds of the default's time; a DFA is a quarter quicker
        # still, but takes 370 MB.
        self._automaton = ahocorasick_rs.AhoCorasick(
            list(by_spelling),
            store_patterns=False,
            implementation=ahocorasick_rs.Implementation.ContiguousNFA,
        )

    def __len__(self) -> int:
        return len(self._terms)

    def spellings(self) -> Iterator[str]:
        """Every spelling, folded."""
        return (terms[0].folded for terms in self._terms)

    def marked(self) -> Iterator[str]:
        """Spellings of one word that mean something only where their marks are right."""
        for terms in self._terms:
            if " " not in terms[0].folded.strip() and all(term.exact is not None for term in terms):
                yield terms[0].folded

    def meanings(self) -> Iterator[tuple[Meaning, ...]]:
        """What each spelling may mean."""
        return (tuple(term.meaning for term in terms) for terms in self._terms)

    def find(self, name: str, folded: Folded) -> list[Found]:
        """Every term in the field, in no particular order, at word borders only."""
        return self.places(name, folded, self.hits(folded.text))

    def hits(self, text: str) -> list[Hit]:
        """Where the letters of terms stand in a folded text, whatever stands beside them."""
        hits: list[Hit] = self._automaton.find_matches_as_indexes(text, overlapping=True)
        return hits if len(hits) <= HITS_LIMIT else _thinned(hits)

    def places(self, name: str, folded: Folded, hits: Iterable[Hit]) -> list[Found]:
        """Those hits in the field that are terms: at word borders, with the right marks."""
        text = folded.text
        found: list[Found] = []
        all_terms, marked, explaining, roles = self._terms, self._marked, self._explaining, self.roles
        for pattern, start, end in hits:
            terms = all_terms[pattern]
            if marked[pattern]:
                terms = _spelled(terms, folded, start, end) or self._unmarked[pattern]
                if not terms:
                    continue
            left = start + (text[start] == " ")
            right = end - (text[end - 1] == " ")
            if text[left] > "\u0dff" and is_unspaced(text[left]) and not _stands_alone(text, left, right):
                continue
            found.append(Found(name, left, right, terms, explaining[pattern], folded, roles[pattern]))
        return found


def _thinned(hits: Sequence[Hit]) -> list[Hit]:
    """A flood of hits cut down to the first of each term, so that repetition cannot hide what follows."""
    count: dict[int, int] = {}
    kept = []
    for hit in hits:
        count[hit[0]] = count.get(hit[0], 0) + 1
        if count[hit[0]] <= REPEATS_LIMIT:
            kept.append(hit)
    return kept[:HITS_LIMIT]


def _spelled(terms: Sequence[Term], folded: Folded, start: int, end: int) -> tuple[Term, ...]:
    """The terms that are written with their marks at this place; then no others are meant.

    Who writes the marks means the word that has them: ``bán`` is not also ``ban``.
    """
    if folded.read.isascii() or not any(term.exact and term.exact in folded.lowered for term in terms):
        return ()
    first, last = folded.span(start, end)
    written = unicodedata.normalize("NFC", folded.original[first:last]).casefold()
    return tuple(term for term in terms if term.exact == written)


def _is_katakana(character: str) -> bool:
    return "\u30a0" <= character <= "\u30ff"


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Borders in scripts without spaces: no letter cut from its mark, no katakana word cut in two."""
    after = text[end] if end < len(text) else " "
    if unicodedata.category(after) in ("Mn", "Mc"):
        return False
    before = text[start - 1] if start else " "
    if _is_katakana(text[start]) and _is_katakana(before):
        return False
    return not (_is_katakana(text[end - 1]) and _is_katakana(after))


_COMPANIONS = frozenset(
    {"real", "craft", "object", "composite", "jewelry", "antique", "sale", "dealing", "trade"}
    | {
        "condition",
        "recent",
        "not-talk",
        "not-equipment",
        "metal",
        "fitting",
        "likeness",
        "base-metal",
        "fired",
    }
)


def _explains(terms: Iterable[Term]) -> bool:
    return any(not (isinstance(t.meaning, Cue) and t.meaning.category in _COMPANIONS) for t in terms)


def uncovered(found: Sequence[Found]) -> list[Found]:
    """In order of place, without what lies strictly inside a longer phrase: the tiger in ``tiger moth``.

    Places are those of one field. Terms of two matchers at one place become one.
    """
    ordered = sorted(found, key=lambda one: (one.start, -one.end))
    kept: list[Found] = []
    reach, owner = -1, (0, 0)
    for one in ordered:
        place = (one.start, one.end)
        if one.end <= reach and place != owner:
            continue
        if kept and (kept[-1].start, kept[-1].end) == place:
            kept[-1] = kept[-1]._replace(
                terms=kept[-1].terms + one.terms,
                explains=kept[-1].explains or one.explains,
                roles=kept[-1].roles | one.roles,
            )
        else:
            kept.append(one)
        if one.end > reach and one.explains:
            reach, owner = one.end, place
    return kept
