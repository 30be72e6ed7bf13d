"""The words of the public pages, one file a language in ``locales``: a new file is a new language."""

import json
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType

FIRST = "en"
"""What is shown to whom speaks none of the others."""


def load() -> Mapping[str, Mapping[str, str]]:
    """Every catalogue by its language.

    Raises:
        ValueError: one has other words than the first.
    """
    found: dict[str, Mapping[str, str]] = {}
    for file in (resources.files("streams.desk") / "locales").iterdir():
        if file.name.endswith(".json"):
            words = json.loads(file.read_text(encoding="utf-8"))
            found[file.name.removesuffix(".json")] = MappingProxyType(words)
    for language, words in found.items():
        if differing := words.keys() ^ found[FIRST].keys():
            raise ValueError(f"the catalogue {language} lacks or adds {sorted(differing)}")
    return MappingProxyType(dict(sorted(found.items())))


def preferred(header: str, languages: Mapping[str, object]) -> str:
    """The best of our languages by an ``Accept-Language`` header (RFC 9110, section 12.5.4)."""
    best, weight = FIRST, 0.0
    for part in header[:1_000].split(","):
        tag, _, more = part.strip().partition(";")
        language = tag.strip().lower().partition("-")[0]
        key, _, value = more.strip().partition("=")
        try:
            given = float(value) if key.strip() == "q" else 1.0
        except ValueError:
            continue
        if language in languages and weight < given <= 1.0:
            best, weight = language, given
    return best
