"""Reads through disguises: digits for letters, letters apart, look-alike letters, masked letters.

:class:`Undisguiser` rewrites a text character by character, so that every place keeps its number
and quotes stay the seller's own. A word is rewritten only when the result is a word that terms are
made of; whatever is found in a rewritten place is marked as disguised. Every pass stands behind a
cheap test and is linear in the text.
"""

import re
from collections.abc import Iterable

from streams.screening.text import fold

SHORTEST = 4
"""Words shorter than this are not looked for under a disguise: too much would look like them."""
_LONGEST = 40

_JOINER = "\u2060"
"""Put in place of what stands between letters; the normal form drops it."""

_LEET_CHARACTERS = "0134578@$!|€*"
_LEET = str.maketrans("034578@$!|€", "oeastbasiie")
_LEET_CYRILLIC = str.maketrans("01346@", "оизчба")
_LEET_CLASSES = bytes(
    0x61
    if (chr(code).isalpha() and code < 128) or chr(code) == "?"
    else 0x31
    if chr(code) in _LEET_CHARACTERS
    else 0x2E
    for code in range(256)
)
"""Letters to ``a``, signs that stand for letters to ``1``, all else to a full stop.

What is not ASCII comes as a question mark and counts as a letter."""
_LEET_TOKEN = re.compile(r"[\w@$!|€*]{3,60}")

_SINGLE_LETTERS = re.compile(r" \S \S \S \S ")
_APART = re.compile(r"(?<![^\W\d_])(?:[^\W\d_][ .·•*_\-/\\~,|+]{1,2}){3,40}[^\W\d_](?![^\W\d_])")
_BETWEEN = re.compile(r"[ .·•*_\-/\\~,|+]")
_HAN_DOTTED = re.compile(r"(?<=[\u4e00-\u9fff])[.·•*_|+]{1,2}(?=[\u4e00-\u9fff])")
_HAN_APART = re.compile(
    r"(?<![\u4e00-\u9fff])[\u4e00-\u9fff](?:[ .·•*_\-/|+]{1,2}[\u4e00-\u9fff]){1,40}(?![\u4e00-\u9fff])"
)
"""Han characters one by one; words of two or more with a space between them are just words."""

_LATIN_LIKE = str.maketrans(
    "аАеЕоОрРсСуУхХіІјЈѕЅԁһкКмМтТвВнНгзбАԛԝѵѴүҮαΑοΟνρΡτΤυΥιΙκΚχΧεΕβΒηΗμΜΝΖγσω",
    "aAeEoOpPcCyYxXiIjJsSdhkKmMtTbBhHr3bAqwvVyYaAoOvpPtTuYiIkKxXeEbBnHuMNZyow",
)
_CYRILLIC_LIKE = str.maketrans("aAeEoOpPcCyYxXkKmMTBHiI", "аАеЕоОрРсСуУхХкКмМТВНіІ")
_FOREIGN = re.compile(r"[\u0370-\u03ff\u0400-\u052f]")
_LATIN = re.compile(r"[A-Za-z]")
_WORD = re.compile(r"[^\W\d_]{3,60}")


def _looks_leet(text: str) -> bool:
    """A quick test that lets most listings pass by: a sign between letters, or before three of them."""
    classes = text.encode("ascii", "replace").translate(_LEET_CLASSES)
    return b"a1a" in classes or b"a11a" in classes or b"1aaa" in classes


class Undisguiser:
    """Knows the words that terms are made of; immutable."""

    def __init__(self, terms: Iterable[str]) -> None:
        folded_terms = tuple(terms)
        self._words = frozenset(
            word
            for term in folded_terms
            for word in term.split()
            if SHORTEST <= len(word) <= _LONGEST and not word.isdigit()
        )
        self._whole = frozenset(
            term.replace(" ", "") for term in folded_terms if len(term.strip()) > SHORTEST
        )
        self._by_length: dict[int, tuple[str, ...]] = {}
        for word in sorted(self._words):
            if word.isascii():
                self._by_length[len(word)] = (*self._by_length.get(len(word), ()), word)

    def read(self, text: str, folded: str) -> str:
        """The text as it was meant; the same object when nothing is disguised. Same length always.

        ``folded`` is the text's normal form.
        """
        if _looks_leet(text):
            text = self._without_leet(text)
        if _SINGLE_LETTERS.search(folded):
            text = _APART.sub(self._joined, text)
        if not text.isascii():
            if _FOREIGN.search(text) and _LATIN.search(text):
                text = _WORD.sub(self._one_script, text)
            if _HAN_DOTTED.search(text):
                text = _HAN_DOTTED.sub(lambda found: _JOINER * len(found.group()), text)
            if _HAN_APART.search(text):
                text = _HAN_APART.sub(lambda found: _BETWEEN.sub(_JOINER, found.group()), text)
        return text

    def _known(self, word: str) -> bool:
        return fold(word).strip(" ") in self._words

    def _without_leet(self, text: str) -> str:
        def one(found: re.Match[str]) -> str:
            token = found.group()
            if token.isalpha() or token.isdigit() or not any(c in _LEET_CHARACTERS for c in token):
                return token
            if sum(c.isalpha() for c in token) < 2:
                return token
            if _FOREIGN.search(token):
                meant = token.translate(_LEET_CYRILLIC)
                return meant if meant.isalpha() and self._known(meant) else token
            for ones in "il":
                # Signs at the end are punctuation more often than letters.
                for cut in dict.fromkeys((len(token), len(token.rstrip("!|*$@€")))):
                    body = token[:cut].translate(_LEET).replace("1", ones)
                    if "*" in body:
                        body = self._unmasked(body)
                    if body.isalpha() and self._known(body):
                        return body + token[cut:]
            return token

        return _LEET_TOKEN.sub(one, text)

    def _unmasked(self, masked: str) -> str:
        """The one known word that fits a word with stars in it; the masked word when none or several do."""
        if masked.count("*") > len(masked) // 2 or not masked.isascii():
            return masked
        low = masked.casefold()
        fitting = [
            word
            for word in self._by_length.get(len(low), ())
            if word[0] == low[0] and all(c in ("*", w) for c, w in zip(low, word, strict=True))
        ]
        return fitting[0] if len(fitting) == 1 else masked

    def _joined(self, found: re.Match[str]) -> str:
        """The run without the sign that stands between its letters; other signs part its words."""
        run = found.group()
        signs = [character for character in run if _BETWEEN.match(character)]
        most = max(dict.fromkeys(signs), key=signs.count)
        joined = run.replace(most, _JOINER)
        words = fold(joined).split()
        if "".join(words) in self._whole or any(word in self._words for word in words):
            return joined
        return run

    def _one_script(self, found: re.Match[str]) -> str:
        word = found.group()
        foreign = _FOREIGN.search(word)
        if foreign is None or self._known(word):
            return word
        tables = (_LATIN_LIKE, _CYRILLIC_LIKE) if _LATIN.search(word) else (_LATIN_LIKE,)
        for table in tables:
            meant = word.translate(table)
            if meant != word and (meant.isascii() or table is _CYRILLIC_LIKE) and self._known(meant):
                return meant
        return word
