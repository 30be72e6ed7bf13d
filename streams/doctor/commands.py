"""``takin doctor``."""

import asyncio
import json
from typing import Annotated

import typer

MARKS = {"well": "ok   ", "look": "look ", "wrong": "WRONG"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Say in sentences what is wrong with this set-up; changes nothing.

    Looks at Kafka and its topics, lag, dead letters, the casebook and its tables, the clock, the disk, the
    platforms file and its secrets, the audit key, running processes and connectors, with the settings that
    the processes would take. Platforms' servers are asked what time it is (HEAD of base_url). The exit code
    is 1 when something will not work.

    Example: KAFKA_BOOTSTRAP_SERVERS=kafka-1:9092 takin doctor
    """
    from streams.doctor.gathering import gather
    from streams.doctor.judgement import diagnose, exit_code
    from streams.local.machine import environment
    from streams.logs import configure
    from streams.settings import Settings

    configure("critical")
    checks = diagnose(asyncio.run(gather(Settings(), embedded=environment()[0] is None)))
    if as_json:
        rows = [{"check": one.name, "verdict": one.verdict, "sentence": one.sentence} for one in checks]
        print(json.dumps({"ok": exit_code(checks) == 0, "checks": rows}, indent=2, ensure_ascii=False))
    else:
        for one in checks:
            print(f"{MARKS[one.verdict]}  {one.name}: {one.sentence}")
    if code := exit_code(checks):
        raise typer.Exit(code)
