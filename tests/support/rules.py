"""The packaged rules, loaded once for all tests of a process."""

import copy
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from streams.screening import screener, standing
from streams.screening.places import PlatformLaw
from streams.screening.screener import ScreeningRuleset, build_ruleset


@cache
def built_in() -> ScreeningRuleset:
    """The packs that come with Takin, built once; which releases it found good stays with it."""
    return build_ruleset()


def as_if_loaded() -> ScreeningRuleset:
    """The same, and as a fresh one it has not tried any release yet."""
    fresh = copy.copy(built_in())
    fresh._home = fresh
    fresh._proven = set()
    return fresh


@pytest.fixture
def loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that a test runs in its own process gets the packaged rules without loading them again."""

    def build(
        packs_folder: Path | None = None, platforms: Mapping[str, PlatformLaw] | None = None
    ) -> ScreeningRuleset:
        if packs_folder is None and not platforms:
            return as_if_loaded()
        return build_ruleset(packs_folder, platforms or {})

    for module in (screener, standing):
        monkeypatch.setattr(module, "build_ruleset", build)
