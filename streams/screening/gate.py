"""Lets a text pass without a closer look when no word of it can be part of a hit.

Most listings name nothing that anybody looks for, and most of their words have been seen before. Of
each term the least frequent word is its *anchor*: where no anchor stands and no word is disguised,
no term can stand either. Where even the anchor is an everyday word, the next word of the term must
stand in the text as well. The answer is the same as that of the whole search, only sooner.

On the way it notes whether a word may name an account or hold digits that are not 0 to 9.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from itertools import filterfalse

import ahocorasick_rs

from streams.screening.disguise import Undisguiser
from streams.screening.misspelling import frequency_of_parts
from streams.screening.text import fold, is_unspaced

REMEMBERED = 200_000
"""Words kept; when there are more, half of the dull ones, whichever, are forgotten and learnt again."""
WORD_LIMIT = 96
"""Longer words are looked at each time: kept, hostile ones would only take memory."""
EVERYDAY = 3.5
"""From this frequency on (wordfreq's scale) a word alone says too little."""

_LETTER = "'"
"""Stands before a letter that is a word of its own; no folded word begins so."""

_ACCOUNT = "@"
"""Stands for a word that may name an account; no folded word begins so."""

_ALWAYS: frozenset[str] = frozenset({""})
"""Stands for a word that calls for a closer look whatever stands beside it."""


def _frequency(word: str) -> float:
    everyday = len(word) == 1 or (word.isdigit() and len(word) < 5)
    return frequency_of_parts().get(word, 9.0 if everyday else 0.0)


class Anchors:
    """The words by which a set of terms is known; immutable."""

    def __init__(self, terms: Iterable[str], marked: Iterable[str] = ()) -> None:
        """``terms`` are folded. ``marked`` are those of one word that only its right marks make the term."""
        self.marked = frozenset(term.strip() for term in marked)
        alone: set[str] = set()
        inside: set[str] = set()
        self.pairs: dict[str, dict[str, list[str]]] = {}
        for term in terms:
            words = term.split()
            if len(words) == 1 and words[0] in self.marked:
                continue
            unspaced = [word for word in words if is_unspaced(word[0]) or is_unspaced(word[-1])]
            if unspaced:
                inside.add(max(unspaced, key=len))
                continue
            words.sort(key=lambda word: (_frequency(word), -len(word)))
            if len(words) > 1 and words[0] != words[1] and _frequency(words[0]) >= EVERYDAY:
                self.pairs.setdefault(words[0], {}).setdefault(words[1], []).append(term)
            else:
                alone.add(words[0])
        self.alone = frozenset(alone)
        self.marked -= self.alone
        self.halves = frozenset(self.pairs).union(*self.pairs.values()) - alone
        self.inside = ahocorasick_rs.AhoCorasick(sorted(inside), store_patterns=False)


_SHORT = bytes(1 if size in (1, 2) else 0 for size in range(256))


def _short_ones_meet(words: Sequence[str]) -> bool:
    """False when no four words of one or two letters, and no two of one, stand side by side."""
    try:
        sizes = bytes(map(len, words))
    except ValueError:  # a word of more than 255 letters
        return True
    return b"\x01\x01\x01\x01" in sizes.translate(_SHORT) or b"\x01\x01" in sizes


class Look(Enum):
    """What a text calls for."""

    CLOSER = "closer"
    """Some term may be in it."""
    ACCOUNTS = "accounts"
    """No term can be in it, but a word may name an account."""
    NONE = "none"


_CLOSER, _ACCOUNTS, _NONE = Look.CLOSER, Look.ACCOUNTS, Look.NONE


def _no_account(_: str) -> bool:
    return False


class Gate:
    """Knows which words matter. What it answers never changes; it only gets quicker."""

    def __init__(
        self,
        anchors: Iterable[Anchors],
        undisguiser: Undisguiser,
        may_name: Callable[[str], bool] = _no_account,
    ) -> None:
        """``may_name`` is asked of each word once: whether it may name an account that matters."""
        self._anchors = tuple(anchors)
        self._terms_of: dict[tuple[str, str], list[str]] = {}
        beside: dict[str, set[str]] = {}
        for known in self._anchors:
            for word, others in known.pairs.items():
                beside.setdefault(word, set()).update(others)
                for other, terms in others.items():
                    self._terms_of.setdefault((word, other), []).extend(terms)
        self._beside = {word: frozenset(others) for word, others in beside.items()}
        self._firsts = frozenset(self._beside)
        self._firsts_of: dict[str, list[str]] = {}
        for word, seconds in beside.items():
            for second in seconds:
                self._firsts_of.setdefault(second, []).append(word)
        self._letters: set[str] = set()
        self._undisguiser = undisguiser
        self._may_name = may_name
        self._dull: set[str] = set()
        """Words that say nothing, or nothing unless a rarer word stands in the text as well."""
        self._seconds: dict[str, frozenset[str]] = {}
        """What the latter say; asked only then."""
        self._partners: dict[str, set[str]] = {word: set() for word in self._firsts}
        """Which of the latter hold a word that makes a term with this rarer one."""
        self._telling: dict[str, frozenset[str]] = {}

    def passes(self, text: str) -> bool:
        """True when no term can be in the text, plainly or in disguise."""
        return self.look(text) is not _CLOSER

    def look(self, text: str) -> Look:
        """What the text calls for: ``CLOSER`` unless no term can be in it, plainly or in disguise."""
        halves: set[str] = set()
        words = text.split()
        for word in filterfalse(self._dull.__contains__, words):
            told = self._telling.get(word) or self._told(word)
            if told is _ALWAYS:
                return _CLOSER
            halves |= told
        if not halves:
            return _NONE
        for first in halves & self._firsts:
            if (
                not self._partners[first].isdisjoint(words) or not halves.isdisjoint(self._beside[first])
            ) and self._paired(halves, words, text):
                return _CLOSER
        if (
            len(halves) > 1
            and len(halves & self._letters) > 1
            and _short_ones_meet(words)
            and self._undisguiser.reads_across(text)
        ):
            return _CLOSER
        return _ACCOUNTS if _ACCOUNT in halves else _NONE

    def _paired(self, halves: set[str], words: Sequence[str], text: str) -> bool:
        """True when one of the terms whose words are all everyday words stands in the text."""
        halves = halves.union(*map(self._seconds.__getitem__, self._seconds.keys() & words))
        met = [(first, second) for first in halves & self._firsts for second in halves & self._beside[first]]
        if not met:
            return False
        folded = fold(text)
        return any(term in folded for pair in met for term in self._terms_of[pair])

    def _told(self, word: str) -> frozenset[str]:
        """What the word has to do with terms: nothing, parts of them, or enough for a closer look."""
        told = self._looked_at(word)
        if len(word) <= WORD_LIMIT:
            if len(self._telling) >= REMEMBERED // 4:
                self._telling.clear()
            if len(self._dull) + len(self._telling) >= REMEMBERED:
                for _ in range(len(self._dull) // 2):
                    self._forget(self._dull.pop())
            if not told:
                self._dull.add(word)
            elif self._is_second(told):
                self._seconds[word] = told
                for half in told:
                    for first in self._firsts_of[half]:
                        self._partners[first].add(word)
                self._dull.add(word)
            else:
                self._telling[word] = told
        return told

    def _forget(self, word: str) -> None:
        for half in self._seconds.pop(word, ()):
            for first in self._firsts_of[half]:
                self._partners[first].discard(word)

    def _is_second(self, told: frozenset[str]) -> bool:
        """True when it matters only beside a word that is rarer in every one of its terms."""
        return (
            told is not _ALWAYS
            and told.isdisjoint(self._firsts)
            and told.isdisjoint(self._letters | {_ACCOUNT})
        )

    def _looked_at(self, word: str) -> frozenset[str]:
        folded = fold(word)
        parts = folded.split()
        for anchors in self._anchors:
            if not anchors.alone.isdisjoint(parts):
                return _ALWAYS
            if not word.isascii() and not anchors.marked.isdisjoint(parts):
                return _ALWAYS
            if not folded.isascii() and anchors.inside.find_matches_as_indexes(folded):
                return _ALWAYS
        if "\u202e" in word or "\u2067" in word or self._undisguiser.word_edits(word):
            return _ALWAYS
        halves = frozenset(part for anchors in self._anchors for part in anchors.halves.intersection(parts))
        if len(word) < 3 and len(folded.strip()) == 1:
            # Letters that stand alone may have to be read together.
            letter = _LETTER + folded.strip()
            self._letters.add(letter)
            halves |= {letter}
        return halves | {_ACCOUNT} if self._may_name(word) else halves
