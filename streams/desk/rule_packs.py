"""Packs as the pages show them: parsed once by their text, and what comes with Takin."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from schemas.watchlist import RulePackRelease, Told
from streams.screening.law import Provision, load_law
from streams.screening.pack_file import BadPack, Pack, parse_pack
from streams.screening.pack_folder import packaged_texts
from streams.screening.proposals import live, shadows

PARSED = 32
"""Packs kept in memory."""


@cache
def built_in() -> Mapping[str, tuple[str, Pack]]:
    """The packs that come with Takin: text and pack, by name."""
    return {name: (text, parse_pack(text, f"{name}.yaml")) for name, text in packaged_texts().items()}


@cache
def law() -> Mapping[str, Provision]:
    """The provisions that rules rest on."""
    return load_law()


@lru_cache(PARSED)
def parsed(text: str) -> Pack | None:
    """A pack by its text; ``None``: a version of Takin that reads it no more, or none at all."""
    try:
        return parse_pack(text, "pack.yaml") if text else None
    except BadPack:
        return None


@dataclass(frozen=True, slots=True)
class Standing:
    """One name, and what stands under it."""

    name: str
    built_in: Pack | None
    live: RulePackRelease | None
    """Stands in for the built-in one."""
    shadow: RulePackRelease | None

    @property
    def text(self) -> str:
        """What is in force; empty: nothing of that name."""
        if self.live is not None:
            return self.live.text
        return built_in()[self.name][0] if self.built_in is not None else ""

    @property
    def pack(self) -> Pack | None:
        """What is in force; ``None``: nothing, or what this version of Takin cannot read."""
        return parsed(self.live.text) if self.live is not None else self.built_in

    @property
    def version(self) -> int | None:
        """Of what is in force."""
        if self.live is not None:
            return self.live.version
        return self.built_in.version if self.built_in is not None else None


def standing(there: Mapping[str, Told]) -> tuple[Standing, ...]:
    """Every name under which something is in force or in shadow."""
    released, running = live(there), shadows(there)
    return tuple(of_name(name, there) for name in sorted({*built_in(), *released, *running}))


def of_name(name: str, there: Mapping[str, Told]) -> Standing:
    """What stands under a name."""
    known = built_in().get(name)
    return Standing(name, known[1] if known else None, live(there).get(name), shadows(there).get(name))
