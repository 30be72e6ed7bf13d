"""``takin intake-mail``: a mailbox to which citizens forward offers; each mail becomes a report.

A mail is moved when Kafka has its report and its pictures are on the disk. Until then it stays where it is:
a kill at any moment files it once more under the same id, and the casebook takes each id once.
"""

import asyncio
import contextlib
import hashlib
import signal
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from connectors.channels.mail_report import LONGEST_REPORT, NoReport, Told, read_report_mail, report_of
from connectors.channels.report_answer import answer_mail, send
from connectors.errors import PlatformUnavailable, UnreadableAnswer
from connectors.intake_pictures import Kept, NoPicture
from connectors.mailbox import Mail, Mailbox, MailboxConfig, MailboxUnavailable, password_of
from connectors.observability import Progress, serve_observability
from connectors.publisher import KafkaAway, Publisher
from schemas.errors import OperatorError
from schemas.report import Report, ReportPicture
from streams.notices.casebook.filed import Allowance

log = structlog.get_logger(__name__)

KAFKA_WITHIN_S = 10.0
STALL_S = 300.0
ANSWERED = 10_000
"""Reports of which it is remembered that they were answered."""


class OpenMailbox(Protocol):
    """See :class:`connectors.mailbox.Mailbox`."""

    def waiting(self) -> Iterator[Mail]:
        """What is still to be done."""

    def done(self, uid: int) -> None:
        """It has been dealt with."""

    def set_aside(self, uid: int, reason: str) -> None:
        """Somebody must read it."""


@dataclass
class Flood:
    """How many reports are taken from one sender and from all, as the public form counts them. A start begins
    to count anew."""

    allowance: Allowance = field(default_factory=Allowance)
    _all: deque[datetime] = field(default_factory=deque)
    _of: dict[str, deque[datetime]] = field(default_factory=dict)

    def full(self, sender: str, now: datetime) -> bool:
        """Whether one more is too many now."""
        hour, day = now - timedelta(hours=1), now - timedelta(days=1)
        while self._all and self._all[0] <= hour:
            self._all.popleft()
        for name in [name for name, times in self._of.items() if times[-1] <= day]:
            del self._of[name]
        times = self._of.get(sender, deque())
        return (
            len(self._all) >= self.allowance.from_all_per_hour
            or sum(at > hour for at in times) >= self.allowance.from_one_per_hour
            or sum(at > day for at in times) >= self.allowance.from_one_per_day
        )

    def count(self, sender: str, now: datetime) -> None:
        """One was taken."""
        self._all.append(now)
        self._of.setdefault(sender, deque()).append(now)


@dataclass(frozen=True, slots=True)
class Round:
    """What one look into the mailbox brought."""

    filed: int = 0
    set_aside: int = 0


class ReportPost:
    """Empties a mailbox. Blocking: run it in a thread."""

    def __init__(
        self,
        mailbox: Callable[[], AbstractContextManager[OpenMailbox]],
        *,
        file: Callable[[Report], None],
        keep: Callable[[bytes], Kept],
        secret: bytes,
        clock: Callable[[], datetime],
        flood: Flood | None = None,
        answer: Callable[[Told, str], None] | None = None,
    ) -> None:
        """``file`` returns when the report is safe and raises :class:`KafkaAway` otherwise; ``keep`` draws a
        picture anew and raises :class:`NoPicture`; ``answer`` tells a sender the id and never raises."""
        self._mailbox = mailbox
        self._file = file
        self._keep = keep
        self._secret = secret
        self._clock = clock
        self._flood = flood or Flood()
        self._answer = answer
        self._answered: deque[str] = deque(maxlen=ANSWERED)

    def round(self) -> Round:
        """Deal with what is there, one mail after the other.

        Raises:
            MailboxUnavailable, KafkaAway, OSError: what is left is dealt with next time.
        """
        filed = aside = 0
        with self._mailbox() as mailbox:
            for mail in mailbox.waiting():
                taken = self._take(mail)
                if isinstance(taken, str):
                    log.warning("mail_set_aside", reason=taken, size=mail.size)
                    mailbox.set_aside(mail.uid, taken)
                    aside += 1
                    continue
                mailbox.done(mail.uid)
                filed += 1
                self._tell(*taken)
        return Round(filed, aside)

    def _tell(self, told: Told, report_id: str) -> None:
        """Once at most: the mail has been moved, and what is delivered twice is answered once."""
        if self._answer is not None and report_id not in self._answered:
            self._answered.append(report_id)
            self._answer(told, report_id)

    def _take(self, mail: Mail) -> str | tuple[Told, str]:
        """What it told and the id of its report, which is safe; or why somebody must read it."""
        if mail.raw is None:
            return "too_large"
        try:
            told = read_report_mail(mail.raw)
        except UnreadableAnswer:
            return "unreadable"
        except NoReport as error:
            return error.reason
        now = self._clock()
        if self._flood.full(told.sender, now):
            return "too_many"
        pictures = tuple(dict.fromkeys(one for content in told.pictures for one in self._kept(content)))
        report = report_of(told, pictures, secret=self._secret, raw=mail.raw, now=now)
        self._file(report)
        self._flood.count(told.sender, now)
        return told, report.report_id

    def _kept(self, content: bytes) -> Iterator[ReportPicture]:
        try:
            kept = self._keep(content)
        except NoPicture:
            return  # the words are a report without it, and the mail itself stays in its folder
        came = hashlib.sha256(content).hexdigest()
        yield ReportPicture(sha256=kept.sha256, came_sha256=came, size=kept.size)


def answering(
    config: MailboxConfig, password: SecretStr, loop: asyncio.AbstractEventLoop
) -> Callable[[Told, str], None]:
    """What answers by the mailbox file's mail server; an answer that cannot be sent is not sent later."""
    by = config.answers
    assert by is not None, "asked only where there is one"

    def answer(told: Told, report_id: str) -> None:
        if told.sender == by.sender.lower():
            return
        body = answer_mail(told, report_id, by, now=datetime.now(UTC))
        ca_file = str(config.ca_file) if config.ca_file else None
        sending = send(by, password, told.sender, body, ca_file=ca_file)
        try:
            asyncio.run_coroutine_threadsafe(sending, loop).result()
        except PlatformUnavailable as error:
            log.warning("report_not_answered", report_id=report_id, why=error.detail)

    return answer


async def serve(
    config: MailboxConfig,
    publisher: Publisher,
    keep: Callable[[bytes], Kept],
    secret: bytes,
    *,
    seal: Callable[[Report], Report],
    once: bool,
    host: str,
    port: int,
) -> Round:
    """Read the mailbox until SIGTERM or SIGINT, or once; returns what came in all. ``seal`` encrypts who
    wrote.

    Raises:
        OperatorError: the password is missing, the port is taken, or with ``once``: the mailbox or Kafka is
            away.
    """
    password = password_of(config)
    loop = asyncio.get_running_loop()

    def file(report: Report) -> None:
        written = publisher.accept(reports=[seal(report)], within_s=KAFKA_WITHIN_S)
        asyncio.run_coroutine_threadsafe(written, loop).result()

    post = ReportPost(
        lambda: Mailbox(config, password, longest=LONGEST_REPORT),
        file=file,
        keep=keep,
        secret=secret,
        clock=lambda: datetime.now(UTC),
        answer=answering(config, password, loop) if config.answers else None,
    )
    progress = Progress()
    progress.expect("mailbox", within_s=config.poll_s + STALL_S)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    served = await serve_observability(
        CollectorRegistry(), progress.health, host=host, port=port, process="takin intake-mail"
    )
    total = Round()
    try:
        while not stopping.is_set():
            try:
                found = await asyncio.to_thread(post.round)
            except (MailboxUnavailable, KafkaAway, OSError) as error:
                if once:
                    raise OperatorError(
                        f"Mail was left where it is: {type(error).__name__}: {error}."
                    ) from error
                log.warning("mail_left_where_it_is", why=type(error).__name__)
            else:
                progress.moved("mailbox")
                total = Round(total.filed + found.filed, total.set_aside + found.set_aside)
                if found.filed or found.set_aside:
                    log.info("mail_taken", filed=found.filed, set_aside=found.set_aside)
                    continue  # there may be more than one look takes
            if once:
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), config.poll_s)
    finally:
        await served.stop()
    return total
