"""Analysts' regular expressions, run by RE2: time grows with the text's length, whatever the pattern.

There is no backtracking to blow up; what RE2 cannot do that way (look-around, back-references) it
refuses. One automaton tells which expressions are in a text at all; only those are then located.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import re2

from schemas.watchlist import WatchlistEntry

MEMORY_BYTES = 1 << 20
"""For one compiled expression; a larger one is refused."""
TOGETHER_BYTES = 64 << 20
PLACES = 3
"""Places of one expression that are told of one field."""


TextField = Literal["title", "description"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an expression was found, in code points of the original text."""

    entry: WatchlistEntry
    field: TextField
    start: int
    end: int
    quote: str


def _options(memory: int) -> "re2.Options":
    options = re2.Options()
    options.max_mem = memory
    options.log_errors = False
    options.case_sensitive = False
    return options


class Expressions:
    """The watchlist entries of kind ``regex``, compiled; immutable."""

    def __init__(self, entries: Iterable[WatchlistEntry]) -> None:
        """
        Raises:
            ValueError: an expression is none, too large, or finds every text; the message says which.
        """
        self._compiled = [(entry, _compiled(entry)) for entry in entries if entry.kind == "regex"]
        self._any = None
        if self._compiled:
            self._any = re2.Set.SearchSet(_options(TOGETHER_BYTES))
            for entry, _ in self._compiled:
                self._any.Add(entry.value)
            self._any.Compile()

    def __bool__(self) -> bool:
        return bool(self._compiled)

    def find(self, field: TextField, text: str) -> Iterator[Place]:
        """The first places of each expression, in the order of entries."""
        if self._any is None or not text:
            return
        # RE2 reads UTF-8: a lone surrogate is replaced by a character that keeps its place.
        readable = text.encode("utf-8", "replace").decode()
        for number in sorted(self._any.Match(readable) or ()):
            entry, expression = self._compiled[number]
            told = 0
            for found in expression.finditer(readable):
                start, end = found.span()
                if end > start:
                    yield Place(entry, field, start, end, text[start:end])
                    told += 1
                if told == PLACES:
                    break


def _compiled(entry: WatchlistEntry) -> "re2._Regexp":
    try:
        expression = re2.compile(entry.value, _options(MEMORY_BYTES))
    except re2.error as refused:
        why = refused.args[0] if refused.args else refused
        told = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        raise ValueError(f"its regular expression is refused by RE2: {told}") from refused
    if expression.search("") is not None or all(expression.search(text) for text in ("a", "1", "牙")):
        raise ValueError("its regular expression finds every text")
    return expression
