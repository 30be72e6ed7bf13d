"""``takin sandbox``: a platform to practise on."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sandbox")(sandbox)


def sandbox(
    scenario: Annotated[
        str, typer.Option(help="A scenario file, or the name of one that comes with Takin.")
    ] = "calm",
    stock: Annotated[
        Path | None, typer.Option(help="JSONL file with the listings to show: id, title, text are enough.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="Folder to keep what happened in; a restart carries on from it.")
    ] = None,
    log: Annotated[
        Path | None, typer.Option(help="The log itself, when it is not to lie in the --state folder.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    ports_file: Annotated[
        Path | None, typer.Option(help="Write {platform: address} here, as JSON, once all listen.")
    ] = None,
    list_scenarios: Annotated[
        bool, typer.Option("--list-scenarios", help="Show the scenarios that come with Takin.")
    ] = False,
) -> None:
    """Run platforms to practise on: listing pages, feeds, and a desk that takes notices and answers.

    Each platform of the scenario listens on its own port and has its own temper: prompt, slow, silent,
    says removed and isn't, down for a while. Open the address that is printed: it says how to send a
    first notice. Ctrl-C ends it.

    Example:  takin sandbox --scenario demo --stock listings.jsonl --state .takin/sandbox
    """
    from connectors.sandbox.scenario_file import built_in_scenarios, load_scenario

    if list_scenarios:
        for name, description in built_in_scenarios():
            print(f"{name:10} {description}")
        return

    import asyncio

    from connectors.sandbox.process import run

    asyncio.run(
        run(load_scenario(scenario), stock=stock, state_dir=state, log=log, host=host, ports_file=ports_file)
    )
