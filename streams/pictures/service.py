"""The process behind ``takin pictures``: everything is put together here."""

import asyncio
import contextlib
import signal
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import structlog
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry

from connectors.egress import EgressPolicy
from connectors.http import OutboundClient
from connectors.kafka_reach import why_no_answer
from connectors.observability import Progress, serve_observability
from connectors.pictures.fetching import Bounds, PictureFetcher
from connectors.pictures.hosts import Hosts
from connectors.platform_config import PlatformConfig
from connectors.publisher import Publisher
from streams.pictures.looking import Wish
from streams.pictures.metrics import PictureMetrics
from streams.pictures.stage import PictureStage
from streams.settings import Settings

log = structlog.get_logger(__name__)

STALL_S = 300.0
CONNECTIONS = 8


async def serve(configs: Iterable[PlatformConfig], settings: Settings, *, port: int) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        OperatorError: no broker answers, topics are missing, or the port is taken.
    """
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    asked = [one for one in configs if one.pictures.fetch]
    registry = CollectorRegistry()
    metrics = PictureMetrics(registry, [one.name for one in asked])
    progress = Progress()
    progress.expect("pictures", within_s=STALL_S)
    async with contextlib.AsyncExitStack() as stack:
        publisher = Publisher(settings.kafka_bootstrap_servers, now=utc_now, worker="pictures")
        stack.push_async_callback(publisher.aclose)
        await publisher.start()
        served = await serve_observability(
            registry, progress.health, host=settings.observability_host, port=port, process="takin pictures"
        )
        stack.push_async_callback(served.stop)
        wishes = {}
        for config in asked:
            fetcher = fetcher_for(config)
            stack.push_async_callback(fetcher.aclose)
            wishes[config.name] = Wish(fetcher.fetch, config.pictures.most)
        stage = PictureStage(
            wishes,
            publisher.publish,
            metrics,
            bootstrap=settings.kafka_bootstrap_servers,
            now=utc_now,
            moved=lambda: progress.moved("pictures"),
        )
        log.info("pictures_ready", platforms=len(wishes), observability=served.url)
        try:
            await stage.run(stopping)
        except KafkaError as error:
            raise await why_no_answer(settings.kafka_bootstrap_servers) from error


def fetcher_for(config: PlatformConfig) -> PictureFetcher:
    """One platform's fetcher, with connections of its own."""
    wishes = config.pictures
    client = OutboundClient(
        _policy(config),
        replace(config.limits, total_s=wishes.within_s, connections=CONNECTIONS, pool_s=wishes.within_s),
        user_agent=config.user_agent,
        ca_file=str(config.ca_file) if config.ca_file else None,
    )
    bounds = Bounds(most_bytes=wishes.most_bytes, within_s=wishes.within_s)
    return PictureFetcher(client, bounds, Hosts(wishes.rate_per_s), now=utc_now)


def _policy(config: PlatformConfig) -> EgressPolicy:
    """Where this platform's pictures may lie. Only its own host may be private, where the file says so."""
    near = EgressPolicy.for_base_url(
        config.base,
        private=config.private_address,
        more_hosts=config.pictures.hosts,
        plain_http=True,
        socks=config.proxy,
    )
    return near if config.pictures.hosts else replace(near, origins=None)


def utc_now() -> datetime:
    """The clock of this process."""
    return datetime.now(UTC)
