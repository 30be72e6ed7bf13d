"""An operator's own texts, tried before the first notice needs them."""

import re
from importlib.resources import files
from pathlib import Path

from jinja2 import TemplateError, TemplateSyntaxError, meta

from connectors.channels.letter import letter, reasons_in
from connectors.channels.plain import plain_line
from connectors.channels.template import environment_of
from connectors.errors import PlatformRefused
from schemas.errors import OperatorError
from schemas.notice import Notice

_OWN = re.compile(r"(notice|reasons|follow_up)\.([a-z]{2,8})\.txt\.j2")
KNOWN_NAMES = {
    "notice": frozenset({"notice", "w", "language", "reasons", "law", "shown", "named"}),
    "follow_up": frozenset({"follow_up", "named"}),
}
"""What a template may name."""


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
                "reasons.LANGUAGE.txt.j2 (or follow_up), for example notice.fr.txt.j2."
            )
        _check(folder, name, found[2])
    return tuple(names)


def _check(folder: Path, name: str, language: str) -> None:
    environment = environment_of(folder)
    known = KNOWN_NAMES["follow_up" if name.startswith("follow_up") else "notice"]
    try:
        source = (folder / name).read_text(encoding="utf-8")
        unknown = meta.find_undeclared_variables(environment.parse(source)) - known
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
            f"it has {', '.join(sorted(known))}."
        )
    if name.startswith("follow_up"):
        return
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
