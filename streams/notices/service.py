"""The notice service as one process: everything is put together here and nowhere else."""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from connectors.mailbox import MailboxConfig, MailboxUnavailable
from connectors.observability import Health, Progress, serve_observability
from connectors.platform_config import PlatformConfig
from connectors.publisher import Publisher, Record
from connectors.serving import RunningServer, bind, serve
from connectors.witnesses import Witnesses
from schemas.checkpoint import AuditCheckpoint
from schemas.detection import Detection
from schemas.envelope import cloud_event_headers
from schemas.errors import OperatorError
from schemas.notice import LegalBasis
from schemas.report import Report
from schemas.topics import AUDIT_CHECKPOINTS, CASE_EVENTS
from streams.contacts.keys import ContactKeys, no_contact_keys
from streams.notices.answers import Answers, Poller
from streams.notices.bridge import Bridge, desk_of, make_bridge
from streams.notices.casebook import events, offsets
from streams.notices.casebook.database import Casebook, CasebookUnavailable
from streams.notices.checkpoints import CheckpointLog, load_key
from streams.notices.clock import ClockUnsure, DeadlineClock, Listener, steady_seconds
from streams.notices.dispatcher import Dispatcher
from streams.notices.evidence import EvidenceStore
from streams.notices.gauges import Gauges
from streams.notices.guards.keeper import Keeper
from streams.notices.handlers import Desk, Taken
from streams.notices.intake import Became, detection_intake, report_intake
from streams.notices.loops import Bell, keep_on
from streams.notices.metrics import NoticeMetrics
from streams.notices.notary import Notary, Pace
from streams.notices.policy import PlatformPolicy, SenderPolicy
from streams.notices.post.commands import postman_of
from streams.notices.receiver import receiver_app
from streams.notices.relay import Relay
from streams.notices.topic_intake import TopicIntake
from streams.notices.verifier import Verifier
from streams.notices.ways import LiveWays, Opener
from streams.privacy.check import check_keys
from streams.privacy.keys import PrivacyKeys, no_keys
from streams.privacy.overdue import Overdue
from streams.privacy.retention import Rule

log = structlog.get_logger()

STOPS_WITHIN_S = 10.0
"""How long a stop waits for what is under way; Kafka and the casebook stand it."""

BY_A_SURE_CLOCK = frozenset({"intake", "reports", "dispatcher", "verifier", "poller", "guards", "mail"})
"""Parts that write, send or look at something by what the time is."""

STALE_S = 120.0
"""A queue whose oldest entry is due for longer makes the process unhealthy."""


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """How checkpoints of the audit chain are made."""

    key_file: Path
    log_file: Path
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True, slots=True)
class NoticeService:
    """What the process is told."""

    bootstrap: str
    casebook_url: str
    platforms: Sequence[PlatformConfig]
    sender: SenderPolicy
    law: Mapping[str, LegalBasis]
    receiver_host: str
    receiver_port: int
    observability_host: str
    observability_port: int
    group: str = "notices"
    checkpoints: Checkpoints | None = None
    """Absent: the audit chain is not signed."""
    mailbox: MailboxConfig | None = None
    """Where answers by mail come in; absent: nowhere."""
    webhook_secret: SecretStr | None = None
    """Signs our notices where a platform has no secret of its own."""
    evidence_dir: Path | None = None
    """Where pages are kept as evidence; absent: they are not."""
    retention: Sequence[Rule] = ()
    """How long what is kept; what should have been erased is shown."""
    privacy_keys: Callable[[], PrivacyKeys | None] = no_keys
    """Tell what was erased when it comes again."""
    contacts: Callable[[], ContactKeys | None] = no_contact_keys
    """Encrypt the contacts of reports that a version before wrote in clear."""
    unseal: Opener = lambda _: None
    """Reads the secrets that platforms made at the desk, with the desk's key."""
    sink_dir: Path | None = None
    """In test mode, where goes what would go to real desks."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Serve until ``stopping`` is set.

        Raises:
            OperatorError: a port, the casebook, a secret or Kafka cannot be used.
        """
        receiver_socket = bind(self.receiver_host, self.receiver_port, purpose="the receiver of answers")
        casebook = await asyncio.to_thread(Casebook.open, self.casebook_url)
        try:
            await casebook.look(check_keys, self.privacy_keys())
        except BaseException:
            receiver_socket.close()
            casebook.close()
            raise
        own = [config.name for config in self.platforms if config.self_service]
        bridge = make_bridge(
            self.platforms,
            sink=self._sink(),
            default_secret=self.webhook_secret,
            ways=LiveWays(casebook, self.unseal, own),
        )
        witnesses = Witnesses(() if self.sender.test_mode else self.platforms, steady=steady_seconds)
        try:
            async with Publisher(self.bootstrap, now=lambda: datetime.now(UTC)) as publisher:
                await self._serve(stopping, receiver_socket, casebook, bridge, publisher, witnesses)
        finally:
            await witnesses.aclose()
            await bridge.aclose()
            casebook.close()

    def _sink(self) -> Path | None:
        if not self.sender.test_mode:
            return None
        if self.sink_dir is None:
            raise OperatorError("Test mode needs a folder for what would go to real desks.")
        return self.sink_dir

    async def _serve(
        self,
        stopping: asyncio.Event,
        receiver_socket: socket.socket,
        casebook: Casebook,
        bridge: Bridge,
        publisher: Publisher,
        witnesses: Witnesses,
    ) -> None:
        worker = f"notices@{socket.gethostname()}#{os.getpid()}"
        registry = CollectorRegistry()
        desk = desk_of(self.platforms, bridge, sender=self.sender, law=self.law, privacy=self.privacy_keys)
        metrics = NoticeMetrics(registry, limits=_agreed_limits(desk.platforms.values()))
        metrics.expect(desk.platforms)
        progress = Progress()
        changed = Bell()
        answers = Answers(casebook, bridge, metrics, changed=changed)
        dispatcher = Dispatcher(casebook, desk, bridge, metrics, worker=worker, answered=answers.bell)
        verifier = Verifier(
            casebook,
            desk,
            bridge,
            metrics,
            observer=worker,
            changed=changed,
            evidence=EvidenceStore(self.evidence_dir) if self.evidence_dir else None,
        )
        poller = Poller(casebook, desk, bridge, answered=answers.bell)
        clock = DeadlineClock(casebook, desk, metrics, drain=answers.drain, fired=dispatcher.bell)
        listener = Listener(clock, witnesses.ask)
        gauges = Gauges(casebook, metrics)
        keeper = Keeper(casebook, desk, metrics, bells=(dispatcher.bell,))

        async def publish_events(waiting: Sequence[events.Unpublished]) -> None:
            refused = await publisher.write([_event_record(one) for one in waiting])
            for one in refused:
                # An event is a few hundred bytes; only odd topic settings lead here. The casebook has it.
                log.error("case_event_not_written", key=one.record.key.decode(), why=one.why)

        relay = Relay(casebook, publish_events, metrics, worker=worker)
        notary = await asyncio.to_thread(self._notary, casebook, publisher, metrics, worker)
        intake, reports = self._intakes(
            casebook, desk, metrics, publisher, dispatcher.bell, worker, clock.sure_now
        )

        def health() -> Health:
            if notary is not None and notary.broken:
                return Health(False, f"the audit chain is broken: {notary.broken}", {})
            found = progress.health(
                lag=intake.lag,
                clock_believed=clock.is_sure(),
                outbox_oldest_age_s=round(gauges.outbox_age_s, 1),
                inbox_oldest_age_s=round(gauges.inbox_age_s, 1),
            )
            if found.ok and gauges.inbox_age_s > STALE_S:
                return Health(False, f"an answer waits for {gauges.inbox_age_s:.0f} s", found.facts)
            return found

        servers: list[RunningServer] = []
        try:
            # Before anything is written or sent: the others' time.
            await asyncio.gather(intake.start(), reports.start(), listener.listen())
            servers.append(
                await serve(
                    receiver_app(casebook, bridge, metrics, answered=answers.bell, clock=clock.sure_now),
                    self.receiver_host,
                    self.receiver_port,
                    purpose="the receiver of answers",
                    sock=receiver_socket,
                )
            )
            servers.append(
                await serve_observability(
                    registry,
                    health,
                    host=self.observability_host,
                    port=self.observability_port,
                    process="notices",
                )
            )
            log.info(
                "ready",
                receiver=servers[0].url,
                observability=servers[1].url,
                platforms=sorted(desk.platforms),
                at=datetime.now(UTC).isoformat(),
            )
            outages = (
                *(CasebookUnavailable, KafkaError, offsets.OffsetTaken, MailboxUnavailable),
                *(ClockUnsure, TimeoutError),
            )
            steps = {
                "intake": intake.step,
                "reports": reports.step,
                "dispatcher": dispatcher.step,
                "answers": answers.step,
                "verifier": verifier.step,
                "poller": poller.step,
                "deadlines": clock.step,
                "listener": listener.step,
                "relay": relay.step,
                "gauges": gauges.step,
                "guards": keeper.step,
                "retention": Overdue(casebook, self.retention, metrics).step,
            }
            if notary is not None:
                steps["notary"] = notary.step
            steps |= self._mail_steps(casebook, bridge, metrics, answers.bell)
            parts = [
                asyncio.create_task(
                    keep_on(
                        name,
                        clock.careful(step) if name in BY_A_SURE_CLOCK else step,
                        outages=outages,
                        progress=progress,
                        metrics=metrics,
                    ),
                    name=name,
                )
                for name, step in steps.items()
            ]
            stop = asyncio.create_task(stopping.wait(), name="stop")
            done, _ = await asyncio.wait([stop, *parts], return_when=asyncio.FIRST_COMPLETED)
            log.info("stopping", because=sorted(task.get_name() for task in done))
            await _end([stop, *parts])
            await servers.pop(0).stop()
            await _at_rest(dispatcher, casebook)
            with contextlib.suppress(*outages):
                await _flush(relay, notary)
            _raise_what_ended_it(done)
        finally:
            for server in servers:
                await server.stop()
            await _within(asyncio.gather(intake.stop(), reports.stop()))

    def _intakes(
        self,
        casebook: Casebook,
        desk: Desk,
        metrics: NoticeMetrics,
        publisher: Publisher,
        queued: Bell,
        worker: str,
        now: Callable[[], datetime],
    ) -> tuple[TopicIntake[Detection, Taken], TopicIntake[Report, Became]]:
        """What brings verdicts, and what brings reports."""
        verdicts = detection_intake(
            casebook,
            desk,
            metrics,
            bootstrap=self.bootstrap,
            group=self.group,
            set_aside=publisher.set_aside,
            queued=queued,
            worker=worker,
            keys=self.privacy_keys,
            clock=now,
        )
        reports = report_intake(
            casebook,
            metrics,
            bootstrap=self.bootstrap,
            group=self.group,
            set_aside=publisher.set_aside,
            worker=worker,
            keys=self.privacy_keys,
            contacts=self.contacts,
            clock=now,
        )
        return verdicts, reports

    def _mail_steps(
        self, casebook: Casebook, bridge: Bridge, metrics: NoticeMetrics, answered: Bell
    ) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        config = self.mailbox
        if config is None:
            return {}
        if self.sender.test_mode:
            # Nothing of ours went out by mail, so what lies there is for the process that sends.
            log.warning("mailbox_not_read", why="test mode")
            return {}
        postman = postman_of(config, casebook, bridge, metrics)
        next_at = 0.0

        async def step() -> None:
            nonlocal next_at
            if time.monotonic() < next_at:
                await asyncio.sleep(1.0)  # a short step: the process shows that it goes on
                return
            found = await asyncio.to_thread(postman.round)
            if found.stored:
                answered.ring()
            if found.taken < config.at_once:
                next_at = time.monotonic() + config.poll_s

        return {"mail": step}

    def _notary(
        self, casebook: Casebook, publisher: Publisher, metrics: NoticeMetrics, worker: str
    ) -> Notary | None:
        if self.checkpoints is None:
            log.warning("audit_chain_not_signed", why="there is no audit key; see `takin audit key`")
            return None

        async def publish(checkpoint: AuditCheckpoint) -> None:
            for one in await publisher.write([_checkpoint_record(checkpoint)]):
                log.error("checkpoint_not_written", number=checkpoint.number, why=one.why)

        notary = Notary(
            casebook,
            load_key(self.checkpoints.key_file),
            CheckpointLog(self.checkpoints.log_file),
            publish,
            metrics,
            worker=worker,
            pace=self.checkpoints.pace,
        )
        notary.resume()
        return notary


async def _within(stopping: Awaitable[Any]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STOPS_WITHIN_S):
            await stopping


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel until it took: CPython 3.11's ``wait_for`` can lose a cancellation (bpo-37658)."""
    while going := [task for task in tasks if not task.done()]:
        for task in going:
            task.cancel()
        await asyncio.wait(going, timeout=1.0)
    await asyncio.gather(*tasks, return_exceptions=True)


def _raise_what_ended_it(done: Iterable[asyncio.Task[Any]]) -> None:
    for task in done:
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error


async def _at_rest(dispatcher: Dispatcher, casebook: Casebook) -> None:
    """At a stop: what is written after the last checkpoint would not be signed before the next start."""
    await dispatcher.drain(5.0)
    await _within(casebook.settled())


async def _flush(relay: Relay, notary: Notary | None) -> None:
    """At a stop: publish the events that wait, and sign what is not yet signed."""
    await relay.flush(3.0)
    if notary is not None:
        async with asyncio.timeout(3.0):
            await notary.flush()


def _agreed_limits(policies: Iterable[PlatformPolicy]) -> set[float]:
    """Every limit in seconds that a platform agreed to."""
    promises = [policy.sla for policy in policies if policy.sla is not None]
    limits = {limit for one in promises for limit in (one.acknowledge_s, one.decide_s, one.remove_s)}
    return {float(limit) for limit in limits if limit}


async def serve_until_signal(service: NoticeService) -> None:
    """Run the service until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stopping.set)
    await service.run(stopping)


def _event_record(event: events.Unpublished) -> Record:
    """A case event as it is written."""
    return Record(
        topic=CASE_EVENTS.name,
        key=event.case_id.encode(),
        value=event.body,
        headers=tuple(
            cloud_event_headers(
                event_id=event.event_id,
                source="takin/notices",
                event_type=f"takin.case.{event.type}.v1",
                at=event.at,
            )
        ),
    )


def _checkpoint_record(checkpoint: AuditCheckpoint) -> Record:
    """A checkpoint as it is written."""
    return Record(
        topic=AUDIT_CHECKPOINTS.name,
        key=checkpoint.key_id.encode(),
        value=checkpoint.to_bytes(),
        headers=tuple(
            cloud_event_headers(
                event_id=f"{checkpoint.key_id}/{checkpoint.number}",
                source="takin/notices",
                event_type="takin.audit-checkpoint.v1",
                at=checkpoint.at,
            )
        ),
    )
