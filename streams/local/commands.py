"""``takin kafka`` and ``takin topics``, and the commands of neighbouring areas."""

import asyncio
import contextlib
import json
import signal
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.errors import OperatorError

if TYPE_CHECKING:
    from streams.local.kafka import LocalKafka

topics = typer.Typer(no_args_is_help=True, help="The Kafka topics that Takin uses.")


def register(app: typer.Typer) -> None:
    """Add the commands of this area to the command line."""
    from streams.dead_letters import commands as dead_letters

    app.command("kafka")(kafka)
    app.add_typer(topics, name="topics")
    dead_letters.register(app)


def kafka(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")
    ] = 9092,
    data_dir: Annotated[Path | None, typer.Option(help="Folder for its data; kept between runs.")] = None,
) -> None:
    """Run a real Apache Kafka here, for development: one node, loopback only, until Ctrl-C.

    Its jars are fetched once and checked against a lock file; its Java comes as a Python package. The
    first line printed is the address, when a consumer group can be joined there.

    Example: takin kafka --port 9092
    """
    from streams.local.kafka import LocalKafka
    from streams.settings import Settings

    folder = data_dir or Settings().data_dir / "kafka"
    asyncio.run(_run_kafka(LocalKafka(folder, port=port)))


async def _run_kafka(broker: "LocalKafka") -> None:
    """Start, say the address, and wait for Ctrl-C, SIGTERM or the broker's own end."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    starting = asyncio.create_task(broker.start())
    stopping = asyncio.create_task(asked.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            return
        starting.result()
        print(broker.bootstrap, flush=True)
        ended = asyncio.create_task(broker.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not asked.is_set():
            raise OperatorError(broker.reason(), exit_code=1)
        ended.cancel()
    finally:
        for task in (starting, stopping):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, OperatorError):
                await task
        await broker.stop()


@topics.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False) -> None:
    """List the catalogue's topics and how the broker has them.

    Example: takin topics list
    """
    from schemas.topics import CATALOGUE
    from streams.local.readiness import admin_client
    from streams.local.topics import Existing, differences, observe

    async def look() -> dict[str, Existing]:
        async with admin_client(_bootstrap()) as admin:
            return await observe(admin, CATALOGUE)

    existing = asyncio.run(look())
    rows = [
        {
            "name": topic.name,
            "key": topic.key,
            "summary": topic.summary,
            "partitions": topic.partitions,
            "config": topic.config(),
            "exists": topic.name in existing,
            "differences": differences(topic, existing[topic.name]) if topic.name in existing else (),
        }
        for topic in CATALOGUE
    ]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    width = max(len(topic.name) for topic in CATALOGUE)
    for topic in CATALOGUE:
        found = differences(topic, existing[topic.name]) if topic.name in existing else None
        state = (
            "missing" if found is None else "as it should be" if not found else f"has {' and '.join(found)}"
        )
        kept = "for ever" if topic.retention_days is None else f"{topic.retention_days:g} days"
        print(f"{topic.name.ljust(width)}  {topic.partitions} partitions, kept {kept}  {state}")


@topics.command("apply")
def apply(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be made.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Make every topic that is missing, and refuse a broker whose topics differ from the catalogue.

    A topic that exists is never changed. Do this before any worker starts.

    Example: takin topics apply --dry-run
    """
    from schemas.topics import CATALOGUE
    from streams.local import topics as work

    report = asyncio.run(work.apply(_bootstrap(), CATALOGUE, dry_run=dry_run))
    if as_json:
        print(json.dumps(report.as_json(), indent=2))
        return
    verb = "would be made" if dry_run else "made"
    for name in report.created:
        print(f"{name}: {verb}")
    print(f"{len(report.created)} topics {verb}, {len(report.present)} were there as they should be.")


@topics.command("acls")
def acls(
    apply: Annotated[bool, typer.Option("--apply", help="Give the rights that are missing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Say what each account may do in Kafka, and with --apply give the rights that are missing.

    They follow from the catalogue: a connector's account writes listings and dead letters, and reads nothing.
    Without --apply no broker is asked. Accounts and passwords are made with Kafka's own kafka-configs or by
    Strimzi (deploy/kubernetes). --apply needs an administrator's account; nothing is ever taken away.

    Example: KAFKA_SASL_USERNAME=admin takin topics acls --apply
    """
    from schemas.rights import rights
    from streams.local import acls as work

    if not apply:
        found = rights()
        if as_json:
            print(json.dumps([asdict(right) for right in found], indent=2))
        else:
            for right in found:
                print(right)
        return
    report = asyncio.run(work.apply(_bootstrap()))
    if as_json:
        print(
            json.dumps(
                {
                    "added": [asdict(right) for right in report.added],
                    "present": [asdict(right) for right in report.present],
                    "foreign": report.foreign,
                },
                indent=2,
            )
        )
        return
    for right in report.added:
        print(f"{right}: given")
    for words in report.foreign:
        print(f"{words}: not ours, left as it is")
    print(f"{len(report.added)} rights given, {len(report.present)} were there.")


def _bootstrap() -> str:
    from streams.settings import Settings

    return Settings().kafka_bootstrap_servers
