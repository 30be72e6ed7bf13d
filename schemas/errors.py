"""Errors that are told to a person in one sentence."""

import re
from typing import Any

_QUOTES_NO_WORDS = re.compile(r"""([^'"]|'(.|<[a-z ]+>)')*""")
"""A problem in which nothing is quoted but one character or a sign of YAML's own, as ``<block end>``."""


class OperatorError(Exception):
    """Something only the person running Takin can mend.

    The message is one sentence that says what is wrong and what to do. The command line prints
    it without a traceback and exits with ``exit_code``.
    """

    def __init__(self, sentence: str, *, exit_code: int = 2) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


def not_yaml(error: Exception) -> str:
    """What is to be said of a file, after its name, that a reader of YAML refused with ``error``.

    Line and problem are told; what stands in the line is not, for it may be a secret. Raise what has it
    ``from None``: the cause shows the line.
    """
    mark = getattr(error, "problem_mark", None) or _place_of(error)
    line = f", line {mark.line + 1}" if mark else ""
    if isinstance(error, RecursionError):
        return f"is not YAML{line}: it is nested too deeply"
    # A date that does not exist is well-formed YAML, and what makes it a value raises without a place.
    problem = str(error) if isinstance(error, ValueError) else getattr(error, "problem", None) or ""
    return f"is not YAML{line}{f': {problem}' if problem and _QUOTES_NO_WORDS.fullmatch(problem) else ''}"


def _place_of(error: Exception) -> Any:
    """The place in the file of the value that was being read when ``error`` was raised."""
    found, trace = None, error.__traceback__
    while trace is not None and isinstance(error, ValueError):
        node = trace.tb_frame.f_locals.get("node")
        found = getattr(node, "start_mark", found)
        trace = trace.tb_next
    return found
