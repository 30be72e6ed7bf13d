"""Errors that are told to a person in one sentence."""

import re

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
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or ""
    line = f", line {mark.line + 1}" if mark else ""
    return f"is not YAML{line}{f': {problem}' if problem and _QUOTES_NO_WORDS.fullmatch(problem) else ''}"
