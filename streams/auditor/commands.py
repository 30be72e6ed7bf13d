"""``takin auditor``."""

import asyncio
import json
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("auditor")(auditor)


def auditor(
    once: Annotated[bool, typer.Option("--once", help="Look once, say what was found, and end.")] = False,
    replay: Annotated[
        bool | None,
        typer.Option(help="Publish passed-over listings once more. Default: yes, but not with --once."),
    ] = None,
    older_than: Annotated[
        float, typer.Option(min=1.0, help="Seconds after which a listing must be decided.")
    ] = 60.0,
    metrics_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of /metrics and /health.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="With --once: print JSON.")] = False,
) -> None:
    """Prove from Kafka's log that every listing was decided, and put back what was passed over.

    Reads which offsets screening says it decided (topic screening-progress) and compares them with the
    topic of listings. With --once the exit code is 1 when a listing that should be decided is not.

    Example: takin auditor --once --json
    """
    from streams.auditor.auditor import open_auditor
    from streams.auditor.service import memory_file, serve
    from streams.logs import configure
    from streams.settings import Settings

    settings = Settings()
    configure(settings.log_level)
    if not once:
        asyncio.run(serve(settings, port=metrics_port, replay=replay is not False, ripe_s=older_than))
        return

    async def look_once() -> int:
        path = memory_file(settings)
        async with open_auditor(settings.kafka_bootstrap_servers, path, ripe_s=older_than) as one:
            found = await one.look()
            put_back = await one.replay(found) if replay else 0
        if as_json:
            rows = [
                {
                    "partition": finding.partition,
                    "undecided": finding.undecided,
                    "passed_over": finding.passed_over,
                    "holes": finding.holes,
                    "oldest_s": round(found.oldest_s.get(finding.partition, 0.0), 1),
                }
                for finding in found.findings
            ]
            print(
                json.dumps({"undecided": found.undecided, "replayed": put_back, "partitions": rows}, indent=2)
            )
        elif found.undecided == 0:
            print(f"Every listing older than {older_than:g} s is decided.")
        else:
            print(
                f"{found.undecided} listings older than {older_than:g} s are not decided; "
                f"{found.holes} of them were passed over, {put_back} were published once more."
            )
        return int(found.undecided > 0 and put_back < found.undecided)

    if code := asyncio.run(look_once()):
        raise typer.Exit(code)
