"""The process behind ``takin connect``: everything is put together here."""

import asyncio
import contextlib
import signal
import uuid
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from connectors.cursors import CursorStore
from connectors.metrics import ConnectorMetrics
from connectors.observability import Progress, serve_observability
from connectors.publisher import Publisher
from connectors.registry import PlatformConfig, load_platforms
from connectors.run_notes import RunNotes
from streams.connect.runner import Assignment, Runner, Sink
from streams.connect.sources import Opened, Wanted, open_source
from streams.connect.terminal import DryRun, shown_progress
from streams.garbage import collect_seldom
from streams.settings import Settings

log = structlog.get_logger(__name__)

STALL_S = 120.0
"""A connector that moves nothing for so long, beyond its interval, is not healthy."""


@dataclass(frozen=True, slots=True)
class ConnectOptions:
    """What ``takin connect`` was told."""

    source: str
    platforms_file: Path | None = None
    platform: str | None = None
    rate: float | None = None
    limit: int | None = None
    follow: bool = False
    interval_s: float = 60.0
    from_start: bool = False
    dry_run: bool = False
    metrics_port: int | None = None
    search: str | None = None
    since: datetime | None = None
    wait_for_kafka: bool = False


def utc_now() -> datetime:
    """The clock of these processes."""
    return datetime.now(UTC)


async def run_connect(options: ConnectOptions, settings: Settings) -> dict[str, Any]:
    """Run one connector until its end or a signal; returns the summary.

    Raises:
        OperatorError
    """
    metrics = ConnectorMetrics()
    progress = Progress()
    progress.expect("source", within_s=options.interval_s + STALL_S)
    run_id = f"run-{utc_now():%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
    cursors = CursorStore(settings.data_dir / "cursors")
    async with contextlib.AsyncExitStack() as stack:
        opened, assignment = _open(options, configured(options.platforms_file), run_id, stack)
        if options.from_start and not options.dry_run:
            cursors.forget(assignment.connector, assignment.place)
        resumed = assignment.remember and cursors.load(assignment.connector, assignment.place) is not None
        if options.metrics_port is not None:
            served = await serve_observability(
                metrics.registry,
                progress.health,
                host=settings.observability_host,
                port=options.metrics_port,
                process="takin connect",
            )
            stack.push_async_callback(served.stop)
            log.info("observability", url=served.url)
        sink = await _sink(options, settings, run_id, stack)
        runner = Runner(
            opened.source,
            sink,
            assignment,
            cursors=cursors,
            metrics=metrics,
            now=utc_now,
            moved=lambda: progress.moved("source"),
            waits=lambda seconds: progress.waits("source", seconds),
            notes=RunNotes(settings.data_dir / "connectors", utc_now) if assignment.remember else None,
        )
        collect_seldom()
        await until_signal(runner.run())
        return {**runner.tally.summary(assignment), "run_id": run_id, "resumed": resumed}


def configured(path: Path | None) -> tuple[PlatformConfig, ...]:
    """What the platforms file says; nothing where there is none.

    Raises:
        OperatorError
    """
    return load_platforms(path) if path is not None else ()


def _open(
    options: ConnectOptions,
    configs: tuple[PlatformConfig, ...],
    run_id: str,
    stack: contextlib.AsyncExitStack,
) -> tuple[Opened, Assignment]:
    wanted = Wanted(
        options.source,
        options.platform,
        options.follow,
        options.rate,
        options.limit,
        options.search,
        options.since,
        keep=options.dry_run,
    )
    kind, _, rest = options.source.partition(":")
    path = Path(rest).expanduser()
    size = path.stat().st_size if kind == "file" and path.is_file() else None
    shown = stack.enter_context(shown_progress(None if options.dry_run else size))
    opened = open_source(wanted, configs, run_id=run_id, now=utc_now, progress=shown)

    async def close() -> None:
        closing = opened.close()
        if isinstance(closing, Awaitable):
            await closing

    stack.push_async_callback(close)
    return opened, Assignment(
        connector=opened.connector,
        place=opened.place,
        platform=opened.platform,
        follow=options.follow,
        rate=options.rate,
        limit=options.limit,
        interval_s=options.interval_s,
        remember=not options.dry_run,
        since=options.since,
    )


async def _sink(
    options: ConnectOptions, settings: Settings, run_id: str, stack: contextlib.AsyncExitStack
) -> Sink:
    if options.dry_run:
        return DryRun()
    publisher = Publisher(settings.kafka_bootstrap_servers, now=utc_now, worker=run_id)
    stack.push_async_callback(publisher.aclose)
    await publisher.start(patient=options.follow or options.wait_for_kafka)
    return publisher


async def until_signal(work: Any) -> None:
    """Run ``work``; SIGTERM and Ctrl-C end it where it waits, which the cursor makes safe."""
    task = asyncio.ensure_future(work)
    with _signals(task), contextlib.suppress(asyncio.CancelledError):
        await task


@contextlib.contextmanager
def _signals(task: "asyncio.Future[Any]") -> Iterator[None]:
    loop = asyncio.get_running_loop()
    caught = (signal.SIGTERM, signal.SIGINT)
    for number in caught:
        loop.add_signal_handler(number, task.cancel)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
