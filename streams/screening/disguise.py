"""Reads through disguises, word by word, and says at which places it did.

A word is read as another one only when that is a word that terms are made of, so ordinary texts
stay as they are. What was found out about a word is remembered: most words of most listings have
been seen before. Every pass is linear in the text.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from urllib.parse import unquote

from schemas.references import characters
from streams.screening.misspelling import Misspellings
from streams.screening.taxa import read_table
from streams.screening.text import Edit, EditKind, edited, fold, fold_each, is_unspaced

SHORTEST = 4
"""Words shorter than this are not looked for under a disguise: too much would look like them."""
_LONGEST = 40
_REMEMBERED = 100_000
_TOKEN_LIMIT = 64
"""Longer words are not remembered: there are too many of them, and hostile text is made of them."""
_REVERSED_LIMIT = 400

_SIGNS = "@$!|€*#+¡£¥"
_LEET_CHARACTERS = f"0123456789{_SIGNS}"
_LEET = [
    str.maketrans("034578@$|€#+!¡£¥2691", f"oeastbasiehtii{pound}yz{six}g{one}")
    for one in "il"
    for six in "gb"
    for pound in "le"
]
_LEET_CYRILLIC = str.maketrans("01346@", "оизчба")
_MARKS = "\u00ad\u034f\u0300-\u036f\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
_RUN = re.compile(rf"[\w{re.escape(_SIGNS)}{_MARKS}\U000e0000-\U000e0fff]{{2,200}}")

_SINGLE_LETTERS = re.compile(r"(?<!\S)\S\S?\s{1,3}\S\S?\s{1,3}\S\S?\s{1,3}\S\S?(?!\S)")
_SEPARATORS = r" .·•*_\-/\\~,|+'’:;=^‧∙"
_APART = re.compile(
    rf"(?<![^\W\d_])(?:[^\W_][{_SEPARATORS}]{{1,3}}){{3,40}}[^\W_](?![^\W\d_])"
)  # fmt: skip
_LONE_WORDS = frozenset("aAeEiIoOuUyYàÀwWzZsSkKвВиИсСоОуУкКяЯ")
"""Letters that are words in one language or other."""
_BETWEEN = re.compile(rf"[{_SEPARATORS}]+")
_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_HAN_DOTTED = re.compile(rf"(?<=[{_HAN}])[.·•*_|+~\-/]{{1,2}}(?=[{_HAN}])")
_HAN_APART = re.compile(rf"(?<![{_HAN}])[{_HAN}](?:[ .·•*_\-/|+]{{1,2}}[{_HAN}]){{1,40}}(?![{_HAN}])")
"""Han characters one by one; words of two or more with a space between them are just words."""
_HAN_ALONE = re.compile(rf"(?<!\S)[{_HAN}]\s+[{_HAN}](?!\S)")
_RIGHT_TO_LEFT = re.compile("[\u202e\u2067]([^\u202c\u2069\n]{1,400})")
_ENCODED = re.compile(r"&#x?[0-9a-fA-F]{1,6};?|&[a-zA-Z]{2,8};|(?:%[0-9a-fA-F]{2})+")

_FLIPPED = dict(zip("ɐqɔpǝɟƃɓɥıᴉɾʞןꞁɯuodbɹsʇnʌʍʎzᵷ", "abcdefgghiijkllmnopqrstuvwyzg", strict=True))
_FLIPPED_ONLY = frozenset("ɐɔǝɟƃɥᴉɾʞɯɹʇʌʍʎᵷ")

_RARE_CYRILLIC = frozenset("ѵԛԝһӏԁѡүҽ")
"""Letters of no common Cyrillic alphabet, but good look-alikes: a word with one in it is mixed script."""

_CAN_JOIN = frozenset(
    [
        "for",
        "sale",
        "sell",
        "selling",
        "buy",
        "buying",
        "seller",
        "sellers",
        "dealer",
        "shop",
        "store",
        "art",
        "the",
        "of",
        "and",
        "my",
        "me",
        "in",
        "real",
        "genuine",
        "authentic",
        "raw",
        "natural",
        "antique",
        "vintage",
        "old",
        "carved",
        "carving",
        "carvings",
        "collector",
        "collectors",
        "collection",
        "wholesale",
        "cheap",
        "price",
        "online",
        "jewelry",
        "jewellery",
        "love",
        "lover",
        "lovers",
        "pure",
        "best",
        "quality",
        "vente",
        "vendre",
        "venta",
        "vender",
        "zu",
        "verkaufen",
        "venda",
        "продажа",
        "купить",
        "продам",
        "jual",
        "dijual",
    ]
)
"""Words that hashtags are made of, besides the words of the tables."""


@dataclass(frozen=True, slots=True)
class _Meant:
    word: str
    kind: EditKind


@cache
def _looks() -> dict[int, str]:
    """``str.translate`` table from letters to the ones they look like; rows of ``confusables.csv``."""
    # The capital I, the small l and the digit 1 are one to the eye.
    looks = {ord(row["character"]): row["looks_like"] for row in read_table("confusables.csv")}
    return {code: like.replace("i", "l") for code, like in looks.items()} | {48: "o", 49: "l", 105: "l"}


def skeleton(word: str) -> str:
    """What a folded word looks like; equal for words that a reader takes for one another."""
    return word.translate(_looks())


def _script(character: str) -> str:
    """Latin, Cyrillic, Greek, or none of them; empty for digits."""
    if character <= "\x7f":
        return "latin" if character.isalpha() else ""
    if "\u0370" <= character <= "\u03ff":
        return "greek"
    if "\u0400" <= character <= "\u052f":
        return "mixed" if character in _RARE_CYRILLIC else "cyrillic"
    return "latin" if character <= "\u024f" else "other"


def is_mixed(word: str) -> bool:
    """True when a folded word's letters are of several scripts, or of one nobody writes words with."""
    scripts = {_script(character) for character in word} - {""}
    return len(scripts) > 1 or "mixed" in scripts or (scripts == {"other"} and skeleton(word).isascii())


def squeezed(word: str) -> str:
    """The word with each letter once where it is doubled."""
    return re.sub(r"(.)\1+", r"\1", word)


def _upright(word: str, *, sure: bool = False) -> str:
    """A word that is written upside down, as it was meant; empty when no letter of it tells (unless sure)."""
    if not sure and _FLIPPED_ONLY.isdisjoint(word):
        return ""
    return "".join(_FLIPPED.get(letter, letter) for letter in reversed(word))


class Undisguiser:
    """Knows the words that terms are made of. What it answers never changes; it only gets quicker."""

    def __init__(
        self,
        terms: Iterable[str],
        names: Iterable[str] = (),
        joins: Iterable[str] = (),
        ordinary: Mapping[str, float] | None = None,
    ) -> None:
        """``terms`` and ``names`` are folded. The former are looked for run together as well; ``joins``
        are words that may stand beside them then. ``ordinary`` words are never read as others.
        """
        self._terms = frozenset(term.strip() for term in terms)
        own = [word for term in sorted(self._terms) for word in term.split()]
        more = [word for term in names for word in term.split() if len(word) > SHORTEST + 1]
        self._words = frozenset(
            word for word in (*own, *more) if SHORTEST <= len(word) <= _LONGEST and not word.isdigit()
        )
        self._whole = {term.replace(" ", ""): term for term in sorted(self._terms) if " " in term}
        self._short = frozenset(word for word in own if 1 < len(word) < SHORTEST)
        self._parts = frozenset(word for word in own if len(word) > 2) | _CAN_JOIN | frozenset(joins)
        self._by_length: dict[int, list[str]] = {}
        self._by_skeleton: dict[str, str] = {}
        self._by_squeezed: dict[str, str] = {}
        for word in sorted(self._short):
            self._by_skeleton.setdefault(skeleton(word), word)
        for word in sorted(self._words):
            self._by_skeleton.setdefault(skeleton(word), word)
            if word.isascii():
                self._by_length.setdefault(len(word), []).append(word)
            if len(word) > SHORTEST:
                self._by_squeezed.setdefault(squeezed(word), word)
        self._ordinary = ordinary or {}
        self.misspellings = Misspellings([*own, *more], self._ordinary)
        self._strange: dict[str, tuple[Edit, ...]] = {}

    def edits(self, text: str) -> tuple[Edit, ...]:
        """Where the text is to be read as something else, in order of place; empty for most texts."""
        made = list(self._across_words(text))
        upside_down = not text.isascii() and not _FLIPPED_ONLY.isdisjoint(text)
        for word in dict.fromkeys(text.split()):
            edits = self.word_edits(word) or (self._turned(word) if upside_down else ())
            if not edits:
                continue
            at = text.find(word)
            while at >= 0:
                end = at + len(word)
                alone = (at == 0 or text[at - 1].isspace()) and (end == len(text) or text[end].isspace())
                if alone and not any(edit.start < end and edit.end > at for edit in made):
                    made += (replace(edit, start=edit.start + at, end=edit.end + at) for edit in edits)
                at = text.find(word, end)
        return tuple(sorted(made, key=lambda edit: edit.start))

    def _turned(self, word: str) -> tuple[Edit, ...]:
        """A word beside others that are upside down, whose own letters do not tell."""
        turned = _upright(word, sure=True)
        known = turned in self._words or turned in self._short
        return (Edit(0, len(word), turned, "disguise"),) if known else ()

    def misread(self, word: str) -> bool:
        """True when a folded word, taken by itself, would be read as another."""
        return self._read(word) is not None

    def reads_across(self, text: str) -> bool:
        """True when words that stand apart are to be read together."""
        return any(True for _ in self._across_words(text))

    def word_edits(self, word: str) -> tuple[Edit, ...]:
        """How a word (what stands between white space) is to be read; places count from its start."""
        known = self._strange.get(word)
        if known is None:
            known = self._examined(word)
            if len(word) <= _TOKEN_LIMIT:
                if len(self._strange) >= _REMEMBERED:
                    self._strange.clear()
                self._strange[word] = known
        return known

    def _across_words(self, text: str) -> Iterator[Edit]:
        if "\u202e" in text or "\u2067" in text:
            for found in _RIGHT_TO_LEFT.finditer(text):
                backwards = found.group(1)[::-1]
                yield Edit(found.start(1), found.end(1), edited(backwards, self.edits(backwards)), "disguise")
            return
        if _SINGLE_LETTERS.search(text):
            for found in _APART.finditer(text):
                if any(character.isspace() for character in found.group()):
                    yield from self._joined(found.group(), found.start())
        if not text.isascii() and _HAN_ALONE.search(text):
            for found in _HAN_APART.finditer(text):
                joined = _BETWEEN.sub("", found.group())
                if joined != found.group():
                    yield Edit(found.start(), found.end(), joined, "disguise")

    def _joined(self, run: str, at: int) -> Iterator[Edit]:
        """A run of single letters, with the sign that stands between them taken out; others part words."""
        signs = _BETWEEN.findall(run)
        most = max(dict.fromkeys(signs), key=signs.count)
        letters = list(re.finditer(r"[^\W_]", run))
        # A letter before or after may be a word of its own: "a r.h.i.n.o", "a r h i n o".
        alone = [
            signs[end] != most or (not most.strip() and letters[end].group() in _LONE_WORDS)
            for end in (0, -1)
        ]
        for first, last in ((0, 0), (1, 0), (0, 1), (1, 1)):
            if (first and not alone[0]) or (last and not alone[1]):
                continue
            start, end = letters[first].start(), letters[-1 - last].end()
            words = [self._spelt_out(word) for word in run[start:end].replace(most, "").split()]
            if any(word in self._words for meant in words for word in meant.split()):
                yield Edit(at + start, at + end, " ".join(words), "disguise")
                return

    def _spelt_out(self, word: str) -> str:
        plain = fold(word).strip()
        read = None if plain in self._words else self._read(word.casefold())
        return read.word if read else plain

    def _examined(self, word: str) -> tuple[Edit, ...]:
        if ("&" in word or "%" in word) and _ENCODED.search(word):
            decoded = unquote(characters(word), errors="replace")
            if decoded != word:
                # A named entity is how a careless program writes an accent; a numbered letter hides it.
                hides = re.search(r"&#|%[4-7]", word) is not None
                meant = edited(decoded, self._examined(decoded)) if len(decoded) < len(word) else decoded
                return (Edit(0, len(word), meant, "disguise" if hides else "joined"),)
        apart = self._letters_apart(word)
        if apart:
            return apart
        made: list[Edit] = []
        for run in _RUN.finditer(word):
            written = run.group()
            lead = len(written) - len(written.lstrip("#@"))
            # Signs at the end are punctuation more often than letters.
            for body in dict.fromkeys((written[lead:], written[lead:].rstrip(_SIGNS), written)):
                plain = fold(body).strip()
                if plain in self._words:
                    break
                read = self._read(body)
                if read is not None:
                    start = run.start() + written.index(body)
                    made.append(Edit(start, start + len(body), read.word, read.kind))
                    break
        if not made and not word.isascii():
            made = [Edit(found.start(), found.end(), "", "disguise") for found in _HAN_DOTTED.finditer(word)]
        return tuple(made)

    def _letters_apart(self, word: str) -> tuple[Edit, ...]:
        return tuple(edit for run in _APART.finditer(word) for edit in self._joined(run.group(), run.start()))

    def _read(self, body: str) -> _Meant | None:
        """What a run of letters and signs says, when that is a word of ours and the run itself is not."""
        # Signs keep their place, all else is folded.
        parts = fold_each(body[: 2 * _LONGEST + 1])
        written = "".join(sign if part == " " else part for sign, part in zip(body, parts, strict=False))
        if written in self._words:
            return None if written == fold(body).strip() else _Meant(written, "disguise")
        if not 2 <= len(written) <= 2 * _LONGEST or (written in self._ordinary and written.isalnum()):
            return None
        if len(written) < SHORTEST:
            return self._short_word(written)
        letters = sum(character.isalpha() for character in written)
        if letters < 2 or any(is_unspaced(character) for character in written if character > "\u0dff"):
            return None
        known = self._without_leet(written, self._words) if letters < len(written) else None
        if known is None and not written.isascii():
            known = self._in_one_script(written)
        if known is None:
            return self._respelled(written) if written.isalnum() else None
        return _Meant(known, "disguise")

    def _in_one_script(self, written: str) -> str | None:
        if is_mixed(written):
            known = self._by_skeleton.get(skeleton(written))
            if known is not None:
                return known
        flipped = _upright(written)
        return flipped if flipped in self._words else None

    def _short_word(self, written: str) -> _Meant | None:
        """A short word is only read as part of a longer term, so only where the disguise is plain to see."""
        written = written.rstrip("!")  # the end of a sentence
        if not written:
            return None
        cyrillic = any(_script(letter) == "cyrillic" for letter in written)
        # Beside Latin letters digits are too common (4a, 2b) to stand for others in so short a word.
        disguised = not written.isalpha() and (cyrillic or (not written.isalnum() and written[0].isalpha()))
        known = self._without_leet(written, self._short) if disguised else None
        if known is None and not written.isascii():
            known = self._by_skeleton.get(skeleton(written)) if is_mixed(written) else _upright(written)
        return _Meant(known, "disguise") if known in self._short else None

    def _respelled(self, word: str) -> _Meant | None:
        known = self._by_squeezed.get(squeezed(word))
        if known is not None and len(known) < len(word):
            return _Meant(known, "disguise" if len(word) - len(known) > 1 else "misspelling")
        split = self._whole.get(word) or self._split(word)
        if split is not None:
            return _Meant(split, "joined")
        known = self.misspellings.put_right(word)
        return None if known is None else _Meant(known, "misspelling")

    def _without_leet(self, written: str, words: frozenset[str]) -> str | None:
        if not written.isascii() and any(_script(letter) == "cyrillic" for letter in written):
            meant = written.translate(_LEET_CYRILLIC)
            return meant if meant in words else None
        for table in _LEET:
            meant = written.translate(table)
            if "*" in meant:
                meant = self._unmasked(meant)
            for spelled in (meant, squeezed(meant)):
                if spelled in words:
                    return spelled
        return None

    def _unmasked(self, masked: str) -> str:
        """The one known word that fits a word with stars in it; the masked word when none or several do."""
        if masked.count("*") > len(masked) // 2 or masked[0] == "*":
            return masked
        fitting = [
            word
            for word in self._by_length.get(len(masked), ())
            if word[0] == masked[0] and all(c in ("*", w) for c, w in zip(masked, word, strict=True))
        ]
        return fitting[0] if len(fitting) == 1 else masked

    def _split(self, word: str) -> str | None:
        """Words run together, when they are known one and all and a term is among them."""
        if not 8 <= len(word) <= _LONGEST:
            return None
        best: list[list[str] | None] = [[], *([None] * len(word))]
        for end in range(2, len(word) + 1):
            for start in range(max(0, end - 20), end):
                before, part = best[start], word[start:end]
                if before is None or not (part in self._parts or (part.isdigit() and len(part) < 3)):
                    continue
                kept = best[end]
                if kept is None or len(before) + 1 < len(kept):
                    best[end] = [*before, part]
        words = best[len(word)]
        if words is None or len(words) < 2:
            return None
        named = any(
            " ".join(words[start:end]) in self._terms
            for start in range(len(words))
            for end in range(start + 1, min(start + 4, len(words)) + 1)
            if sum(map(len, words[start:end])) > SHORTEST
        )
        return " ".join(words) if named else None
