"""The normal form in which listings and terms are compared, with the way back to the original.

One fold for text and terms alike: default-ignorable characters out, compatibility forms
resolved (NFKD, character by character), casefolded, combining marks of Latin, Greek and Cyrillic
letters and of Arabic vocalisation dropped, everything that is not a letter, digit or mark turned
into one space, and a space put wherever a script that is written without spaces meets one that is
written with them. A folded text begins and ends with a space, so a term of a spaced script,
folded the same way, can only match at word borders. All of it is linear in the text's length and
none of it raises, whatever the text holds (lone surrogates, control characters, bidi marks).
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import Literal

_TABLE_LIMIT = 60_000
"""Characters remembered at most; hostile text must not make the table grow without end."""
_WORDS_LIMIT = 50_000
"""Words remembered; when there are more, all are forgotten and learnt again."""
_WORD_LIMIT = 32
"""Longer words are folded each time: kept, hostile ones would only take memory."""

_DROPPED_RANGES = (
    (0x00AD, 0x00AD),  # soft hyphen
    (0x034F, 0x034F),  # combining grapheme joiner
    (0x061C, 0x061C),  # Arabic letter mark
    (0x0640, 0x0640),  # tatweel: lengthens a word, changes nothing
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),  # zero width and direction marks
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),  # variation selectors
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xE0000, 0xE0FFF),
    (0x0300, 0x036F),  # combining marks of Latin, Greek and Cyrillic
    (0x0483, 0x0489),
    (0x064B, 0x065F),  # Arabic vocalisation
    (0x0670, 0x0670),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0xFE20, 0xFE2F),
)

_LETTERS = {
    "đ": "d", "ð": "d", "ø": "o", "ł": "l", "ı": "i", "ħ": "h", "ŧ": "t", "æ": "ae", "œ": "oe", "þ": "th",
    "ɑ": "a", "ɡ": "g", "ɩ": "i", "ʋ": "v",
    "ᴀ": "a", "ʙ": "b", "ᴄ": "c", "ᴅ": "d", "ᴇ": "e", "ꜰ": "f", "ɢ": "g", "ʜ": "h", "ɪ": "i", "ᴊ": "j",
    "ᴋ": "k", "ʟ": "l", "ᴍ": "m", "ɴ": "n", "ᴏ": "o", "ᴘ": "p", "ǫ": "q", "ʀ": "r", "ꜱ": "s", "ᴛ": "t",
    "ᴜ": "u", "ᴠ": "v", "ᴡ": "w", "ʏ": "y", "ᴢ": "z",
    "أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ة": "ه", "ک": "ك", "ی": "ي",
}  # fmt: skip
"""Letters that Unicode does not decompose but that writers use for one another."""

EMOJI = frozenset("🐘🦷🦏🐅🐯🐆🐢🦜🐍🐊🦎🦈🐒🐵🦍🦧🐻🐼🦅🦉🦇🦴🩸🥩")
"""Pictures that stand in for a word, each a word of its own; all others are as good as spaces."""

_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),
    (0x3005, 0x3007),
    (0x3040, 0x30FF),  # kana
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
_UNSPACED_CLASS = "".join(f"{chr(low)}-{chr(high)}" for low, high in _UNSPACED)
_HAS_UNSPACED = re.compile(f"[{_UNSPACED_CLASS}]")
_SCRIPT_SEAM = re.compile(
    f"(?<=[{_UNSPACED_CLASS}])(?=[^ {_UNSPACED_CLASS}])|(?<=[^ {_UNSPACED_CLASS}])(?=[{_UNSPACED_CLASS}])"
)
_MARKS_IN_WORDS = frozenset({"Mn", "Mc", "Me"})


def is_unspaced(character: str) -> bool:
    """True for a character of a script that is written without spaces between words."""
    return _HAS_UNSPACED.match(character) is not None


def _in_ranges(code: int, ranges: Sequence[tuple[int, int]]) -> bool:
    return any(low <= code <= high for low, high in ranges)


def _fold_character(code: int) -> str:
    """The folded form of one character: empty, one or more characters."""
    if _in_ranges(code, _DROPPED_RANGES):
        return ""
    character = chr(code)
    if 0xAC00 <= code <= 0xD7A3:  # Hangul syllables stay whole
        return character
    if character in EMOJI:
        return f" {character} "
    folded: list[str] = []
    for piece in unicodedata.normalize("NFKD", character).casefold():
        for part in unicodedata.normalize("NFKD", piece):
            if _in_ranges(ord(part), _DROPPED_RANGES):
                continue
            letter = _LETTERS.get(part, part)
            word = letter.isalnum() or unicodedata.category(letter[0]) in _MARKS_IN_WORDS
            folded.append(letter if word else " ")
    return "".join(folded)


class _FoldTable(dict[int, str]):
    """``str.translate`` table that fills itself; a memo of :func:`_fold_character`."""

    def __missing__(self, code: int) -> str:
        folded = _fold_character(code)
        if len(self) < _TABLE_LIMIT:
            self[code] = folded
        return folded


_TABLE = _FoldTable()
_ASCII = str.maketrans({code: _fold_character(code) for code in range(128)})


def fold(text: str) -> str:
    """The normal form of a text: padded with one space at each end, single spaces inside."""
    if text.isascii():
        folded = text.translate(_ASCII)
        if "  " in folded or folded[:1] == " " or folded[-1:] == " ":
            folded = " ".join(folded.split())
    else:
        # Word by word: most words have been folded before, and nothing reaches across white space.
        folded = " ".join(filter(None, map(_WORDS_FOLDED.__getitem__, text.split())))
    return f" {folded} " if folded else " "


class _FoldedWords(dict[str, str]):
    """The folded form of each word (between white space), without spaces around it; fills itself."""

    def __missing__(self, word: str) -> str:
        folded = word.translate(_TABLE)
        if _HAS_UNSPACED.search(folded):
            folded = _SCRIPT_SEAM.sub(" ", folded)
        folded = " ".join(folded.split())
        if len(word) <= _WORD_LIMIT:
            if len(self) >= _WORDS_LIMIT:
                self.clear()
            self[word] = folded
        return folded


_WORDS_FOLDED = _FoldedWords()


def fold_each(text: str) -> list[str]:
    """The folded form of each character by itself: empty, one or more characters, or a space."""
    return [_TABLE[ord(character)] for character in text]


def fold_term(term: str) -> str:
    """The form under which a term is looked up: bare for unspaced scripts, padded otherwise."""
    folded = fold(term)
    body = folded.strip(" ")
    if not body:
        return ""
    left = "" if is_unspaced(body[0]) else " "
    right = "" if is_unspaced(body[-1]) else " "
    return f"{left}{body}{right}"


_WORDS = re.compile(r"\S+")


EditKind = Literal["disguise", "misspelling", "joined"]


@dataclass(frozen=True, slots=True)
class Edit:
    """A place of the original that is read as something else; the quote is always the whole place."""

    start: int
    end: int
    meant: str
    kind: EditKind
    """``joined``: words run together, as in a hashtag; nothing was hidden."""


class Folded:
    """A text with its normal form; the way back is worked out only when somebody asks for it.

    ``edits`` say what the text was meant to say where it is disguised: in order of place, none
    overlapping another. Quotes are always taken from the original.
    """

    __slots__ = ("__dict__", "edits", "original", "read")

    def __init__(self, original: str, edits: Sequence[Edit] = ()) -> None:
        self.original = original
        self.edits = edits
        self.read = edited(original, edits) if edits else original

    @cached_property
    def text(self) -> str:
        """The normal form; for most texts nobody asks for it."""
        return fold(self.read)

    @cached_property
    def lowered(self) -> str:
        """As written, marks and all, but without regard to case."""
        return unicodedata.normalize("NFC", self.original).casefold()

    @cached_property
    def _words(self) -> tuple[list[int], list[int], list[str]]:
        """Each word (between white space) as read; where it begins in the normal form and in the text.

        A word of which nothing is left begins where the next one does, so it is never asked for.
        """
        words = self.read.split()
        folded = [*map(_WORDS_FOLDED.__getitem__, words)]
        begins = [*accumulate([len(word) + 1 if word else 0 for word in folded], initial=1)]
        if " ".join(words) == self.read:
            starts = [*accumulate([len(word) + 1 for word in words], initial=0)]
        else:
            starts = [word.start() for word in _WORDS.finditer(self.read)]
        return begins[: len(words)], starts[: len(words)], words

    @cached_property
    def _inside(self) -> dict[int, list[int]]:
        """Origins inside the words that were asked for, by number of the word."""
        return {}

    def _origin(self, index: int) -> int:
        """From the index of a folded character to the index of the one that was read."""
        begins, starts, words = self._words
        number = bisect_right(begins, index) - 1
        if number < 0:  # only at the very start
            return starts[0]
        origins = self._inside.get(number)
        if origins is None:
            word = words[number]
            known = len(word) <= _WORD_LIMIT
            origins = self._inside[number] = _known_origins(word) if known else _origins(word)
        return starts[number] + origins[index - begins[number] + 1]

    @cached_property
    def _seams(self) -> tuple[list[int], list[int]]:
        """Where each edit begins and ends in the text as read."""
        begins, ends, grown = [], [], 0
        for edit in self.edits:
            begins.append(edit.start + grown)
            ends.append(begins[-1] + len(edit.meant))
            grown += len(edit.meant) - (edit.end - edit.start)
        return begins, ends

    def _written(self, read: int) -> tuple[int, int]:
        """The place of the original for one character of the text as read."""
        begins, ends = self._seams
        at = bisect_right(begins, read) - 1
        if at < 0:
            return (read, read + 1)
        edit = self.edits[at]
        if read < ends[at]:
            return (edit.start, edit.end)
        here = read - ends[at] + edit.end
        return (here, here + 1)

    @cached_property
    def _spans(self) -> dict[tuple[int, int], tuple[int, int]]:
        """The places that were asked for: the same one is, several times."""
        return {}

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Code points of the original for the folded ``start:end``; spaces at its ends do not count."""
        known = self._spans.get((start, end))
        if known is None:
            known = self._spans[start, end] = self._span(start, end)
        return known

    def _span(self, start: int, end: int) -> tuple[int, int]:
        text = self.text
        while start < end and text[start] == " ":
            start += 1
        while end > start and text[end - 1] == " ":
            end -= 1
        if start >= end:
            return (0, 0)
        first = self._origin(start)
        last = self._origin(end - 1)
        if self.edits:
            first, last = self._written(first)[0], self._written(last)[1]
        else:
            last += 1
        # Marks and ignorable characters after the last letter belong to the quote's last letter.
        original = self.original
        while last < len(original) and unicodedata.combining(original[last]):
            last += 1
        return (first, last)

    def _edited_as(self, kind: str, first: int, last: int) -> bool:
        return any(edit.kind == kind and edit.start < last and edit.end > first for edit in self.edits)

    def is_misspelt(self, start: int, end: int) -> bool:
        """True when the folded ``start:end`` holds a word that was put right."""
        return bool(self.edits) and self._edited_as("misspelling", *self.span(start, end))

    def is_parted(self, start: int, end: int) -> bool:
        """True when a mark that ends a thought stands inside the folded ``start:end`` as it was written.

        *Elephant & Tusk* is the name of a public house, and *elephant; tusk* are two things of a list.
        Marks inside a word, which disguise it, do not count.
        """
        return _PARTING.search(self.original, *self.span(start, end)) is not None

    def is_disguised(self, start: int, end: int) -> bool:
        """True when the folded ``start:end`` was read through a disguise."""
        if not self.edits and self.original.isascii():
            return False
        first, last = self.span(start, end)
        if self.edits and self._edited_as("disguise", first, last):
            return True
        quote = self.original[first:last]
        if quote.isascii():
            return False
        foreign = [character for character in quote if character > "\x7f"]
        if any(character not in _JOINING and _is_dress(character) for character in foreign):
            return True
        return bool(foreign) and all(character in _JOINING for character in foreign)


def edited(original: str, edits: Sequence[Edit]) -> str:
    """The text as it was meant."""
    pieces: list[str] = []
    at = 0
    for edit in edits:
        pieces += (original[at : edit.start], edit.meant)
        at = edit.end
    return "".join((*pieces, original[at:]))


_PARTING = re.compile(r"\s[&+|/;:,.!?]+\s|[;:|,.!?]\s")
"""A mark with white space after it parts the words on its two sides."""

_JOINING = frozenset("\u200c\u200d\u200e\u200f\u061c")
"""Invisible, but at home in Arabic and Indic writing; a disguise only between plain ASCII letters."""


@lru_cache(maxsize=4_096)
def _is_dress(character: str) -> bool:
    """True for characters that only serve to look like, or to hide between, others."""
    if unicodedata.category(character) == "Cf" or "LETTER SMALL CAPITAL" in unicodedata.name(character, ""):
        return True
    return unicodedata.decomposition(character).startswith(
        ("<font>", "<circle>", "<square>", "<super>", "<sub>", "<wide>")
    )


def _origins(read: str) -> list[int]:
    """For each character of the normal form, spaces at its ends too, the index of the one it is from."""
    origins: list[int] = []
    characters: list[str] = []
    previous = " "
    previous_unspaced = False
    for index, character in enumerate(read):
        for part in _TABLE[ord(character)]:
            if part == " ":
                if previous == " ":
                    continue
                unspaced = False
            else:
                unspaced = part > "\u0dff" and is_unspaced(part)
                if previous != " " and unspaced != previous_unspaced:
                    characters.append(" ")
                    origins.append(index)
            characters.append(part)
            origins.append(index)
            previous, previous_unspaced = part, unspaced
    while characters and characters[-1] == " ":
        del characters[-1], origins[-1]
    return [origins[0], *origins, len(read)] if origins else [0]


_known_origins = lru_cache(maxsize=20_000)(_origins)
