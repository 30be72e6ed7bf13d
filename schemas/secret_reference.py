"""Where a secret stands, as settings say it: ``env:NAME`` or ``file:PATH``; and reading it from there.

Somebody may write the secret itself where the name belongs. So a name is repeated in an error only where it
has the form of one, and a path only where it, or the folder that it names, is there.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from schemas.errors import OperatorError

_NAME = re.compile(r"(?=.{3,64}\Z)[A-Z]+[0-9]{0,2}(_([A-Z]+[0-9]{0,2}|[0-9]{1,4}))+")
"""Words in capitals with underscores between, as variables are named; no key, token or hash looks so."""
_PATH = re.compile(r"(/[a-z._-]{2,32}){1,16}")
"""Small letters only, from the root on."""


def read_secret(reference: str, what: str, environment: Mapping[str, str] = os.environ) -> str:
    """What stands where ``reference`` points, as it stands there; ``what`` names the setting in errors.

    Raises:
        OperatorError: it points nowhere, the variable is not set, or the file cannot be read.
    """
    scheme, _, rest = reference.partition(":")
    if scheme == "env" and rest:
        if found := environment.get(rest):
            return found
        raise OperatorError(f"{what}: {_variable(rest)}")
    if scheme == "file" and rest:
        try:
            return Path(rest).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a path with a null in it
            why = getattr(error, "strerror", None) or "it is not text"
            raise OperatorError(f"{what}: the file {called(rest)} cannot be read: {why}.") from None
    raise OperatorError(f"{what} is given as env:NAME or file:PATH.")


def called(path: str) -> str:
    """A path as it may be repeated in an error."""
    try:
        folder = Path(path).parent
        # A key may begin with slashes: the root, also written with two, is there for every one.
        told = Path(path).is_file() or (folder.is_dir() and str(folder).strip("/.") != "")
    except (OSError, ValueError):
        told = False
    return path if told or _PATH.fullmatch(path) else "(not repeated here, as it may be the secret itself)"


def _variable(name: str) -> str:
    if _NAME.fullmatch(name):
        return f"the environment variable {name} is not set."
    return (
        "the environment variable that it names is not set. The name is not repeated here, as it may be the "
        "secret itself: behind env: stands the name of a variable, for example MARKET_KEY."
    )
