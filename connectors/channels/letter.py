"""The words of a notice for people, from templates and a language's words. Pure but for reading files.

Templates are Jinja2 in its immutable sandbox: they see the notice as plain values and can call
nothing of ours. Every expression passes :func:`connectors.channels.plain.plain_text`, so that hostile
listing text neither reorders nor hides anything, whatever a template's author forgets. An operator's
folder may hold texts of its own, ``notice.LANGUAGE.txt.j2`` and ``reasons.LANGUAGE.txt.j2``, which come
before those of Takin; they are tried once at the start (:mod:`connectors.channels.template_check`).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from connectors.channels.template import environment_of, fill, rendered
from connectors.channels.words import LANGUAGES, words
from connectors.errors import PlatformRefused
from schemas.follow_up import FollowUp
from schemas.notice import LegalBasis, Notice, Reasons

__all__ = ["LANGUAGES", "follow_up_letter", "information_letter", "letter", "reasons_in"]

LONGEST = 200_000
"""Characters of a letter about one listing."""
LONGEST_MORE = 4_000
"""Characters that each further listing may add."""
LONGEST_REASONS = 20_000
_RULE = "\n\n" + "-" * 72 + "\n\n"


def letter(notice: Notice, languages: Sequence[str], folder: Path | None = None) -> str:
    """The notice in each language that has words, one after the other; English where none has.

    Raises:
        PlatformRefused: ``invalid``: an operator's template is faulty, or its text has no end.
    """
    longest = LONGEST + LONGEST_MORE * (len(notice.items) - 1)
    return _in_each(languages, lambda language: _letter(notice, language, folder), longest)


def follow_up_letter(follow_up: FollowUp, languages: Sequence[str], folder: Path | None = None) -> str:
    """The same for what follows a notice.

    Raises:
        PlatformRefused: ``invalid``
    """
    values = {"follow_up": follow_up.model_dump(mode="json")}

    def written(language: str) -> str | None:
        return rendered(environment_of(folder), (f"follow_up.{language}.txt.j2",), values)

    return _in_each(languages, written, LONGEST)


def information_letter(reference: str, text: str, languages: Sequence[str]) -> str:
    """What a platform had asked for about the notice with that reference, in a person's words.

    Raises:
        PlatformRefused: ``invalid``: it is too long.
    """
    values = {"reference": reference, "text": text}

    def written(language: str) -> str | None:
        return rendered(environment_of(None), (f"information.{language}.txt.j2",), values)

    return _in_each(languages, written, LONGEST)


def _in_each(languages: Sequence[str], written: Callable[[str], str | None], longest: int) -> str:
    wanted = dict.fromkeys(map(first_subtag, languages))
    texts = [text for language in wanted if (text := written(language)) is not None]
    whole = _RULE.join(texts or [written("en") or ""]) + "\n"
    if len(whole) > longest:
        raise PlatformRefused("invalid", "the letter is longer than any that is read")
    return whole


def reasons_in(notice: Notice, languages: Sequence[str], folder: Path | None = None) -> tuple[Reasons, ...]:
    """The reasons in each of these languages but the notice's own; none where a language has no words.

    Raises:
        PlatformRefused: ``invalid``: an operator's template is faulty.
    """
    own = first_subtag(notice.language)
    return tuple(
        Reasons(language=language, text=text)
        for language in dict.fromkeys(map(first_subtag, languages))
        if language != own and (text := _reasons(notice, language, folder)) is not None
    )


def first_subtag(language: str) -> str:
    return language.partition("-")[0].lower()


def _letter(notice: Notice, language: str, folder: Path | None) -> str | None:
    if first_subtag(notice.language) == language:
        why: str | None = notice.reasons
    else:
        written = (one.text for one in notice.reasons_in if first_subtag(one.language) == language)
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
    found = words(language)
    values = {
        "notice": notice.model_dump(mode="json"),
        "w": found if found is not None else words("en"),
        "language": language,
        "law": _law(notice, found if found is not None else words("en") or {}),
        "reasons": notice.reasons,
        "shown": len(notice.items),
        **more,
    }
    names = (f"{kind}.{language}.txt.j2", *((ours,) if found is not None else ()))
    return rendered(environment_of(folder), names, values)


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
