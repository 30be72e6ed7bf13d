"""The desk as one process: everything is put together here and nowhere else."""

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from connectors.egress import EgressPolicy, EgressRefused
from connectors.errors import PlatformRefused, PlatformUnavailable
from connectors.http import HttpLimits, OutboundClient
from connectors.observability import Health, serve_observability
from connectors.platform_config import PlatformConfig
from connectors.self_service import mark_of, new_secret, read_address
from connectors.serving import bind, serve
from schemas.notice import LegalBasis
from streams.contacts.keys import ContactKeys
from streams.desk.app import desk_app
from streams.desk.board import Board
from streams.desk.house import House
from streams.desk.keys import REPLY_LINK, DeskKeys
from streams.desk.lists import Lists
from streams.desk.metrics import DeskMetrics
from streams.desk.outlets import Outlet, Outlets
from streams.desk.pages import Pages
from streams.desk.sso.config import SsoConfig
from streams.desk.sso.provider import Provider, ProviderAway
from streams.desk.trials import Trials
from streams.notices.acts import ActRefused
from streams.notices.bridge import Bridge, desk_of, make_bridge, working_days
from streams.notices.casebook import deadlines
from streams.notices.casebook.database import Casebook, CasebookUnavailable
from streams.notices.evidence import EvidenceStore
from streams.notices.policy import SenderPolicy
from streams.notices.reply_link import ReplyLinks
from streams.privacy.keys import PrivacyKeys
from streams.watchlist.carrying import carry_out_rest
from streams.watchlist.mirror import Mirror

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DeskService:
    """What the process is told."""

    casebook_url: str
    key_file: Path
    contacts: Callable[[], ContactKeys]
    """Encrypt and read reporters' contacts."""
    evidence_dir: Path
    base: str
    """Where browsers see the desk; with https its cookies are bound to it."""
    host: str
    port: int
    observability_host: str
    observability_port: int
    privacy: Callable[[], PrivacyKeys]
    """Keys under which sellers are named in downloads; the first one makes them where there are none."""
    platforms: Sequence[PlatformConfig] = ()
    sender: SenderPolicy | None = None
    law: Mapping[str, LegalBasis] | None = None
    webhook_secret: SecretStr | None = None
    """Signs our notices where a platform has no secret of its own."""
    trusted_proxies: Sequence[str] = ()
    """Whose word for where a request comes from is taken; see :func:`connectors.serving.serve`."""
    kafka: str | None = None
    """Brokers that keep watchlist and rule packs; absent: their screens say what to set."""

    sso: SsoConfig | None = None
    """``None``: everybody signs in with a password."""
    sso_secret: SecretStr | None = None

    async def run(self, stopping: asyncio.Event) -> None:
        """Serve until ``stopping`` is set.

        Raises:
            OperatorError: a port, the casebook, the key or a secret cannot be used.
        """
        sock = bind(self.host, self.port, purpose="the desk")
        casebook = await asyncio.to_thread(Casebook.open, self.casebook_url)
        bridge = make_bridge(self.platforms, default_secret=self.webhook_secret)
        registry = CollectorRegistry()
        client = sso_client(self.sso) if self.sso is not None else None
        servers = []
        try:
            house = self._house(casebook, bridge, registry, client)
            servers.append(
                await serve(
                    desk_app(house),
                    self.host,
                    self.port,
                    purpose="the desk",
                    sock=sock,
                    trusted_proxies=self.trusted_proxies,
                )
            )
            health = _Watch(casebook)
            servers.append(
                await serve_observability(
                    registry,
                    lambda: health.now,
                    host=self.observability_host,
                    port=self.observability_port,
                    process="desk",
                )
            )
            log.info("ready", desk=servers[0].url, observability=servers[1].url)
            watching = [
                asyncio.create_task(health.keep_on()),
                asyncio.create_task(keep_warm(house.board)),
                asyncio.create_task(keep_carrying_out(house)),
            ]
            await stopping.wait()
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
            if house.lists is not None:
                await house.lists.aclose()
        finally:
            for server in servers:
                await server.stop()
            await bridge.aclose()
            if client is not None:
                await client.aclose()
            casebook.close()

    def _house(
        self,
        casebook: Casebook,
        bridge: Bridge,
        registry: CollectorRegistry,
        client: OutboundClient | None,
    ) -> House:
        keys = DeskKeys.load_or_make(self.key_file)
        links = ReplyLinks(self.base, keys.purpose(REPLY_LINK))
        acts = None
        if self.platforms and self.sender is not None and self.law is not None:
            us = replace(self.sender, reply_links=links)
            acts = desk_of(
                self.platforms, bridge, sender=us, law=self.law, actor="desk", privacy=self.privacy
            )
        return House(
            casebook=casebook,
            keys=keys,
            privacy=self.privacy,
            contacts=self.contacts,
            links=links,
            pages=Pages(),
            board=Board(
                casebook,
                clock=lambda: datetime.now(UTC),
                calendars={config.name: working_days(config) for config in self.platforms},
            ),
            metrics=DeskMetrics(registry),
            evidence=EvidenceStore(self.evidence_dir),
            acts=acts,
            https=self.base.startswith("https://"),
            sso=provider_of(self.sso, client, secret=self.sso_secret, base=self.base)
            if self.sso is not None and client is not None
            else None,
            outlets=outlets_of(self.platforms, bridge) if self.platforms else None,
            lists=Lists(Mirror(self.kafka), Trials(self.kafka)) if self.kafka else None,
        )


def sso_client(config: SsoConfig) -> OutboundClient:
    """The client with limits that goes to the identity provider, and nowhere but where the file allows."""
    private = config.private_address or config.local
    policy = EgressPolicy.for_base_url(config.issuer, private=private, more_hosts=config.hosts)
    limits = HttpLimits(total_s=10.0, connections=2)
    return OutboundClient(policy, limits, ca_file=str(config.ca_file) if config.ca_file else None)


def provider_of(
    config: SsoConfig,
    client: OutboundClient,
    *,
    secret: SecretStr | None,
    base: str,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Provider:
    """The identity provider as the routes ask it."""

    async def exchange(
        method: str, url: str, *, headers: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> tuple[int, bytes]:
        try:
            reply = await client.request(method, url, headers=headers, content=content)
        except (PlatformUnavailable, PlatformRefused) as error:
            raise ProviderAway(error.detail) from error
        if not reply.complete:
            raise ProviderAway("it answers with more than is read")
        return reply.status, reply.body

    return Provider(config, exchange, base=base, secret=secret, clock=clock)


def outlets_of(configs: Sequence[PlatformConfig], bridge: Bridge) -> Outlets:
    """Where these platforms are notified, and how a desk reads and tries out what their people enter."""
    known = {config.name: config for config in configs}

    def read(platform: str, text: str) -> str:
        try:
            return read_address(known[platform], text)
        except EgressRefused as error:
            raise ActRefused("address", error.detail) from error

    def make() -> tuple[SecretStr, str]:
        secret = new_secret()
        return secret, mark_of(secret)

    return Outlets(
        platforms={
            config.name: Outlet(
                config.base,
                testable=config.kind == "sandbox",
                own=config.self_service,
                dev=config.dev_only,
            )
            for config in configs
        },
        read_address=read,
        make_secret=make,
        try_out=bridge.try_out,
    )


async def keep_warm(board: Board, *, every_s: float = 5.0) -> None:
    """Let the board follow what happens: over many cases its first look takes a second or more, which
    the first to ask for it should not wait."""
    while True:
        try:
            await board.follow()
        except CasebookUnavailable:
            log.warning("board_not_made", why="the casebook does not answer")
        await asyncio.sleep(every_s)


async def keep_carrying_out(house: House, *, every_s: float = 10.0) -> None:
    """Have Kafka told what was decided about the lists while it, or the desk, was away."""
    while house.lists is not None:
        await asyncio.sleep(every_s)
        try:
            await carry_out_rest(house.casebook, house.lists.topic, now=house.clock())
        except CasebookUnavailable:
            log.warning("lists_not_carried_out", why="the casebook does not answer")


class _Watch:
    """Asks the casebook now and then, so that health is whether pages could be answered."""

    def __init__(self, casebook: Casebook, *, every_s: float = 5.0) -> None:
        self._casebook = casebook
        self._every_s = every_s
        self.now = Health(True, "the casebook answers")

    async def keep_on(self) -> None:
        """For ever."""
        while True:
            try:
                await asyncio.wait_for(self._casebook.look(deadlines.next_due), 10)
                self.now = Health(True, "the casebook answers")
            except (CasebookUnavailable, TimeoutError) as error:
                self.now = Health(False, f"the casebook does not answer: {error}")
            await asyncio.sleep(self._every_s)


async def serve_until_signal(service: DeskService) -> None:
    """Run the desk until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stopping.set)
    await service.run(stopping)
