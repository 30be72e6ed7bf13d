"""The words of a notice for people, from templates and a language's words. Pure but for reading files.

Templates are Jinja2 in its immutable sandbox: they see the notice as plain values and can call
nothing of ours. Every expression passes :func:`connectors.channels.plain.plain_text`, so that hostile
listing text neither reorders nor hides anything, whatever a template's author forgets. An operator's
folder may hold texts of its own, ``notice.LANGUAGE.txt.j2`` and ``reasons.LANGUAGE.txt.j2``, which come
before those of Takin; they are tried once at the start (:func:`check_templates`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
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
    TemplateSyntaxError,
    meta,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from connectors.channels.plain import plain_line, plain_text
from connectors.channels.words import LANGUAGES, words
from connectors.errors import PlatformRefused
from schemas.errors import OperatorError
from schemas.notice import LegalBasis, Notice, Reasons

__all__ = ["LANGUAGES", "check_templates", "letter", "reasons_in"]

LONGEST = 200_000
"""Characters of a letter about one listing."""
LONGEST_MORE = 4_000
"""Characters that each further listing may add."""
LONGEST_REASONS = 20_000
_RULE = "\n\n" + "-" * 72 + "\n\n"
_PLACE = re.compile(r"\{([a-z0-9_]+)\}")
_OWN = re.compile(r"(notice|reasons)\.([a-z]{2,8})\.txt\.j2")
KNOWN_NAMES = frozenset({"notice", "w", "language", "reasons", "law", "shown", "named"})
"""What a template may name."""


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


def letter(notice: Notice, languages: Sequence[str], folder: Path | None = None) -> str:
    """The notice in each language that has words, one after the other; English where none has.

    Raises:
        PlatformRefused: ``invalid``: an operator's template is faulty, or its text has no end.
    """
    texts = [
        text
        for language in dict.fromkeys(map(_first_subtag, languages))
        if (text := _letter(notice, language, folder)) is not None
    ]
    if not texts:
        texts = [_letter(notice, "en", folder) or ""]
    whole = _RULE.join(texts) + "\n"
    if len(whole) > LONGEST + LONGEST_MORE * (len(notice.items) - 1):
        raise PlatformRefused("invalid", "the letter is longer than any that is read")
    return whole


def reasons_in(notice: Notice, languages: Sequence[str], folder: Path | None = None) -> tuple[Reasons, ...]:
    """The reasons in each of these languages but the notice's own; none where a language has no words.

    Raises:
        PlatformRefused: ``invalid``: an operator's template is faulty.
    """
    own = _first_subtag(notice.language)
    return tuple(
        Reasons(language=language, text=text)
        for language in dict.fromkeys(map(_first_subtag, languages))
        if language != own and (text := _reasons(notice, language, folder)) is not None
    )


def _first_subtag(language: str) -> str:
    return language.partition("-")[0].lower()


def _letter(notice: Notice, language: str, folder: Path | None) -> str | None:
    if _first_subtag(notice.language) == language:
        why: str | None = notice.reasons
    else:
        written = (one.text for one in notice.reasons_in if _first_subtag(one.language) == language)
        why = next(written, None) or _reasons(notice, language, folder)
    return _written("notice", "letter.txt.j2", notice, language, folder, reasons=why or notice.reasons)


def _reasons(notice: Notice, language: str, folder: Path | None) -> str | None:
    """Whole, or with as many listings spelt out as there is room for."""
    shown = len(notice.items)
    while True:
        text = _written("reasons", "reasons.txt.j2", notice, language, folder, shown=shown)
        if text is None or len(text) <= LONGEST_REASONS or shown == 0:
            return None if text is None else text[:LONGEST_REASONS]
        shown = min(shown - 1, int(shown * LONGEST_REASONS / len(text) * 0.95))


def _written(
    kind: str, ours: str, notice: Notice, language: str, folder: Path | None, **more: Any
) -> str | None:
    """The operator's text in that language, or ours; ``None`` where there is neither."""
    environment = _environment(folder)
    found = words(language)
    own = f"{kind}.{language}.txt.j2"
    values = {
        "notice": notice.model_dump(mode="json"),
        "w": found if found is not None else words("en"),
        "language": language,
        "law": _law(notice, found if found is not None else words("en") or {}),
        "reasons": notice.reasons,
        "shown": len(notice.items),
        **more,
    }
    for name in (own, *((ours,) if found is not None else ())):
        try:
            return environment.get_template(name).render(values).strip()
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            if isinstance(error, TemplateNotFound) and error.name == own:
                continue  # no text of the operator's own; one that a template includes must be there
            raise PlatformRefused("invalid", f"the template {name}: {plain_line(str(error), 300)}") from error
    return None


def _law(notice: Notice, w: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Provisions by country, the addressee's own first, then treaties; its own rules last."""
    groups: dict[str, list[str]] = {}
    for basis in notice.legal_basis:
        where = w["own_rules"] if basis.policy_clause else basis.country or w["international"]
        groups.setdefault(where, []).append(_provision(basis, w))
    order = {notice.addressee.country: 0, "EU": 1, w["international"]: 2, w["own_rules"]: 9}
    return [
        {"where": where, "bases": bases}
        for where, bases in sorted(groups.items(), key=lambda group: (order.get(group[0], 5), group[0]))
    ]


def _provision(basis: LegalBasis, w: Mapping[str, Any]) -> str:
    article = f", {basis.article}" if basis.article else ""
    clause = f", {fill(w['clause'], clause=basis.policy_clause)}" if basis.policy_clause else ""
    text = f": {basis.text}" if basis.text else ""
    return f"{basis.law}{article}{clause}{text}"


def check_templates(folder: Path) -> tuple[str, ...]:
    """Try an operator's texts before the first notice needs them; returns their names.

    Raises:
        OperatorError: one has a fault of syntax, names something that is not there, cannot write a sample
            notice, or has a name under which nobody would look for it.
    """
    if not folder.is_dir():
        raise OperatorError(
            f"The folder of templates {folder} is not there: make it, or take it out of the file."
        )
    names = sorted(file.name for file in folder.glob("*.j2"))
    for name in names:
        found = _OWN.fullmatch(name)
        if found is None:
            raise OperatorError(
                f"The template {folder / name} would never be used: call it notice.LANGUAGE.txt.j2 or "
                "reasons.LANGUAGE.txt.j2, for example notice.fr.txt.j2."
            )
        _check(folder, name, found[2])
    return tuple(names)


def _check(folder: Path, name: str, language: str) -> None:
    environment = _environment(folder)
    try:
        source = (folder / name).read_text(encoding="utf-8")
        unknown = meta.find_undeclared_variables(environment.parse(source)) - KNOWN_NAMES
        environment.from_string(source)
    except TemplateSyntaxError as error:
        raise OperatorError(f"The template {folder / name}, line {error.lineno}: {error.message}.") from error
    except (OSError, UnicodeDecodeError, TemplateError) as error:
        raise OperatorError(
            f"The template {folder / name} cannot be read: {plain_line(str(error), 300)}."
        ) from error
    if unknown:
        raise OperatorError(
            f"The template {folder / name} names {', '.join(sorted(unknown))}, which it is not given: "
            f"it has {', '.join(sorted(KNOWN_NAMES))}."
        )
    for notice in samples():
        try:
            written = letter(notice, [language], folder)
            reasons_in(notice.model_copy(update={"language": "x-none"}), [language], folder)
        except PlatformRefused as error:
            raise OperatorError(
                f"The templates in {folder} cannot write a sample notice: {error.detail}."
            ) from error
        if name.startswith("notice") and notice.human_reference not in written:
            raise OperatorError(
                f"The template {folder / name} leaves out notice.human_reference: nobody could answer to it."
            )


def samples() -> tuple[Notice, ...]:
    """A notice with everything that may be there, and one with nothing that may be absent."""
    full = Notice.from_bytes((files("schemas") / "examples" / "notice.json").read_bytes())
    bare = full.model_copy(
        update={
            "items": tuple(
                item.model_copy(
                    update={
                        "title": "",
                        "seller_handle": None,
                        "taxon": None,
                        "specimen": None,
                        "quotes": (),
                        "territory_requested": (),
                    }
                )
                for item in full.items
            ),
            "evidence": (),
            "redress": None,
            "reasons_in": (),
        }
    )
    return full, bare
