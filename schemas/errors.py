"""Errors that are told to a person in one sentence."""

import re
from collections.abc import Callable
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


class NoSuchValue(ValueError):
    """A value of a YAML file is not what its tag says (``!!timestamp x``)."""

    def __init__(self, mark: Any) -> None:
        super().__init__("a value is not what its tag says")
        self.problem_mark = mark


def read_yaml(load: Callable[[str], Any], text: str) -> Any:
    """What ``load``, a safe reader of YAML, makes of a text that a person wrote.

    Raises:
        NoSuchValue: where the reader stumbles over it.
        ValueError: a value that cannot be, such as the 30th of February.
        Exception: what else the reader raises: see :func:`not_yaml`.
    """
    try:
        return load(text)
    except (AttributeError, IndexError, KeyError) as error:
        raise NoSuchValue(place_of(error)) from None


def not_yaml(error: Exception) -> str:
    """What is to be said of a file, after its name, that a reader of YAML refused with ``error``.

    Line and problem are told; what stands in the line is not, for it may be a secret. Raise what has it
    ``from None``: the cause shows the line.
    """
    mark = getattr(error, "problem_mark", None) or (
        place_of(error) if isinstance(error, ValueError) else None
    )
    line = f", line {mark.line + 1}" if mark else ""
    if isinstance(error, RecursionError):
        return f"is not YAML{line}: it is nested too deeply"
    # A date that does not exist is well-formed YAML, and what makes it a value raises without a place.
    problem = str(error) if isinstance(error, ValueError) else getattr(error, "problem", None) or ""
    return f"is not YAML{line}{f': {problem}' if problem and _QUOTES_NO_WORDS.fullmatch(problem) else ''}"


def place_of(error: Exception) -> Any:
    """The place in a YAML file of the value that was being read when ``error`` was raised."""
    found, trace = None, error.__traceback__
    while trace is not None:
        node = trace.tb_frame.f_locals.get("node")
        found = getattr(node, "start_mark", found)
        trace = trace.tb_next
    return found
