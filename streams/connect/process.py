"""The processes behind ``takin connect`` and ``takin intake``: everything is put together here."""

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
from connectors.intake import CannotSay, Intake, intake_app
from connectors.intake_keys import load_keys
from connectors.intake_pictures import Kept, NoPicture
from connectors.mailbox import MailboxConfig
from connectors.metrics import ConnectorMetrics
from connectors.observability import Health, Progress, serve_observability
from connectors.publisher import Publisher
from connectors.registry import PlatformConfig, load_platforms
from connectors.run_notes import RunNotes
from connectors.serving import bind, serve
from schemas.errors import OperatorError
from streams.connect import report_mail
from streams.connect.runner import Assignment, Runner, Sink
from streams.connect.sources import Opened, Wanted, open_source
from streams.connect.terminal import DryRun, shown_progress
from streams.desk.keys import DeskKeys
from streams.desk.pictures import NoPicture as Unreadable
from streams.desk.pictures import redrawn
from streams.notices.casebook import filed
from streams.notices.casebook.database import Casebook, CasebookUnavailable
from streams.notices.evidence import EvidenceStore, EvidenceTooLarge
from streams.settings import Settings

log = structlog.get_logger(__name__)

STALL_S = 120.0
"""A connector that moves nothing for so long, beyond its interval, is not healthy."""
CHECK_KAFKA_S = 10.0


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


@dataclass(frozen=True, slots=True)
class IntakeOptions:
    """What ``takin intake`` was told."""

    keys_file: Path
    platforms_file: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8720
    metrics_port: int = 8721
    follow: bool = False
    pictures: bool = False
    """Also take pictures of reports into the folder of evidence, which the desk has to share."""


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
        opened, assignment = _open(options, _configs(options.platforms_file), run_id, stack)
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
            notes=RunNotes(settings.data_dir / "connectors", utc_now) if assignment.remember else None,
        )
        await _until_signal(runner.run())
        return {**runner.tally.summary(assignment), "run_id": run_id, "resumed": resumed}


def _configs(path: Path | None) -> tuple[PlatformConfig, ...]:
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


async def run_intake_mail(
    config: MailboxConfig, settings: Settings, *, once: bool, metrics_port: int
) -> report_mail.Round:
    """File what comes into a mailbox until a signal, or once.

    Raises:
        OperatorError
    """
    keeper = PictureKeeper(EvidenceStore(settings.evidence_dir))
    secret = DeskKeys.load_or_make(settings.desk_key).purpose("report-mail-id")
    async with Publisher(settings.kafka_bootstrap_servers, now=utc_now, worker="intake-mail") as publisher:
        return await report_mail.serve(
            config,
            publisher,
            keeper.keep_now,
            secret,
            once=once,
            host=settings.observability_host,
            port=metrics_port,
        )


async def run_intake(options: IntakeOptions, settings: Settings) -> None:
    """Serve the intake until a signal.

    Raises:
        OperatorError
    """
    keys = load_keys(options.keys_file)
    configs = _configs(options.platforms_file)
    metrics = ConnectorMetrics()
    metrics.opened()
    listening = bind(options.host, options.port, purpose="the intake")
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(listening.close)
        publisher = Publisher(settings.kafka_bootstrap_servers, now=utc_now, worker="intake")
        stack.push_async_callback(publisher.aclose)
        await publisher.start()
        asked = CasebookAsked(settings.casebook_url)
        stack.callback(asked.close)
        intake = Intake(
            publisher,
            keys,
            follow=asked.follow if options.follow else None,
            keep=PictureKeeper(EvidenceStore(settings.evidence_dir)).keep if options.pictures else None,
            platforms=frozenset(config.name for config in configs),
            metrics=metrics,
            now=utc_now,
        )

        def health() -> Health:
            ok = intake.kafka_answers
            return Health(
                ok, "Kafka takes what is pushed" if ok else "Kafka is away: senders are told to come back"
            )

        app = await serve(
            intake_app(intake), options.host, options.port, purpose="the intake", sock=listening
        )
        stack.push_async_callback(app.stop)
        served = await serve_observability(
            metrics.registry,
            health,
            host=settings.observability_host,
            port=options.metrics_port,
            process="takin intake",
        )
        stack.push_async_callback(served.stop)
        log.info("intake_ready", url=app.url, observability=served.url)
        await _until_signal(_watch(intake, publisher))


class PictureKeeper:
    """Draws pictures anew into the folder of evidence, as the desk's form does."""

    def __init__(self, evidence: EvidenceStore) -> None:
        self._evidence = evidence

    async def keep(self, content: bytes) -> Kept:
        """See :data:`connectors.intake_pictures.Keep`."""
        return await asyncio.to_thread(self.keep_now, content)

    def keep_now(self, content: bytes) -> Kept:
        """The same, blocking."""
        try:
            drawn = redrawn(content)
            return Kept(self._evidence.put(drawn), len(drawn))
        except (Unreadable, EvidenceTooLarge) as error:
            raise NoPicture(str(error)) from error


class CasebookAsked:
    """The casebook, opened when somebody asks: reports are taken also while it is away."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opened: Casebook | None = None

    async def follow(self, report_id: str, organisation: str) -> filed.Followed | None:
        """See :data:`connectors.intake.Follow`."""
        try:
            if self._opened is None:
                self._opened = await asyncio.to_thread(Casebook.open, self._url)
            return await self._opened.look(filed.follow_own, report_id, organisation)
        except (CasebookUnavailable, OperatorError) as error:
            raise CannotSay from error

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()


async def _watch(intake: Intake, publisher: Publisher) -> None:
    """Notice that Kafka went away even when nobody pushes anything."""
    while True:
        await asyncio.sleep(CHECK_KAFKA_S)
        intake.kafka_answers = await publisher.reachable()


async def _until_signal(work: Any) -> None:
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
