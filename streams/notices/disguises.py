"""What was undone to read disguised words, told from the characters alone. Pure.

Screening says *that* words were disguised (:mod:`streams.screening.disguise`); a reader of the notice
wants to see how. Several can be true at once, and an odd one may be none of these.
"""

import re
import unicodedata

from schemas.notice import Disguise

_SIGNS = re.compile(r"[0-9@$!|€]")
_APART = re.compile(r"(?<![^\W_])[^\W_](?:[ .·•_\-/\\~,|+]{1,2}[^\W_](?![^\W_])){2,}")
_HAN_APART = re.compile(r"[\u4e00-\u9fff][ .·•*_|+]{1,2}[\u4e00-\u9fff]")
_MASKED = re.compile(r"[^\W\d_]\*+[^\W\d_]")
_INVISIBLE = frozenset({"Cf", "Mn", "Me"})
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK")


def disguises_of(quote: str, term: str) -> tuple[Disguise, ...]:
    """How ``quote`` hides ``term``.

    >>> disguises_of("1v0ry", "ivory")
    ('signs_for_letters',)
    """
    found: list[Disguise] = []
    if len(_scripts(quote)) > 1:
        found.append("look_alike_letters")
    if _SIGNS.search(quote) and any(character.isalpha() for character in quote) and not _SIGNS.search(term):
        found.append("signs_for_letters")
    if any(apart.search(quote) and not apart.search(term) for apart in (_APART, _HAN_APART)):
        found.append("letters_apart")
    if _MASKED.search(quote):
        found.append("masked_letters")
    if any(
        unicodedata.category(character) in _INVISIBLE for character in unicodedata.normalize("NFC", quote)
    ):
        found.append("invisible")
    return tuple(found)


def _scripts(text: str) -> set[str]:
    names = (unicodedata.name(character, "").partition(" ")[0] for character in text if character.isalpha())
    return {name for name in names if name in _SCRIPTS}
