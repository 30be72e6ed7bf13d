"""``takin rules release | retire | status``: packs put in force in every worker without a restart."""

import asyncio
import getpass
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schemas.errors import OperatorError
from streams.screening import proposal_commands

if TYPE_CHECKING:
    from schemas.watchlist import RulePackRelease
    from streams.screening.screener import ScreeningRuleset

_NOTHING = hashlib.sha256(b"").hexdigest()


def register(rules: typer.Typer) -> None:
    """Add the commands to ``takin rules``."""
    rules.command("release")(release)
    rules.command("retire")(retire)
    rules.command("status")(status)
    rules.command("backtest")(backtest_rules)
    proposal_commands.register(rules)


def release(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The pack, a YAML file.")],
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Run beside what is in force: findings count and send nothing.")
    ] = False,
) -> None:
    """Put a rule pack in force in every worker, within seconds and without a restart.

    The pack is checked whole first: its conditions, its law and its own examples. Under the name of a
    built-in pack it stands in for that one until it is retired. Raise `version` with every change.

    Example:  takin rules release bangles.yaml --shadow
    """
    from streams.screening.screener import build_ruleset
    from streams.settings import Settings
    from streams.watchlist.store import read_releases, write_release

    _one_person_may()
    bootstrap = Settings().kafka_bootstrap_servers
    made = release_of(file, shadow=shadow, released_by=getpass.getuser(), now=datetime.now(UTC))
    there = asyncio.run(read_releases(bootstrap))
    check(build_ruleset(), made, there, file=str(file))
    asyncio.run(write_release(bootstrap, made))
    effect = "runs in shadow" if shadow else "is in force"
    typer.echo(f"{made.pack}@{made.version} {effect} in each worker within seconds; see takin rules status.")


def _one_person_may() -> None:
    """Refuse where a release takes two people.

    Raises:
        OperatorError: it does.
    """
    from streams.settings import Settings

    if Settings().rules_four_eyes:
        raise OperatorError(
            "Here a release takes two people (TAKIN_RULES_FOUR_EYES): `takin rules propose`, then another "
            "person's `takin rules approve`, or the desk."
        )


def release_of(file: Path, *, shadow: bool, released_by: str, now: datetime) -> "RulePackRelease":
    """The release of a file.

    Raises:
        OperatorError: the file cannot be read, or it is no pack; names file and line.
    """
    from pydantic import ValidationError

    from schemas.watchlist import PACK_BYTES, RulePackRelease
    from streams.screening.pack_file import BadPack, parse_pack
    from streams.screening.pack_folder import packaged_packs, standing_alone

    try:
        if file.stat().st_size > PACK_BYTES:
            raise OperatorError(f"{file} is larger than {PACK_BYTES:,} bytes: divide it into several packs.")
        text = file.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise OperatorError(f"{file} is not UTF-8 (byte {error.start}): write it as UTF-8.") from error
    except OSError as error:
        raise OperatorError(f"{file} cannot be read ({error.strerror}): give a YAML file.") from error
    try:
        pack = parse_pack(text, str(file))
        if pack.imports:
            text = standing_alone(file, packaged_packs())
            pack = parse_pack(text, str(file))
        return RulePackRelease(
            pack=pack.pack,
            version=pack.version,
            state="shadow" if shadow else "active",
            text=text,
            sha256=hashlib.sha256(text.encode()).hexdigest(),
            released_by=released_by,
            released_at=now,
        )
    except BadPack as error:
        raise OperatorError(f"The pack is refused: {error}.") from error
    except ValidationError as error:
        raise OperatorError(f"The pack is refused: {file}: {error.errors()[0]['msg']}.") from error


def check(
    built_in: "ScreeningRuleset",
    made: "RulePackRelease",
    there: "Mapping[str, RulePackRelease]",
    *,
    file: str | None = None,
) -> None:
    """Refuse what the workers would refuse, and a version that is told twice with different texts.

    Raises:
        OperatorError: it says what to mend.
    """
    for pack in built_in.rules.packs:
        if pack.pack == made.pack and pack.version >= made.version:
            raise OperatorError(
                f"{pack.label} comes with Takin: give your pack of that name a higher version."
            )
    for one in there.values():
        same = (one.pack, one.version) == (made.pack, made.version)
        if same and one.state != "retired" and one.sha256 != made.sha256:
            raise OperatorError(
                f"{made.pack}@{made.version} is released already with another text: raise its version."
            )
    from streams.screening.releases import judged, usable

    others = {key: one for key, one in there.items() if key != made.key}
    try:
        built_in.with_packs({**usable(judged(built_in, others)), made.key: made})
    except ValueError as error:
        said = str(error).replace(f"{made.pack}.yaml:", f"{file or made.pack}:", 1)
        raise OperatorError(f"The pack is refused: {said}.") from error


def retire(
    name: Annotated[str, typer.Argument(help="Name of the released pack.")],
    shadow: Annotated[bool, typer.Option("--shadow", help="Only its shadow release.")] = False,
) -> None:
    """Take a released pack out of force; a built-in pack of that name is in force again.

    Example:  takin rules retire bangles
    """
    from streams.settings import Settings
    from streams.watchlist.store import read_releases, write_release

    _one_person_may()
    bootstrap = Settings().kafka_bootstrap_servers
    there = asyncio.run(read_releases(bootstrap))
    found = {
        key: one
        for key, one in there.items()
        if one.pack == name and one.state != "retired" and (one.state == "shadow" or not shadow)
    }
    if not found:
        raise OperatorError(f"No pack {name} is released: see takin rules status.")
    for key, one in found.items():
        end = one.model_copy(
            update={
                "state": "retired",
                "text": "",
                "sha256": _NOTHING,
                "released_by": getpass.getuser(),
                "released_at": datetime.now(UTC),
            }
        )
        asyncio.run(write_release(bootstrap, end, key=key))
        typer.echo(f"{one.pack}@{one.version} ({one.state}) is retired.")


def backtest_rules(
    since: Annotated[str, typer.Option(help="How far back: 30m, 12h, 7d or 2w.")] = "7d",
    pack: Annotated[
        Path | None, typer.Option(help="The candidate; absent: every pack that runs in shadow.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, the summary last.")] = False,
) -> None:
    """Say listing by listing what a candidate would change, over the listings that Kafka still keeps.

    Nothing is published and no worker notices.

    Example:  takin rules backtest --since 7d --pack bangles.yaml
    """
    from streams.screening.backtest import backtest, span_of, sum_up, teller
    from streams.settings import Settings

    from_then = datetime.now(UTC) - span_of(since)
    bootstrap = Settings().kafka_bootstrap_servers
    sum_up(asyncio.run(backtest(bootstrap, pack, from_then, teller(as_json))), as_json)


def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Which packs are in force, in shadow, replaced, retired or refused, with their versions.

    Example:  takin rules status
    """
    from streams.local.visible import visible
    from streams.screening.screener import build_ruleset
    from streams.settings import Settings
    from streams.watchlist.store import read_releases

    there = asyncio.run(read_releases(Settings().kafka_bootstrap_servers))
    for row in standing(build_ruleset(), there):
        if as_json:
            typer.echo(json.dumps(row, ensure_ascii=False))
            continue
        who = (
            f"  released by {visible(row['released_by'])} at {row['released_at']}"
            if row["released_by"]
            else ""
        )
        why = f"  {visible(row['refused'])}" if row["refused"] else ""
        typer.echo(f"{row['pack']}@{row['version']:<4} {row['state']:20}{who}{why}")


def standing(
    built_in: "ScreeningRuleset", there: "Mapping[str, RulePackRelease]"
) -> tuple[dict[str, Any], ...]:
    """One row a pack, built-in ones first."""
    from streams.screening.releases import judged

    told = judged(built_in, there)
    replaced = {one.release.pack for one in told if one.usable and one.release.state == "active"}
    rows: list[dict[str, Any]] = [
        {
            "pack": pack.pack,
            "version": pack.version,
            "state": "built-in, replaced" if pack.pack in replaced else "built-in",
            "released_by": None,
            "released_at": None,
            "refused": None,
        }
        for pack in built_in.rules.packs
    ]
    rows += [
        {
            "pack": one.release.pack,
            "version": one.release.version,
            "state": "refused" if one.refused else one.release.state,
            "released_by": one.release.released_by,
            "released_at": one.release.released_at.isoformat(),
            "refused": one.refused or None,
        }
        for one in told
    ]
    return tuple(rows)
