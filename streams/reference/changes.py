"""What an import changes, name by name. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from streams.screening.taxa import Taxon


@dataclass(frozen=True, slots=True)
class Change:
    """One name whose entry differs."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Changes:
    """From what is in force to what would be."""

    added: tuple[Change, ...]
    removed: tuple[Change, ...]
    appendix: tuple[Change, ...]
    annotation: tuple[Change, ...]
    """Also where the EU annex differs; only of names whose appendix stays."""
    unchanged: int

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


def compare(before: Mapping[str, Taxon], after: Mapping[str, Taxon]) -> Changes:
    """Compare two lists by name, in order of names."""
    added = tuple(Change(name, "", after[name].appendix) for name in sorted(after.keys() - before.keys()))
    removed = tuple(Change(name, before[name].appendix, "") for name in sorted(before.keys() - after.keys()))
    appendix: list[Change] = []
    annotation: list[Change] = []
    unchanged = 0
    for name in sorted(before.keys() & after.keys()):
        old, new = before[name], after[name]
        if old.appendix != new.appendix:
            appendix.append(Change(name, old.appendix, new.appendix))
        elif (old.annotation, old.annex) != (new.annotation, new.annex):
            annotation.append(Change(name, _told(old), _told(new)))
        else:
            unchanged += 1
    return Changes(added, removed, tuple(appendix), tuple(annotation), unchanged)


def _told(taxon: Taxon) -> str:
    annex = f"[EU annex {taxon.annex}] " if taxon.annex else ""
    return f"{annex}{taxon.annotation}"
