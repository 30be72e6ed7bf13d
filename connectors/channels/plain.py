"""Words from outside in plain text that people read: nothing in them acts, hides or reorders."""

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Controls, formatting (bidirectional overrides, zero-width), surrogates, private use, unassigned, line and
paragraph separators."""


def plain_text(text: str) -> str:
    """The text with its line feeds; every other character that acts or is invisible is written ``[U+XXXX]``.

    >>> plain_text("a\\u202eb")
    'a[U+202E]b'
    """
    return "".join(
        character
        if character == "\n" or unicodedata.category(character) not in _HIDDEN
        else f"[U+{ord(character):04X}]"
        for character in text.replace("\r\n", "\n")
    )


def plain_line(text: str, limit: int = 1_000) -> str:
    """The same on one line, cut at ``limit`` characters: what may stand in a header or a table's cell."""
    line = plain_text(" ".join(text.split())).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"
