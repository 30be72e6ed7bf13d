"""Rule packs that stand together, and what they import from one another.

A pack may use the named conditions of the packs that it imports, and of those that these import.
That is settled where packs stand side by side, in a folder; a pack that is released has it all
written into it, so that no worker can miss a part, whatever came first on the topic.
"""

from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from pathlib import Path

import yaml

from streams.screening.pack_file import BadPack, Pack, parse_pack, read_pack


def packaged_packs() -> list[Pack]:
    """The packs that come with Takin.

    Raises:
        BadPack: one of them is broken.
    """
    return linked(parse_pack(text, name) for name, text in _packaged())


def packaged_texts() -> dict[str, str]:
    """The texts of the packs that come with Takin, by the pack's name."""
    return {parse_pack(text, name).pack: text for name, text in _packaged()}


def _packaged() -> list[tuple[str, str]]:
    folder = files("streams.screening") / "packs"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    return [(name, (folder / name).read_text("utf-8")) for name in names]


def packs_from(folder: Path) -> list[Pack]:
    """The packs of an operator's folder.

    Raises:
        BadPack: one of them is broken.
        OSError: the folder cannot be read.
    """
    return linked(read_pack(path) for path in sorted(folder.glob("*.yaml")))


def linked(packs: Iterable[Pack]) -> list[Pack]:
    """The packs, each with the named conditions of what it imports.

    Raises:
        BadPack: a pack imports what is not there, in a circle, or two conditions of one name.
    """
    there = list(packs)
    by_name = {pack.pack: pack for pack in there}
    return [with_imports(pack, by_name.get) for pack in there]


def with_imports(pack: Pack, find: Callable[[str], Pack | None]) -> Pack:
    """The pack with the named conditions of what it imports, and without imports.

    Raises:
        BadPack: as :func:`linked`.
    """
    if not pack.imports:
        return pack
    told = {name: condition for name, (_, condition) in _conditions(pack, find, (pack.pack,)).items()}
    return pack.model_copy(update={"imports": (), "conditions": told})


def _conditions(
    pack: Pack, find: Callable[[str], Pack | None], way: tuple[str, ...]
) -> Mapping[str, tuple[str, str]]:
    """By name: which pack a condition is from, and the condition."""
    told = {name: (pack.pack, condition) for name, condition in pack.conditions.items()}
    for number, name in enumerate(pack.imports):
        where = pack.place("imports", number)
        if name in way:
            raise BadPack(f"{where}: imports go in a circle: {' -> '.join((*way[way.index(name) :], name))}")
        imported = find(name)
        if imported is None:
            raise BadPack(f"{where}: imports the pack {name}, which does not stand beside it")
        for known, (home, condition) in _conditions(imported, find, (*way, name)).items():
            if known in told and told[known][0] != home:
                raise BadPack(f"{where}: the condition ${known} is in {told[known][0]} and in {home}")
            told[known] = (home, condition)
    return told


def standing_alone(path: Path, others: Iterable[Pack]) -> str:
    """The text of a pack's file as it is released: with the conditions that it imports written into it.

    Imports are looked for beside the file, then among ``others``. A pack without imports stays as it is.

    Raises:
        BadPack: the pack, or one that it imports, is refused.
        OSError: a file cannot be read.
    """
    pack = read_pack(path)
    if not pack.imports:
        return path.read_text("utf-8")
    built_in = {other.pack: other for other in others}

    def find(name: str) -> Pack | None:
        beside = path.parent / f"{name}.yaml"
        return read_pack(beside) if beside.is_file() else built_in.get(name)

    whole = with_imports(pack, find)
    document = yaml.safe_load(path.read_text("utf-8"))
    del document["imports"]
    document["conditions"] = dict(whole.conditions)
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
