"""``takin up`` and ``takin demo``: everything on this machine with one command."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import OperatorError

DEMO_WITHIN_S = 150.0


def register(app: typer.Typer) -> None:
    """Add ``up`` and ``demo``."""
    app.command("demo")(demo)
    app.command("up")(up)


def demo(
    once: Annotated[bool, typer.Option("--once", help="End by itself when everything has settled.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write the report to this file, as JSON.")] = None,
    data_dir: Annotated[Path, typer.Option(help="Folder of the demonstration; emptied first.")] = Path(
        ".takin/demo"
    ),
    rate: Annotated[float | None, typer.Option(help="Listings a second; absent: all at once.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Say what each service does.")] = False,
) -> None:
    """Play 360 listings in 14 languages through a real Kafka and seven practice platforms.

    Listings are screened, notices are sent over HTTP, platforms of different temper answer (or do
    not, or lie), we look at the listings ourselves, and the table says how long each platform took.

    Example: takin demo --once --report demo.json
    """
    from importlib.resources import as_file, files

    from streams.local.together import Wishes

    if data_dir.exists():
        _empty(data_dir)
    with as_file(files("streams.local.demo") / "listings.jsonl") as listings:
        _run(
            source=f"file:{listings}",
            stock=listings,
            scenario="demo",
            data_dir=data_dir,
            rate=rate,
            wishes=Wishes(once=once, settle_within_s=DEMO_WITHIN_S, report=report, verbose=verbose),
            embedded=True,
            logins=True,
        )


def _empty(folder: Path) -> None:
    """Remove an earlier demonstration, and nothing that is not one."""
    if any(folder.iterdir()) and not (folder / "ports.json").exists():
        raise OperatorError(f"{folder} is not the folder of a demonstration: choose another --data-dir.")
    shutil.rmtree(folder)


def up(
    source: Annotated[
        str | None, typer.Option(help="What to read: file:PATH, feed:URL, page:URL, or a platform's name.")
    ] = None,
    platforms: Annotated[
        Path | None, typer.Option(help="Your platforms file; absent: practice platforms.")
    ] = None,
    sender: Annotated[
        Path | None, typer.Option(help="Who sends the notices; needed for real platforms.")
    ] = None,
    scenario: Annotated[
        str, typer.Option(help="How the practice platforms behave: a name or a file.")
    ] = "demo",
    data_dir: Annotated[
        Path, typer.Option(help="Where everything is kept between runs.", envvar="TAKIN_DATA_DIR")
    ] = Path(".takin"),
    rate: Annotated[float | None, typer.Option(help="Listings a second; absent: full speed.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=4, help="Screening workers.")] = 1,
    once: Annotated[bool, typer.Option("--once", help="End by itself when everything has settled.")] = False,
    settle_within: Annotated[
        float, typer.Option(help="With --once: give up this many seconds after the source was read.")
    ] = 600.0,
    report: Annotated[Path | None, typer.Option(help="Write summary and report here, as JSON.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Say what each service does.")] = False,
) -> None:
    """Start every service in one supervisor: Kafka, screening, notices, and a source.

    KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL point at real servers instead of the embedded Kafka and
    the SQLite file. Without --platforms the practice platforms of the sandbox are there. Services
    that die are started again; Ctrl-C stops everything.

    Example: takin up --source file:listings.jsonl
    """
    from streams.local.together import Wishes

    _run(
        source=source,
        stock=_stock_of(source) if platforms is None else None,
        scenario=None if platforms is not None else scenario,
        data_dir=data_dir,
        rate=rate,
        wishes=Wishes(once=once, settle_within_s=settle_within, report=report, verbose=verbose),
        platforms=platforms,
        sender=sender,
        workers=workers,
        intake=True,
    )


def _stock_of(source: str | None) -> Path | None:
    """The practice platforms show what the file holds."""
    if source is None or not source.startswith("file:"):
        return None
    path = Path(source.removeprefix("file:"))
    if not path.is_file():
        raise OperatorError(f"The source file {path} does not exist.")
    return path if path.suffix in (".jsonl", ".ndjson", ".json") else None


def _run(
    *,
    source: str | None,
    stock: Path | None,
    scenario: str | None,
    data_dir: Path,
    rate: float | None,
    wishes: object,
    platforms: Path | None = None,
    sender: Path | None = None,
    workers: int = 1,
    embedded: bool = False,
    intake: bool = False,
    logins: bool = False,
) -> None:
    import asyncio

    from connectors.registry import load_platforms
    from connectors.sandbox.scenario_file import load_scenario
    from streams.local.machine import Machine, environment
    from streams.local.together import Wishes, run
    from streams.logs import configure

    assert isinstance(wishes, Wishes)
    configure("warning")
    if platforms is not None:
        load_platforms(platforms)
    bootstrap, casebook_url = (None, None) if embedded else environment()
    machine = Machine(
        data_dir=data_dir,
        source=source,
        stock=stock.absolute() if stock else None,
        scenario=load_scenario(scenario) if scenario is not None else None,
        platforms_file=platforms.absolute() if platforms else None,
        sender_file=sender.absolute() if sender else None,
        bootstrap=bootstrap,
        casebook_url=casebook_url,
        rate=rate,
        # A platform goes on; a file, feed or page is read once.
        follow=source is not None and ":" not in source and not wishes.once,
        screening_workers=workers,
        intake=intake,
        logins=logins,
    )
    asyncio.run(run(machine, wishes, typer.echo))
