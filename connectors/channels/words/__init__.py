"""The words of a notice in each language: one YAML file each, all with the same names."""

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

LANGUAGES = ("en", "fr", "es", "pt", "de", "zh", "vi")
"""Languages whose words come with Takin; only the English ones were written by somebody at home in them."""


@lru_cache(maxsize=16)
def words(language: str) -> Mapping[str, Any] | None:
    """The words of one language (its first subtag); ``None``: there are none."""
    if language not in LANGUAGES:
        return None
    found: Mapping[str, Any] = yaml.safe_load((files(__package__) / f"{language}.yaml").read_text("utf-8"))
    return found
