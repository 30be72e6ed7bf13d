"""Text from outside, made safe to show on a terminal."""

import unicodedata

# Controls, formatting (bidirectional overrides, zero-width), unpaired surrogates, private use,
# unassigned, and the two Unicode line breaks: what can move a cursor, hide or reorder text.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def visible(text: str, *, keep_lines: bool = False) -> str:
    """The text with everything that would act on the terminal, or be invisible, written as an escape.

    ``keep_lines`` leaves line feeds as they are.

    >>> visible("a\\x1b[2Jb\\u202ec")
    'a\\\\x1b[2Jb\\\\u202ec'
    """
    return "".join(
        character
        if (keep_lines and character == "\n") or unicodedata.category(character) not in _HIDDEN
        else _escape(character)
        for character in text
    )


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def visible_bytes(raw: bytes, *, limit: int | None = None) -> str:
    """Bytes as text: UTF-8 where it is, ``\\xNN`` where it is not, safe to show; lines are kept."""
    text = visible(raw[:limit].decode("utf-8", "backslashreplace"), keep_lines=True)
    left_out = len(raw) - len(raw[:limit])
    return f"{text}\n… {left_out} more bytes" if left_out else text
