"""Commands of screening: ``takin screening`` runs a worker; the tools for rules and texts add their own."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from schemas.errors import OperatorError
from streams.screening import tools

if TYPE_CHECKING:
    from streams.screening.places import PlatformLaw


def register(app: typer.Typer) -> None:
    """Add the commands of this area."""
    app.command("screening")(screening)
    tools.register(app)


def screening() -> None:
    """Run one screening worker: read listings, apply the rules, publish detections.

    Start as many as the topic has partitions; they share the work and take over from each other.
    Nothing is lost when one is killed. Listings are decided in processes beside it, copies of its own that
    end with it: two where the machine has two cores, or TAKIN_DECIDING_PROCESSES of them. Topics must
    exist (takin topics apply). It stops cleanly on SIGTERM or Ctrl-C; exit code 70 means "start me
    again", 3 "mend the rules first".

    Settings come from the environment, for example:

        KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092 TAKIN_OBSERVABILITY_PORT=9101 takin screening
    """
    from pydantic import ValidationError

    from streams import logs
    from streams.screening.pack_file import BadPack
    from streams.screening.screener import build_ruleset
    from streams.screening.worker import ScreeningSettings, main

    try:
        settings = ScreeningSettings()
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(step) for step in fault["loc"])
        raise OperatorError(f"The setting TAKIN_{name.upper()} cannot be used: {fault['msg']}.") from error
    logs.configure(settings.log_level)
    try:
        ruleset = build_ruleset(platforms=_laws(settings.platforms_file))
    except BadPack as error:
        raise OperatorError(f"A rule pack is refused: {error}") from error
    raise typer.Exit(main(settings, ruleset))


def _laws(platforms_file: Path | None) -> "Mapping[str, PlatformLaw]":
    """Country and policy of the configured platforms."""
    from connectors.registry import load_platforms
    from streams.screening.places import Places, platform_laws

    if platforms_file is None:
        return {}
    told = [(one.name, one.country, bool(one.policy_clauses)) for one in load_platforms(platforms_file)]
    return platform_laws(Places(), told)
