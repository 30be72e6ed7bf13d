"""Released rule packs laid over the built-in ones. Pure."""

from collections.abc import Iterable, Mapping

from schemas.watchlist import RulePackRelease
from streams.screening.rules import BadPack, Pack, parse_pack


def released_pack(release: RulePackRelease) -> Pack:
    """The pack of a release; in shadow if the release or the pack itself says so.

    Raises:
        BadPack: the text is no pack, or its name or version is another than the release's.
    """
    name = f"{release.pack}.yaml"
    pack = parse_pack(release.text, name)
    if (pack.pack, pack.version) != (release.pack, release.version):
        raise BadPack(
            f"{pack.place('pack')}: the text is {pack.label}, "
            f"but it was released as {release.pack}@{release.version}"
        )
    return pack.model_copy(update={"shadow": True}) if release.state == "shadow" else pack


def lay_over(built_in: Iterable[Pack], releases: Mapping[str, RulePackRelease]) -> tuple[Pack, ...]:
    """The packs in force. An active release stands in for the built-in pack of its name; a shadow
    release runs beside whatever is in force under its name; a retired one counts as none.

    Raises:
        BadPack: a release cannot be read.
    """
    released = [released_pack(one) for _, one in sorted(releases.items()) if one.state != "retired"]
    replaced = {one.pack for one in releases.values() if one.state == "active"}
    return (*(pack for pack in built_in if pack.pack not in replaced), *released)
