"""Released rule packs laid over the built-in ones. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schemas.watchlist import RulePackRelease
from streams.screening.pack_file import BadPack, Pack, parse_pack
from streams.screening.verdict import Ruleset


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


@dataclass(frozen=True, slots=True)
class Judged:
    """A release, and whether a worker that starts now takes it."""

    key: str
    release: RulePackRelease
    refused: str = ""

    @property
    def usable(self) -> bool:
        """In force or in shadow."""
        return not self.refused and self.release.state != "retired"


def judged(built_in: Ruleset, there: Mapping[str, RulePackRelease]) -> tuple[Judged, ...]:
    """Each release tried on top of those before it, in the order of keys, as workers do."""
    taken: dict[str, RulePackRelease] = {}
    told: list[Judged] = []
    for key, one in sorted(there.items()):
        try:
            if one.state != "retired":
                built_in.with_packs({**taken, key: one})
                taken[key] = one
            told.append(Judged(key, one))
        except ValueError as error:
            told.append(Judged(key, one, str(error)))
    return tuple(told)


def usable(told: Iterable[Judged]) -> dict[str, RulePackRelease]:
    """The releases in force or in shadow, by Kafka key."""
    return {one.key: one.release for one in told if one.usable}


def promoted(releases: Mapping[str, RulePackRelease]) -> dict[str, RulePackRelease]:
    """The same releases with every shadow pack in force, in place of the active one of its name."""
    after = {one.key: one for one in releases.values() if one.state == "active"}
    for one in releases.values():
        if one.state == "shadow":
            put = one.model_copy(update={"state": "active"})
            after[put.key] = put
    return after
