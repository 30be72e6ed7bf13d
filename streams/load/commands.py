"""``takin load``."""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("load")(load)


def load(
    rate: Annotated[float, typer.Option(min=0.1, help="Listings a second.")] = 200.0,
    listings: Annotated[int, typer.Option(min=1, help="How many in all.")] = 6_000,
    offers: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share that must be noticed.")] = 0.02,
    workers: Annotated[int, typer.Option(min=1, max=16, help="Screening workers.")] = 1,
    wait: Annotated[float, typer.Option(min=1.0, help="Seconds that the last listings get.")] = 60.0,
    threshold_drop: Annotated[
        float | None, typer.Option(help="Fail when a larger share of listings or offers comes to nothing.")
    ] = 0.0,
    threshold_p99_ms: Annotated[
        float | None, typer.Option(help="Fail when p99 from an offer's turn to its detection is longer.")
    ] = None,
    threshold_notice_p99_ms: Annotated[
        float | None, typer.Option(help="Fail when p99 from an offer's turn to its notice is longer.")
    ] = None,
    threshold_growth_mb: Annotated[
        float | None,
        typer.Option(help="Fail when a service's memory, once settled, grows by more MB an hour."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Say what each service does.")] = False,
) -> None:
    """Send made-up listings through the whole path on this machine, and measure how long each takes.

    Starts a Kafka, screening, the notice service and a practice platform of its own, in a folder that is
    removed afterwards; nothing leaves this machine, and a running installation is not touched. Times count
    from the moment at which a listing was due, so a sender that is held up hides nothing. Exit code 1 when
    a threshold is passed.

    Example: takin load --rate 200 --listings 6000 --threshold-drop 0 --threshold-p99-ms 100

    Half an hour at 1e8 listings a day, to see whether memory stays flat:
    takin load --rate 1160 --listings 2088000 --offers 0.001 --threshold-growth-mb 20
    """
    from streams import logs
    from streams.load.judgement import Limits, Spread, document, faults
    from streams.load.run import Load, run
    from streams.load.weighing import SHORTEST_S

    if threshold_growth_mb is not None and listings < rate * SHORTEST_S:
        raise typer.BadParameter(
            f"--threshold-growth-mb needs a run of {SHORTEST_S / 60:.0f} minutes, so that memory settles: "
            f"at {rate:g} a second --listings {round(rate * SHORTEST_S)}."
        )
    logs.configure("warning")

    def say(line: str) -> None:
        if verbose:
            typer.echo(line, err=True)

    def tell(line: str) -> None:
        typer.echo(f"takin load: {line}", err=True)

    limits = Limits(threshold_drop, threshold_p99_ms, threshold_notice_p99_ms, threshold_growth_mb)
    with tempfile.TemporaryDirectory(prefix="takin-load-") as folder:
        measured = asyncio.run(run(Load(rate, listings, offers, workers, wait), Path(folder), say, tell))
    found = faults(measured, limits)
    if as_json:
        print(json.dumps(document(measured, found)))
    else:
        print(
            f"{measured.listings} listings, {measured.reached:.0f} a second ({rate:g} asked for), "
            f"{measured.decided} decided"
        )
        for what, times in (("detected", measured.detected_s), ("noticed", measured.noticed_s)):
            spread = Spread.of(times)
            words = (
                "none"
                if spread is None
                else f"{spread.count}: p50 {spread.p50_ms:.0f} ms, p90 {spread.p90_ms:.0f} ms, "
                f"p99 {spread.p99_ms:.0f} ms, longest {spread.max_ms:.0f} ms"
            )
            print(f"{what} {words}")
        print(f"the sender was at most {measured.late_ms:.0f} ms behind its schedule")
        for name, burden in sorted(measured.burdens.items()):
            print(f"{name}: {burden.in_words}")
        for sentence in found:
            print(f"takin: {sentence}")
    if found:
        raise typer.Exit(1)
