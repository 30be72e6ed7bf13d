"""A mailbox whose mails become reports: real IMAP, real Kafka, and nothing is moved before Kafka has it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path

import pytest
import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session
from pydantic import SecretStr
from structlog.testing import LogCapture

from connectors.channels.mail_report import LONGEST_REPORT, read_report_mail
from connectors.mailbox import Mailbox
from connectors.publisher import KafkaAway, Publisher, TopicNames
from schemas.report import Report, reference
from streams.connect import report_mail
from streams.connect.intake_process import PictureKeeper
from streams.connect.process import utc_now
from streams.connect.report_mail import Flood, ReportPost, Round, answering
from streams.notices.casebook.filed import Allowance
from streams.notices.evidence import EvidenceStore
from tests.support.broker import Broker, MakeTopic, read_all
from tests.support.imap import PASSWORD, ImapServer, ImapUser
from tests.support.pictures import drawn, encoded

PICTURE = encoded(drawn(1, 400, 500))


def mail(number: int, **headers: str) -> EmailMessage:
    made = EmailMessage()
    named = {"From": f"kim{number}@mail.example", "Message-ID": f"<{number}@mail.example>"}
    for name, value in {**named, "Subject": "Ivory?", **headers}.items():
        made[name.replace("_", "-")] = value
    made.set_content(f"Number {number}: https://m.example/{number}")
    return made


def post_of(
    user: ImapUser, evidence: EvidenceStore, file: Callable[[Report], None], **more: object
) -> ReportPost:
    config = user.config()
    return ReportPost(
        lambda: Mailbox(config, SecretStr(PASSWORD), longest=LONGEST_REPORT),
        file=file,
        keep=PictureKeeper(evidence).keep_now,
        secret=b"secret",
        clock=utc_now,
        **more,  # type: ignore[arg-type]
    )


async def test_each_mail_becomes_a_report_with_its_pictures_or_is_set_aside(
    broker: Broker, make_topic: MakeTopic, imap: ImapServer, tmp_path: Path
) -> None:
    names = TopicNames(
        await make_topic("listings"), await make_topic("reports"), await make_topic("dead-letters")
    )
    user, evidence = imap.user(), EvidenceStore(tmp_path)
    pictured = mail(1)
    pictured.add_attachment(PICTURE, "image", "jpeg", filename="a.jpg")
    pictured.add_attachment(b"GIF89a, no picture", "image", "jpeg", filename="b.jpg")
    large = mail(2)
    large.add_attachment(encoded(drawn(2)) + bytes(5 * 1024 * 1024), "image", "jpeg", filename="c.jpg")
    user.put(
        *(one.as_bytes() for one in (pictured, large, pictured)),
        mail(3, Auto_Submitted="auto-replied").as_bytes(),
        b"\0\xff not a mail",
    )
    loop = asyncio.get_running_loop()
    async with Publisher(broker.bootstrap, now=utc_now, topics=names) as publisher:

        def file(report: Report) -> None:
            asyncio.run_coroutine_threadsafe(publisher.accept(reports=[report], within_s=10), loop).result()

        found = await asyncio.to_thread(post_of(user, evidence, file).round)

    assert found == Round(filed=3, set_aside=2)
    written = [Report.from_bytes(one.value or b"") for one in await read_all(broker.bootstrap, names.reports)]
    by_url = {one.url: one for one in written}
    assert sorted(by_url) == ["https://m.example/1", "https://m.example/2"]
    # The one that came twice has one id, which the casebook takes once.
    assert (len(written), len({one.report_id for one in written})) == (3, 2)
    assert [len(one.kept) for one in by_url.values()] == [1, 1]
    assert all(evidence.get(sha256)[:3] == b"\xff\xd8\xff" for one in written for sha256 in one.kept)
    assert user.folder("INBOX") == []
    assert len(user.folder("Takin-done")) == 3
    flags = b" ".join(flag for _, flags in user.folder("Takin-aside") for flag in flags)
    assert b"takin-automatic" in flags


def test_a_mail_stays_where_it_is_until_kafka_has_its_report(imap: ImapServer, tmp_path: Path) -> None:
    user, evidence = imap.user(), EvidenceStore(tmp_path)
    user.put(mail(1).as_bytes(), mail(2).as_bytes())
    taken: list[str] = []

    def file(report: Report) -> None:
        if len(taken) == 1:
            raise KafkaAway("away")
        taken.append(report.report_id)

    with pytest.raises(KafkaAway):
        post_of(user, evidence, file).round()
    assert (len(user.folder("INBOX")), len(user.folder("Takin-done"))) == (1, 1)

    again: list[str] = []
    post_of(user, evidence, lambda report: again.append(report.report_id)).round()
    assert len(again) == 1
    assert again != taken
    assert len(user.folder("Takin-done")) == 2


def test_a_flood_from_one_sender_is_set_aside_and_others_are_taken(imap: ImapServer, tmp_path: Path) -> None:
    user, evidence = imap.user(), EvidenceStore(tmp_path)
    flood = Flood(Allowance(from_one_per_hour=2))
    user.put(*(mail(number, From="eve@mail.example").as_bytes() for number in range(5) if number))
    user.put(mail(9).as_bytes())
    taken: list[Report] = []

    found = post_of(user, evidence, taken.append, flood=flood).round()

    assert found == Round(filed=3, set_aside=2)
    assert [one.url[-1] for one in taken] == ["1", "2", "9"]
    assert all(b"takin-too_many" in flags for _, flags in user.folder("Takin-aside"))
    assert flood.full("eve@mail.example", utc_now())
    assert not flood.full("eve@mail.example", utc_now() + timedelta(hours=1, seconds=5))


async def test_who_reports_is_told_the_reference_once_and_nothing_of_what_came(
    imap: ImapServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, evidence, server = imap.user(), EvidenceStore(tmp_path), _MailServer()
    async with server.running() as port:
        config = user.config(
            answers={
                **{"sender": "Report@monitor.example", "host": "127.0.0.1", "port": port, "tls": "none"},
                "follow_at": "https://desk.example/report/en/follow",
            }
        )
        user.put(
            *(mail(number, From=sender).as_bytes() for number, sender in ((1, "kim@mail.example"),) * 2),
            mail(2, From="report@monitor.example").as_bytes(),
            mail(3, Auto_Submitted="auto-replied").as_bytes(),
        )
        taken: list[Report] = []
        answer = answering(config, SecretStr(PASSWORD), asyncio.get_running_loop())
        await asyncio.to_thread(post_of(user, evidence, taken.append, answer=answer).round)
    logged, whole = LogCapture(), structlog.make_filtering_bound_logger("debug")
    monkeypatch.setattr(
        report_mail, "log", structlog.wrap_logger(None, processors=[logged], wrapper_class=whole)
    )
    await asyncio.to_thread(answer, read_report_mail(mail(4).as_bytes()), "r_" + "A" * 20)

    # An answer that cannot be sent stops nothing, and is told.
    assert [line["event"] for line in logged.entries] == ["report_not_answered"]
    assert len(taken) == 3
    [(sender, recipients, content)] = server.taken
    said = message_from_bytes(content)
    assert (sender, recipients) == ("<>", ["kim@mail.example"])
    assert (said["Auto-Submitted"], said["In-Reply-To"]) == ("auto-replied", "<1@mail.example>")
    assert reference(taken[0].report_id).encode() in content
    assert b"m.example/1" not in content
    assert b"Ivory" not in content


class _MailServer:
    """Takes mail."""

    def __init__(self) -> None:
        self.taken: list[tuple[str | None, list[str], bytes]] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.original_content, bytes)
        self.taken.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.original_content))
        return "250 OK"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(lambda: SMTP(self, hostname="mail", loop=loop), "127.0.0.1", 0)
        try:
            yield listening.sockets[0].getsockname()[1]
        finally:
            listening.close()
