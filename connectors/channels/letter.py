"""The human text of a notice, from a template per language. Pure but for reading the templates.

Templates are Jinja2 in its immutable sandbox: they see the notice as plain values and can call
nothing of ours. Every expression passes :func:`connectors.channels.plain.plain_text`, so that hostile
listing text neither reorders nor hides anything, whatever a template's author forgets. An operator's
folder is looked at before the texts that come with Takin (:data:`LANGUAGES`).
"""

from collections.abc import Mapping, Sequence
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
from schemas.follow_up import FollowUp
from schemas.notice import Notice

LANGUAGES = ("en", "fr")
"""Languages whose text comes with Takin."""
LONGEST = 200_000
"""Characters of one letter."""
_RULE = "\n\n" + "-" * 72 + "\n\n"


@lru_cache(maxsize=32)
def _environment(folder: Path | None) -> ImmutableSandboxedEnvironment:
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
    return environment


def _harmless(value: Any) -> Any:
    return plain_text(value) if isinstance(value, str) else value


def letter(notice: Notice, languages: Sequence[str], folder: Path | None = None) -> str:
    """The notice in each language that has a text, one after the other; English where none has.

    Raises:
        PlatformRefused: ``invalid``: an operator's template is faulty, or its text has no end.
    """
    return _text("notice", {"notice": notice.model_dump(mode="json")}, languages, folder)


def follow_up_letter(follow_up: FollowUp, languages: Sequence[str], folder: Path | None = None) -> str:
    """The same for what follows a notice.

    Raises:
        PlatformRefused: ``invalid``
    """
    return _text("follow_up", {"follow_up": follow_up.model_dump(mode="json")}, languages, folder)


def _text(kind: str, values: Mapping[str, Any], languages: Sequence[str], folder: Path | None) -> str:
    environment = _environment(folder)
    texts: list[str] = []
    for language in dict.fromkeys(one.partition("-")[0].lower() for one in languages):
        name = f"{kind}.{language}.txt.j2"
        try:
            texts.append(environment.get_template(name).render(values).strip())
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            if isinstance(error, TemplateNotFound) and error.name == name:
                continue  # no text in that language; one that a template includes must be there
            said = plain_line(str(error), 300)
            raise PlatformRefused("invalid", f"the template {name}: {said}") from error
    if not texts:
        return _text(kind, values, ("en",), folder)
    whole = _RULE.join(texts) + "\n"
    if len(whole) > LONGEST:
        raise PlatformRefused("invalid", "the letter is longer than any that is read")
    return whole
