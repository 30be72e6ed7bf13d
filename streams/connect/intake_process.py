"""The processes behind ``takin intake`` and ``takin intake-mail``: what others push, and mail of citizens."""

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path

import structlog

from connectors.intake import CannotSay, Intake, intake_app
from connectors.intake_keys import load_keys
from connectors.intake_pictures import Kept, NoPicture
from connectors.mailbox import MailboxConfig
from connectors.metrics import ConnectorMetrics
from connectors.observability import Health, serve_observability
from connectors.publisher import Publisher
from connectors.serving import bind, serve
from schemas.errors import OperatorError
from streams.connect import report_mail
from streams.connect.process import configured, until_signal, utc_now
from streams.contacts.start import contact_ring
from streams.desk.keys import DeskKeys
from streams.desk.pictures import NoPicture as Unreadable
from streams.desk.pictures import redrawn
from streams.notices.casebook import filed
from streams.notices.casebook.database import Casebook, CasebookUnavailable
from streams.notices.evidence import EvidenceStore, EvidenceTooLarge
from streams.settings import Settings

log = structlog.get_logger(__name__)

CHECK_KAFKA_S = 10.0


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


async def run_intake_mail(
    config: MailboxConfig, settings: Settings, *, once: bool, metrics_port: int
) -> report_mail.Round:
    """File what comes into a mailbox until a signal, or once.

    Raises:
        OperatorError
    """
    keeper = PictureKeeper(EvidenceStore(settings.evidence_dir))
    secret = DeskKeys.load_or_make(settings.desk_key).purpose("report-mail-id")
    contacts = contact_ring(settings, opens_casebook=False)
    async with Publisher(settings.kafka_bootstrap_servers, now=utc_now, worker="intake-mail") as publisher:
        return await report_mail.serve(
            config,
            publisher,
            keeper.keep_now,
            secret,
            seal=lambda report: contacts().seal(report),
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
    contacts = contact_ring(settings, opens_casebook=False)
    configs = configured(options.platforms_file)
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
            seal=lambda report: contacts().seal(report),
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
        await until_signal(_watch(intake, publisher))


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
