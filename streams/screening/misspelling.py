"""Misspelt names put right: one letter more, less, other, or two changed places, where that is safe.

A word is never taken for a misspelling when it is an ordinary word of some language: those that
lie near our names stand in ``reference/ordinary.csv.gz``. Names that many ordinary words resemble
(tiger: tier, timer, Tigger) are found in their right spelling only, and so are all short ones. Only
Latin, Cyrillic and Greek; a Han or Thai word has no misspelling that could be told from another word.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from streams.screening.taxa import read_table

SHORTEST = 5
LONG = 7
"""From this length on, a name is looked for misspelt whatever it resembles."""
NEIGHBOURS = 2
"""Frequent words that a shorter name may resemble, and still be looked for misspelt."""
FREQUENT = 3.5
"""On wordfreq's scale: once in 300,000 words."""

_SPELLED = re.compile(r"[a-z\u0370-\u03ff\u0400-\u052f]{4,40}")


@cache
def ordinary_words() -> dict[str, float]:
    """Ordinary words, folded, that are or resemble a word of our names; how frequent they are."""
    return {row["word"]: float(row["frequency"]) for row in read_table("ordinary.csv.gz")}


@cache
def frequency_of_parts() -> dict[str, float]:
    """How frequent the words are that names are made of, as far as they are ordinary words."""
    return {
        row["word"]: float(row["frequency"]) for row in read_table("ordinary.csv.gz") if row["how"] == "part"
    }


def _shortened(word: str) -> Iterator[str]:
    """The word, and the word without each of its letters."""
    yield word
    for at in range(len(word)):
        yield word[:at] + word[at + 1 :]


def within_one(one: str, other: str) -> bool:
    """True when one edit leads from one to the other: a letter in, out, changed, or two swapped."""
    if abs(len(one) - len(other)) > 1:
        return False
    start, short = 0, min(len(one), len(other))
    while start < short and one[start] == other[start]:
        start += 1
    end = 0
    while end < short - start and one[-1 - end] == other[-1 - end]:
        end += 1
    left, right = one[start : len(one) - end], other[start : len(other) - end]
    return max(len(left), len(right)) <= 1 or (len(left) == 2 and left == right[::-1])


class Misspellings:
    """Knows the names that are looked for misspelt; immutable."""

    def __init__(self, names: Iterable[str], ordinary: Mapping[str, float]) -> None:
        """``names``: single folded words, the more important first."""
        spelled = [name for name in dict.fromkeys(names) if _SPELLED.fullmatch(name)]
        self._names = frozenset(spelled)
        self._ordinary = ordinary
        near: dict[str, int] = {}
        self._around = _index(name for name in spelled if SHORTEST <= len(name) < LONG)
        for word in (word for word, frequency in ordinary.items() if frequency >= FREQUENT):
            for name in self._neighbours(word):
                near[name] = near.get(name, 0) + 1
        self._near = _index(
            name
            for name in spelled
            if len(name) >= LONG or (len(name) >= SHORTEST and near.get(name, 0) <= NEIGHBOURS)
        )

    def _neighbours(self, word: str) -> set[str]:
        around = {name for part in _shortened(word) for name in self._around.get(part, ())}
        return {name for name in around if name != word and within_one(word, name)}

    def is_near(self, word: str) -> bool:
        """True when a shorter name is one edit away, whether or not it is looked for misspelt."""
        return bool(_SPELLED.fullmatch(word) and self._neighbours(word))

    def put_right(self, word: str) -> str | None:
        """The name that a folded word is a misspelling of, if it is one."""
        if word in self._names or word in self._ordinary or not _SPELLED.fullmatch(word):
            return None
        parts = [word, *[word[:at] + word[at + 1 :] for at in range(len(word))]]
        if self._near.keys().isdisjoint(parts):
            return None
        for part in parts:
            for name in self._near.get(part, ()):
                # Nearly everybody gets the first letter right; ordinary words differ there most often.
                if name[0] == word[0] and within_one(word, name):
                    return name
        return None


def _index(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    index: dict[str, tuple[str, ...]] = {}
    for name in names:
        for part in _shortened(name):
            index[part] = (*index.get(part, ()), name)
    return index
