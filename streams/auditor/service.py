"""The auditor as a process: looks every few seconds, shows what it found, puts back what was passed over."""

import asyncio
import contextlib
import signal
from pathlib import Path

import structlog
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry

from connectors.observability import Progress, serve_observability
from streams.auditor.auditor import Auditor, Look, open_auditor
from streams.auditor.metrics import AuditorMetrics
from streams.settings import Settings

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 5.0
STALL_S = 120.0


async def serve(settings: Settings, *, port: int, replay: bool, ripe_s: float) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        OperatorError: no broker answers, topics are missing, or the port is taken.
    """
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    registry = CollectorRegistry()
    metrics = AuditorMetrics(registry)
    progress = Progress()
    progress.expect("look", within_s=STALL_S)
    async with open_auditor(
        settings.kafka_bootstrap_servers, memory_file(settings), ripe_s=ripe_s
    ) as auditor:
        server = await serve_observability(
            registry, progress.health, host=settings.observability_host, port=port, process="auditor"
        )
        try:
            while not stopping.is_set():
                await _step(auditor, metrics, progress, replay=replay)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), LOOK_EVERY_S)
        finally:
            await server.stop()


async def _step(auditor: Auditor, metrics: AuditorMetrics, progress: Progress, *, replay: bool) -> None:
    try:
        look = await auditor.look()
        show(metrics, look)
        if replay and look.holes:
            metrics.replayed.inc(await auditor.replay(look))
    except (KafkaError, TimeoutError) as error:
        log.warning("kafka does not answer", why=type(error).__name__)
        return
    progress.moved("look")


def show(metrics: AuditorMetrics, look: Look) -> None:
    """Set the gauges."""
    for finding in look.findings:
        partition = str(finding.partition)
        metrics.undecided.labels(partition).set(finding.undecided)
        metrics.holes.labels(partition).set(finding.passed_over)
        metrics.oldest.labels(partition).set(look.oldest_s.get(finding.partition, 0.0))
    metrics.checked_at.set(look.at.timestamp())


def memory_file(settings: Settings) -> Path:
    """Where the auditor remembers how far it has read."""
    return settings.data_dir / "auditor.json"
