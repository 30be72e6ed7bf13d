"""Templates in a sandbox, and what they may call. Pure but for reading files."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    FileSystemLoader,
    PackageLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from connectors.channels.plain import plain_line, plain_text
from connectors.errors import PlatformRefused

_PLACE = re.compile(r"\{([a-z0-9_]+)\}")


@lru_cache(maxsize=32)
def environment_of(folder: Path | None) -> ImmutableSandboxedEnvironment:
    loaders: list[BaseLoader] = [PackageLoader("connectors.channels", "templates")]
    if folder is not None:
        loaders.insert(0, FileSystemLoader(folder))
    environment = ImmutableSandboxedEnvironment(
        loader=ChoiceLoader(loaders),
        undefined=StrictUndefined,
        autoescape=False,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    environment.filters["line"] = plain_line
    environment.filters["fill"] = fill
    environment.globals["named"] = named
    return environment


def _harmless(value: Any) -> Any:
    return plain_text(value) if isinstance(value, str) else value


def fill(sentence: str, **values: Any) -> str:
    """The sentence with its ``{places}`` filled, each value on one line and harmless.

    Raises:
        KeyError: a place has no value.
    """
    return _PLACE.sub(lambda place: plain_line(str(values[place[1]]), 4_096), sentence)


def named(names: Mapping[str, str], wanted: Iterable[str]) -> str:
    """Several things by their names in a language, one after the other."""
    return ", ".join(names[one] for one in wanted)


def rendered(
    environment: ImmutableSandboxedEnvironment, names: Sequence[str], values: Mapping[str, Any]
) -> str | None:
    """The first of these templates that there is, written out; ``None``: there is none.

    Raises:
        PlatformRefused: ``invalid``: it is faulty, or includes one that is not there.
    """
    for name in names:
        try:
            return environment.get_template(name).render(values).strip()
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            if isinstance(error, TemplateNotFound) and error.name == name:
                continue
            raise PlatformRefused("invalid", f"the template {name}: {plain_line(str(error), 300)}") from error
    return None
