"""One identifier found in a text, and digits read as ASCII whatever script they are in."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

IdentifierKind = Literal["phone", "handle", "payment"]


@dataclass(frozen=True, slots=True)
class Identifier:
    """A way to reach or pay the seller."""

    kind: IdentifierKind
    service: str
    """``phone``, or the name of the service: ``telegram``, ``upi``, ``bitcoin`` …"""
    value: str
    """The normal form: E.164 of a phone, the bare name of a handle, the account of a payment service."""
    start: int
    end: int

    @property
    def key(self) -> tuple[str, str]:
        """What watchlist entries are compared with: service and value without regard to case."""
        return (self.service, self.value if self.service in CASE_MATTERS else self.value.casefold())


CASE_MATTERS = frozenset({"bitcoin", "tron"})
"""Services whose accounts differ by case alone."""


class _Digits(dict[int, int]):
    """Decimal digits of any script and fullwidth letters to ASCII; what hides between digits to a space."""

    def __missing__(self, code: int) -> int:
        value = unicodedata.decimal(chr(code), -1)
        if value >= 0:
            plain = 0x30 + value
        elif unicodedata.category(chr(code)) == "Cf":
            plain = 0x20  # zero-width and direction marks
        elif 0xFF01 <= code <= 0xFF5E:
            plain = code - 0xFEE0  # fullwidth letters and signs
        else:
            plain = _SIGNS.get(code, code)
        self[code] = plain
        return plain


_SIGNS = {ord(odd): ord(plain) for odd, plain in zip("‐‑–—−・·", "-----..", strict=True)}
_DIGITS = _Digits()


_ODD_SIGNS = "\uff01-\uff5e‐‑–—−・·\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
_OTHER = re.compile(rf"[{_ODD_SIGNS}]|(?![0-9])\d")
"""What there is to translate."""
_MAYBE_OTHER = re.compile(
    f"[{_ODD_SIGNS}{''.join(chr(code) for code in range(0x80, 0x10000) if chr(code).isdecimal())}"
    "\U00010000-\U0001efff\U0001fbf0-\U0001fbf9]"
)
"""What it must be among; one class, without a close look at the higher planes, takes a fifth of the time."""


def plain_digits(text: str) -> str:
    """The text with ASCII digits and signs, character for character: spans stay valid.

    >>> plain_digits("０９１-٣४๕")
    '091-345'
    """
    if text.isascii() or not (_MAYBE_OTHER.search(text) and _OTHER.search(text)):
        return text
    return text.translate(_DIGITS)
