"""The screening process: puts its parts together, serves its health, ends cleanly or loudly."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry
from pydantic import Field

from connectors.observability import Health, serve_observability
from connectors.registry import load_platforms
from schemas.errors import OperatorError
from streams.local.readiness import admin_client
from streams.screening.agent import BatchScreener, RuleFlood, register
from streams.screening.app import AppConfig, build_app
from streams.screening.deciders import Deciders
from streams.screening.decision import Desk, Reckoning
from streams.screening.flood_guard import FloodGuard, FloodLimits
from streams.screening.health import screening_health
from streams.screening.lossless.app import LosslessApp
from streams.screening.lossless.consumer import LosslessConsumer
from streams.screening.lossless.leaving import RESTART_ME, leave
from streams.screening.lossless.ledger import Decided
from streams.screening.metrics import ScreeningMetrics
from streams.screening.output import progress_output
from streams.screening.progress import Tally, progress_message
from streams.screening.publisher import Publisher
from streams.screening.quiet import limit_repeated_lines
from streams.screening.topics import ScreeningTopics
from streams.screening.verdict import Ruleset
from streams.screening.watch import WatchlistFollower
from streams.settings import Settings

log = structlog.get_logger(__name__)

STOP_WITHIN_S = 8.0
"""From the signal to the exit; a stop that hangs is cut short, and nothing is lost by it."""
MEASURE_EVERY_S = 1.0


class ScreeningSettings(Settings):
    """Settings of one screening worker."""

    screening_group: str = "screening"
    """Consumer group; workers of one group share the partitions."""
    observability_port: int = Field(default=0, ge=0, le=65_535)
    """0 takes a free port, which is printed."""
    publish_clear: bool = False
    """Also publish detections whose outcome is ``clear``."""
    rule_failures_in_a_row: int = Field(default=100, ge=1)
    """So many listings in a row that rules fail on stop the worker."""
    group_instance_id: str | None = None
    session_timeout_s: float = Field(default=10.0, ge=6.0, le=300.0)
    """Below 6 s Kafka's default settings refuse the member for good."""
    stall_s: float = Field(default=60.0, ge=10.0)
    deciding_processes: int = Field(default_factory=lambda: usual_deciders(cores()), ge=1, le=64)
    """How many processes decide; Kafka's work is done beside them."""
    flood_window_s: float = Field(default=60.0, ge=1.0)
    """The flood guard stops a watchlist entry that within so many seconds …"""
    flood_matches: int = Field(default=100, ge=1)
    """… matches at least so many listings …"""
    flood_share: float = Field(default=0.05, ge=0.0, le=1.0)
    """… and more than this share of those decided …"""
    flood_factor: float = Field(default=10.0, ge=1.0)
    """… and so many times its usual share."""


def usual_deciders(cores: int) -> int:
    """How many processes decide unless a setting says so: two keep two cores busy beside a broker, and use
    what is left of the second."""
    return max(1, min(2, cores))


def cores() -> int:
    """How many cores this process may run on, as far as the system tells: no quota of a container."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


async def run_worker(
    settings: ScreeningSettings, ruleset: Ruleset, topics: ScreeningTopics | None = None
) -> int:
    """Run until a signal; the exit code.

    Raises:
        OperatorError: no broker, topics missing, a port taken, or the rules fail on everything.
    """
    worker = Worker(settings, topics or ScreeningTopics())
    try:
        return await worker.run(ruleset)
    except KafkaError as error:
        raise OperatorError(
            f"Kafka at {settings.kafka_bootstrap_servers} stopped answering ({type(error).__name__}): "
            "see whether it runs, then start screening again."
        ) from error


class Worker:
    """One process. Owns what is shared between its parts and decides when it ends."""

    def __init__(self, settings: ScreeningSettings, topics: ScreeningTopics) -> None:
        self._settings = settings
        self._topics = topics
        self._name = f"{socket.gethostname()}-{os.getpid()}"
        known = known_platforms(settings)
        self._desk = Desk(topics, self._name, known, settings.publish_clear)
        self._registry = CollectorRegistry()
        self._metrics = ScreeningMetrics(self._registry, known)
        self._stop = asyncio.Event()
        self._flood: RuleFlood | None = None
        self._started = time.monotonic()

    async def run(self, ruleset: Ruleset) -> int:
        """See :func:`run_worker`."""
        settings = self._settings
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        await require_topics(settings.kafka_bootstrap_servers, self._topics)
        async with contextlib.AsyncExitStack() as stack:
            publisher = await stack.enter_async_context(Publisher(settings.kafka_bootstrap_servers))
            follower = await stack.enter_async_context(
                WatchlistFollower(
                    settings.kafka_bootstrap_servers,
                    self._topics,
                    ruleset,
                    publisher.publish,
                    worker=self._name,
                    metrics=self._metrics,
                )
            )
            deciders = await stack.enter_async_context(
                Deciders(self._desk, settings.deciding_processes, self._metrics)
            )
            app = self._build(publisher, follower, deciders)
            server = await serve_observability(
                self._registry,
                lambda: self._health(app, follower),
                host=settings.observability_host,
                port=settings.observability_port,
                process="screening",
            )
            stack.push_async_callback(server.stop)
            self._say(f"takin screening: metrics and health at {server.url}")
            await self._until_the_end(app, follower)
        if self._flood is not None:
            raise self._flood
        return 0

    def _build(self, publisher: Publisher, follower: WatchlistFollower, deciders: Deciders) -> LosslessApp:
        settings = self._settings

        async def announce(decided: Mapping[TopicPartition, Decided]) -> None:
            now = datetime.now(UTC)
            sent = [
                await publisher.send(progress_output(self._progress(part, run, now), self._topics.progress))
                for part, run in decided.items()
            ]
            await asyncio.gather(*sent)

        app = build_app(
            AppConfig(
                bootstrap=settings.kafka_bootstrap_servers,
                group=settings.screening_group,
                group_instance_id=settings.group_instance_id,
                session_timeout_s=settings.session_timeout_s,
                stall_s=settings.stall_s,
            ),
            announce,
        )
        guard = FloodGuard(
            FloodLimits(
                timedelta(seconds=settings.flood_window_s),
                settings.flood_matches,
                settings.flood_share,
                settings.flood_factor,
            )
        )

        async def watched(reckoning: Reckoning, now: datetime) -> None:
            for flood in guard.count(reckoning.decided, reckoning.entries(), now):
                await follower.quarantine(flood)

        screener = BatchScreener(
            self._desk,
            lambda: follower.screener,
            deciders,
            publisher,
            self._metrics,
            flood_limit=settings.rule_failures_in_a_row,
            flooded=self._flooded,
            watched=watched,
        )
        register(app, screener, self._topics.listings)
        return app

    def _progress(self, partition: TopicPartition, run: Decided, now: datetime) -> Any:
        tallies = [note for note in run.notes if isinstance(note, Tally)]
        return progress_message(
            partition.topic, partition.partition, run.first, run.next, tallies, worker=self._name, now=now
        )

    async def _until_the_end(self, app: LosslessApp, follower: WatchlistFollower) -> None:
        """Run Faust in this loop until a signal comes or a part of the process dies."""
        parts = {
            "faust": asyncio.create_task(_run_faust(app)),
            "watchlist": asyncio.create_task(follower.follow()),
            "metrics": asyncio.create_task(self._measure(app)),
        }
        stop = asyncio.create_task(self._stop.wait())
        await asyncio.wait({stop, *parts.values()}, return_when=asyncio.FIRST_COMPLETED)
        if not self._stop.is_set():
            dead = next(name for name, task in parts.items() if task.done())
            error = parts[dead].exception()
            leave(f"{dead} ended by itself: {type(error).__name__ if error else 'no error'}: {error}")
        _cut_short_after(STOP_WITHIN_S)
        log.info("stopping")
        await app.stop()
        for task in parts.values():
            task.cancel()
        await asyncio.gather(*parts.values(), return_exceptions=True)

    async def _measure(self, app: LosslessApp) -> None:
        while True:
            await asyncio.sleep(MEASURE_EVERY_S)
            consumer = _consumer(app)
            if consumer is None:
                continue
            lag = {
                part.partition: max(0, consumer.ends[part] - ledger.low)
                for part, ledger in consumer.book.ledgers().items()
                if part in consumer.ends
            }
            ages = {part.partition: age for part, age in consumer.book.commit_age_s().items()}
            failures = consumer.book.counts.failures
            self._metrics.measured(self._topics.listings, lag, ages, failures, now=datetime.now(UTC))

    def _health(self, app: LosslessApp, follower: WatchlistFollower) -> Health:
        return screening_health(
            _consumer(app),
            ruleset_version=follower.screener.version,
            watchlist_entries=follower.entries,
            packs=follower.packs,
            reference=follower.reference,
            up_s=time.monotonic() - self._started,
            late_after_s=self._settings.stall_s / 2,
        )

    def _flooded(self, flood: RuleFlood) -> None:
        self._flood = flood
        self._stop.set()

    def _say(self, line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


async def _run_faust(app: LosslessApp) -> None:
    """Start Faust without its own worker, which would take the loop, the signals and the logging.

    Raises what Faust crashed with; mode only records it and would leave the process idle.
    """
    await app.start()
    await app.wait_until_stopped()
    if app.crash_reason is not None:
        raise app.crash_reason


def _consumer(app: LosslessApp) -> LosslessConsumer | None:
    consumer = app.consumer
    return consumer if isinstance(consumer, LosslessConsumer) and consumer.started else None


def _cut_short_after(seconds: float) -> None:
    """End the process even if the loop is blocked or a service never stops (robinhood/faust#684)."""
    timer = threading.Timer(seconds, leave, [f"the stop took longer than {seconds:.0f} s"])
    timer.daemon = True
    timer.start()


async def require_topics(bootstrap: str, topics: ScreeningTopics) -> None:
    """Faust ignores a missing topic and then never reads it, so they must exist before it starts.

    Raises:
        OperatorError: no broker answers, or topics are missing.
    """
    async with admin_client(bootstrap) as admin:
        try:
            described = await admin.describe_topics(list(topics.names()))
        except KafkaError as error:
            raise OperatorError(
                f"The Kafka broker at {bootstrap} does not say which topics it has ({error!r}): try again."
            ) from error
    there = {topic["topic"] for topic in described if topic["error_code"] == 0}
    missing = [name for name in topics.names() if name not in there]
    if missing:
        raise OperatorError(
            f"Kafka at {bootstrap} has no topic {', '.join(missing)}: create them with `takin topics apply`."
        )


def known_platforms(settings: ScreeningSettings) -> frozenset[str] | None:
    """Names of the configured platforms; ``None`` without a platforms file: every name is taken."""
    if settings.platforms_file is None:
        return None
    return frozenset(platform.name for platform in load_platforms(settings.platforms_file))


def main(settings: ScreeningSettings, ruleset: Ruleset, topics: ScreeningTopics | None = None) -> int:
    """The process from its start to its exit code.

    Raises:
        OperatorError: see :func:`run_worker`.
    """
    limit_repeated_lines()
    with asyncio.Runner() as runner:
        return runner.run(run_worker(settings, ruleset, topics))


__all__ = ["RESTART_ME", "ScreeningSettings", "main", "run_worker"]
