"""Answers by mail: sent over real SMTP, answered into a real IMAP mailbox, read into the casebook."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from connectors.channels.mail_reading import LONGEST
from connectors.guard_config import Fallback
from connectors.mailbox import ASIDE, DONE, Mailbox, MailboxUnavailable, load_mailbox, password_of
from connectors.registry import PlatformConfig, build
from schemas.errors import OperatorError
from streams.notices import handlers
from streams.notices.answers import Answers
from streams.notices.bridge import Bridge, policy_of
from streams.notices.casebook import cases, deadlines, events, figures, inbox, outbox
from streams.notices.casebook.database import Casebook
from streams.notices.loops import Bell
from streams.notices.metrics import NoticeMetrics
from streams.notices.post.postman import Postman, Round
from streams.notices.sender import demonstration_sender
from streams.reports.sla import report
from tests.contracts.test_mail_channel import Mailbox as SmtpBox
from tests.contracts.test_mail_channel import mail_server
from tests.support.imap import PASSWORD, ImapServer, ImapUser
from tests.support.notices import LAW, SLA, make_detection

SECRET = "whsec_" + "c2hv" * 10
ANSWERS = {
    "version": "2026-1",
    "rows": [
        {"says": "Ticket solved: offer deleted", "kind": "decision", "outcome": "actioned_removed"},
        {"says": "Ticket closed without action", "kind": "decision", "outcome": "refused_lawful"},
    ],
}


@dataclass
class Bench:
    """A notice that was sent by mail, and the mailbox to which answers come."""

    casebook: Casebook
    bridge: Bridge
    user: ImapUser
    sent: EmailMessage
    envelope: str
    notice_id: str
    key: str

    def __post_init__(self) -> None:
        self.metrics = NoticeMetrics(CollectorRegistry())

    def reply(self, text: str = "REMOVED", *, to: str | None = None, **headers: str) -> bytes:
        """A desk's answer, as a mail program writes it."""
        mail = EmailMessage()
        fields = {
            "From": "Abuse desk <abuse@bazaar.example>",
            "To": to or str(self.sent["Reply-To"]),
            "Subject": "Re: " + str(self.sent["Subject"]),
            "In-Reply-To": str(self.sent["Message-ID"]),
            "Message-ID": "<answer-1@bazaar.example>",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        for name, value in fields.items():
            mail[name] = value
        quoted = "> Please answer to this mail\n> REMOVED\n> KEPT\n"
        mail.set_content(f"{text}\n\nOn Monday, Takin wrote:\n{quoted}")
        return mail.as_bytes(policy=policy.SMTP)

    def read(self, *mails: bytes, mailbox: Callable[[], AbstractContextManager[Any]] | None = None) -> Round:
        self.user.put(*mails)
        config = self.user.config()
        password = password_of(config, {"IMAP_PASSWORD": PASSWORD})
        postman = Postman(
            self.casebook,
            self.bridge,
            self.metrics,
            mailbox or (lambda: Mailbox(config, password)),
            clock=lambda: datetime.now(UTC),
        )
        return postman.round()

    async def apply(self, *mails: bytes) -> figures.ItemTimes:
        """Read them, apply what they say, and tell how the one item stands."""
        await asyncio.to_thread(self.read, *mails)
        await Answers(self.casebook, self.bridge, self.metrics, changed=Bell()).drain()
        [item] = self.casebook.answer(figures.item_times)
        return item

    def aside(self) -> list[str]:
        """The reasons of what was set aside."""
        flags = [flag.decode() for _, found in self.user.folder(ASIDE) for flag in found]
        return sorted(flag.removeprefix("takin-") for flag in flags if flag.startswith("takin-"))

    def quarantined(self) -> int:
        return self.casebook.answer(inbox.counts).get("quarantined", (0, None))[0]

    def event_types(self) -> list[str]:
        with self.casebook.read() as tx:
            [item] = cases.items_of_notice(tx, self.notice_id)
            return [event.type for event in events.of_case(tx, item.case_id)]


def config_of(port: int, **mail: Any) -> PlatformConfig:
    return PlatformConfig.model_validate(
        {
            "name": "market",
            "kind": "email",
            "base_url": "https://market.example",
            "private_address": True,
            "secret": "env:MAIL_SECRET",
            "mail": {
                "to": ["abuse@bazaar.example"],
                "sender": "takin@monitor.example",
                "host": "127.0.0.1",
                "port": port,
                "tls": "none",
                "answers": ANSWERS,
                **mail,
            },
        }
    )


@pytest.fixture
def mail() -> dict[str, Any]:
    return {}


@pytest.fixture
def folder() -> str | None:
    """Of the platform's other channel, under the test's own; absent: it has none."""
    return None


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty casebook to copy."""
    file = tmp_path_factory.mktemp("empty") / "casebook.db"
    Casebook.open(f"sqlite:///{file}").close()
    return file


@pytest.fixture
async def bench(
    empty: Path, tmp_path: Path, imap: ImapServer, mail: dict[str, Any], folder: str | None
) -> AsyncIterator[Bench]:
    shutil.copy(empty, tmp_path / "casebook.db")
    casebook = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}", migrate=False)
    box = SmtpBox()
    async with mail_server(box) as port:
        config = config_of(port, **mail)
        if folder is not None:
            other = Fallback(kind="desk", folder=tmp_path / folder)
            config = config.model_copy(update={"fallback": other, "api_key": ()})
        bridge = Bridge(
            {"market": build(config, environment={"MAIL_SECRET": SECRET})},
            fallbacks={"market": build(config.by_fallback())} if config.fallback else {},
        )
        desk = handlers.Desk(
            {"market": replace(policy_of(config), sla=SLA)},
            demonstration_sender(reply_base=None),
            LAW,
            bridge.render,
        )
        now = datetime.now(UTC)
        taken = casebook.decide(handlers.take_detection, make_detection(), desk, now=now)
        assert taken.notice_id is not None, taken
        [leased] = casebook.decide(
            handlers.start_attempts,
            slots={"market": 1},
            now=now,
            hold_for=timedelta(seconds=30),
            worker="w",
            desk=desk,
        )
        result, accepted = await bridge.deliver(leased, 10.0)
        assert accepted is not None, result
        casebook.decide(handlers.delivered, leased, result, accepted, desk, now=datetime.now(UTC))
    [raw] = box.taken
    [(envelope, _)] = box.envelopes
    sent = message_from_bytes(raw, policy=policy.default)
    assert isinstance(sent, EmailMessage)
    yield Bench(casebook, bridge, imap.user(), sent, str(envelope), taken.notice_id, leased.idempotency_key)
    await bridge.aclose()
    casebook.close()


async def test_an_answer_is_read_mapped_and_moved(bench: Bench) -> None:
    assert bench.envelope == bench.sent["Reply-To"] != "takin@monitor.example"
    item = await bench.apply(bench.reply("Removed.\nThank you."))

    assert (item.claim, item.outcome) == ("removed", "actioned_removed")
    assert item.decided_at is not None
    assert (bench.user.folder("INBOX"), len(bench.user.folder(DONE)), bench.aside()) == ([], 1, [])


@pytest.mark.parametrize(
    ("text", "claim", "outcome"),
    [
        ("RECEIVED", "receipted", None),
        ("Retirée", "removed", "actioned_removed"),
        ("已删除。", "removed", "actioned_removed"),
        ("Bleibt\nDas Angebot ist aus Kunststoff.", "refused", "refused_lawful"),
        ("câu hỏi", "need_info", "need_info"),
        ("NOT HOSTED", "refused", "refused_not_hosted"),
        ("Dear all,\n\nTicket solved:  OFFER deleted.\n\nYours", "removed", "actioned_removed"),
    ],
)
async def test_the_words_that_were_asked_for_and_the_desk_s_own_lines_count(
    bench: Bench, text: str, claim: str, outcome: str | None
) -> None:
    item = await bench.apply(bench.reply(text))

    assert (item.claim, item.outcome) == (claim, outcome)
    assert item.acknowledged_at is not None


@pytest.mark.parametrize(
    "text",
    [
        "We have removed it.",
        "It was not REMOVED",
        "Thank you.\nREMOVED",
        "REMOVED\nTicket closed without action",
        "",
        "KEPT REMOVED",
    ],
)
async def test_what_is_not_in_the_table_is_kept_and_never_guessed(bench: Bench, text: str) -> None:
    item = await bench.apply(bench.reply(text))

    assert (item.claim, item.decided_at) == ("none", None)
    assert bench.quarantined() == 1
    assert len(bench.user.folder(DONE)) == 1  # the casebook has it, with its bytes


async def test_an_automaton_s_reply_is_a_receipt_at_most(bench: Bench) -> None:
    item = await bench.apply(bench.reply("REMOVED", Auto_Submitted="auto-replied"))

    assert (item.claim, item.decided_at) == ("receipted", None)


async def test_a_reply_in_html_alone_is_read(bench: Bench) -> None:
    mail = EmailMessage()
    mail["To"], mail["From"] = str(bench.sent["Reply-To"]), "abuse@bazaar.example"
    mail.set_content("<p>Removed</p><script>KEPT</script><blockquote>KEPT</blockquote>", subtype="html")

    item = await bench.apply(mail.as_bytes(policy=policy.SMTP))

    assert item.outcome == "actioned_removed"


async def test_the_same_mail_twice_changes_nothing_more(bench: Bench) -> None:
    mail = bench.reply()
    await bench.apply(mail)
    before = bench.event_types()
    again = await asyncio.to_thread(bench.read, mail)
    await bench.apply(b"Received: from another.example by us\r\n" + mail)

    assert (again.stored, again.repeated) == (0, 1)
    assert bench.event_types() == before


def forged(bench: Bench) -> dict[str, bytes]:
    address = str(bench.sent["Reply-To"])
    local, _, domain = address.partition("@")
    other = local[:-1] + ("a" if local[-1] != "a" else "b")
    proof = local.rpartition(".")[2]
    return {
        "forged": bench.reply(to=f"{other}@{domain}"),
        "no_reference": bench.reply(to="takin@monitor.example"),
        "several_references": bench.reply(to=f"{address}, takin+{'a' * 20}.{proof}@{domain}"),
        "unknown_notice": bench.reply(to=f"takin+{'a' * 20}.{proof}@{domain}"),
        "too_large": bench.reply("x" * 70 + "\n" + ("y" * 70 + "\n") * (LONGEST // 70)),
        "unreadable": nested(address, 40),
    }


def nested(address: str, depth: int) -> bytes:
    raw = f"To: {address}\r\nFrom: abuse@bazaar.example\r\n".encode()
    for number in range(depth):
        raw += f'Content-Type: multipart/mixed; boundary="b{number}"\r\n\r\n--b{number}\r\n'.encode()
    return raw + b"Content-Type: text/plain\r\n\r\nREMOVED\r\n"


@pytest.mark.parametrize(
    "reason",
    ["forged", "no_reference", "several_references", "unknown_notice", "too_large", "unreadable"],
)
async def test_what_anybody_could_have_sent_is_set_aside_with_its_reason(bench: Bench, reason: str) -> None:
    good = bench.reply()
    item = await bench.apply(forged(bench)[reason], good)

    # Whatever lies beside it is read all the same.
    assert item.outcome == "actioned_removed"
    assert bench.aside() == [reason]
    assert bench.user.folder("INBOX") == []


async def test_a_hostile_mail_alone_changes_nothing(bench: Bench) -> None:
    item = await bench.apply(*forged(bench).values())

    assert (item.claim, item.acknowledged_at) == ("none", None)
    assert bench.aside() == sorted(forged(bench))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff\xfe",
        b"no header at all",
        b"To: x\r\n" * 2_000,
        b"Content-Type: message/rfc822\r\n\r\n" * 20_000,
        b'Content-Type: multipart/mixed; boundary=""\r\n\r\n----\r\n',
        b"To: =?utf-8?b?!!!?=\r\nDate: never\r\nContent-Type: text/plain; charset=nonsense\r\n\r\n\xff",
        b"Content-Transfer-Encoding: base64\r\nContent-Type: text/plain\r\n\r\n!!!!",
    ],
    ids=lambda raw: f"{len(raw)} {raw[:30]!a}",
)
async def test_malformed_mail_is_set_aside(bench: Bench, raw: bytes) -> None:
    item = await bench.apply(raw or b"\r\n")

    assert item.claim == "none"
    assert bench.aside() in (["unreadable"], ["no_reference"])


@pytest.mark.parametrize("mail", [{"answer_domains": ["bazaar.example"]}])
async def test_a_stranger_who_got_hold_of_the_address_is_set_aside(bench: Bench) -> None:
    item = await bench.apply(
        bench.reply(From="seller@elsewhere.example"),
        bench.reply(From="seller@notbazaar.example"),
        bench.reply(From="abuse@bazaar.example, seller@elsewhere.example"),
    )
    assert (item.claim, bench.aside()) == ("none", ["stranger"] * 3)

    item = await bench.apply(bench.reply(From="desk@help.bazaar.example"))
    assert item.claim == "removed"


def notification(bench: Bench, action: str = "failed") -> bytes:
    returned = str(bench.sent["Message-ID"])
    return (
        f"From: MAILER-DAEMON@mx.example\r\nTo: {bench.envelope}\r\nReturn-Path: <>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b1"\r\n\r\n'
        "--b1\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        "--b1\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
        f"Final-Recipient: rfc822; abuse@bazaar.example\r\nAction: {action}\r\nStatus: 5.1.1\r\n\r\n"
        f"--b1\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {returned}\r\n\r\n--b1--\r\n"
    ).encode()


async def test_a_bounce_makes_the_delivery_a_failed_one_and_no_desk_is_late(bench: Bench) -> None:
    item = await bench.apply(notification(bench))

    assert (item.delivery, item.acknowledged_at, item.claim) == ("failed_permanent", None, "none")
    assert "delivery_failed" in bench.event_types()
    with bench.casebook.read() as tx:
        [row] = cases.items_of_notice(tx, bench.notice_id)
        assert {one.state for one in deadlines.of_item(tx, row.notice_id, row.case_id)} == {"cancelled"}
        assert [(one.state, one.count) for one in outbox.waiting(tx)] == [("dead", 1)]
    [figures_there] = report([item], now=datetime.now(UTC)).platforms
    assert [figures_there.counts[name] for name in ("sent", "undeliverable", "still_open")] == [0, 1, 0]
    assert bench.casebook.decide(outbox.requeue, bench.key, now=datetime.now(UTC))


async def deliver_what_waits(bench: Bench, config: PlatformConfig) -> None:
    """What the dispatcher does, once."""
    bridge = Bridge({"market": build(config, environment={"MAIL_SECRET": SECRET})})
    desk = handlers.Desk(
        {"market": policy_of(config)}, demonstration_sender(reply_base=None), LAW, bridge.render
    )
    [leased] = bench.casebook.decide(
        handlers.start_attempts,
        slots={"market": 9},
        now=datetime.now(UTC),
        hold_for=timedelta(seconds=30),
        worker="w",
        desk=desk,
    )
    result, accepted = await bridge.deliver(leased, 10.0)
    await bridge.aclose()
    assert accepted is not None, result
    bench.casebook.decide(handlers.delivered, leased, result, accepted, desk, now=datetime.now(UTC))


async def test_what_the_desk_asked_for_is_written_into_its_thread(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.apply(bench.reply("NEED MORE INFORMATION\nWhich picture?"))
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'casebook.db'}")
    monkeypatch.setenv("MAIL_SECRET", SECRET)
    with bench.casebook.read() as tx:
        reference = cases.notice_by_id(tx, bench.notice_id).human_reference
    box, words = SmtpBox(), "The second: 象牙 \u202e\r\nBcc: all@elsewhere.example\n.\n"
    async with mail_server(box) as port:
        platform = config_of(port).model_dump(mode="json", exclude_defaults=True)
        (tmp_path / "platforms.yaml").write_text(yaml.safe_dump({"platforms": [platform]}))
        options = ("--platforms", str(tmp_path / "platforms.yaml"), "--as", "analyst")
        done = [
            await asyncio.to_thread(takin, "notices", "inform", reference, words, *options) for _ in range(2)
        ]
        assert [one.returncode for one in done] == [0, 0], done[0].stderr
        await deliver_what_waits(bench, config_of(port))

    [raw] = box.taken
    [(envelope, _)] = box.envelopes
    first = message_from_bytes(raw, policy=policy.default)
    assert isinstance(first, EmailMessage)
    # A bounce of it comes to the notice's own address.
    assert envelope == bench.envelope
    assert first["In-Reply-To"] == bench.sent["Message-ID"]
    assert first["Message-ID"] != bench.sent["Message-ID"]
    assert first["Reply-To"] == bench.sent["Reply-To"]
    assert (first["Bcc"], first["To"]) == (None, "abuse@bazaar.example")
    assert reference in first["Subject"]
    text = first.get_content()
    assert "象牙 [U+202E]" in text
    assert "\nBcc: all@elsewhere.example" in text
    assert bench.event_types().count("information_given") == 1

    # And what they then decide comes back by the same way.
    answer = bench.reply(
        "REMOVED", In_Reply_To=str(first["Message-ID"]), Message_ID="<answer-2@bazaar.example>"
    )
    item = await bench.apply(answer)
    assert item.outcome == "actioned_removed"


@pytest.mark.parametrize("folder", ["by-telephone"])
async def test_a_letter_that_came_back_goes_the_platform_s_other_way(bench: Bench, tmp_path: Path) -> None:
    item = await bench.apply(notification(bench))
    again = await bench.apply(notification(bench).replace(b"5.1.1", b"5.2.1"))

    assert (item.delivery, again.delivery) == ("fallback_channel", "fallback_channel")
    with bench.casebook.read() as tx:
        entries = outbox.of_notice(tx, bench.notice_id)
    assert [(one.purpose, one.state) for one in entries] == [(None, "dead"), ("fallback", "queued")]
    [leased] = bench.casebook.decide(
        outbox.lease,
        slots={},
        other={"market": 9},
        now=datetime.now(UTC),
        hold_for=timedelta(seconds=9),
        worker="w",
    )
    result, _ = await bench.bridge.deliver(leased, 10.0)
    assert result.result == "accepted"
    [laid] = (tmp_path / "by-telephone").glob("n1_*.json")
    assert laid.stem == bench.key


async def test_a_delay_or_a_bounce_after_an_answer_fails_nothing(bench: Bench) -> None:
    item = await bench.apply(notification(bench, "delayed"))
    assert item.delivery == "accepted"

    await bench.apply(bench.reply("RECEIVED"))
    item = await bench.apply(notification(bench))
    assert (item.delivery, item.claim) == ("accepted", "receipted")


async def test_a_feedback_report_is_no_answer_of_the_desk(bench: Bench) -> None:
    feedback = (
        f"From: fbl@isp.example\r\nTo: {bench.envelope}\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b1"\r\n\r\n'
        "--b1\r\nContent-Type: text/plain\r\n\r\nREMOVED\r\n"
        "--b1\r\nContent-Type: message/feedback-report\r\n\r\n"
        "Feedback-Type: abuse\r\nUser-Agent: x/1\r\nVersion: 1\r\n\r\n--b1--\r\n"
    ).encode()

    item = await bench.apply(feedback)

    assert (item.delivery, item.acknowledged_at, item.claim) == ("accepted", None, "none")
    assert bench.event_types()[-1] == "answer_noted"


async def test_a_stop_between_keeping_and_moving_loses_nothing(bench: Bench) -> None:
    class Dies(Mailbox):
        def done(self, uid: int) -> None:
            raise MailboxUnavailable("the connection is gone")

    config = bench.user.config()
    password = password_of(config, {"IMAP_PASSWORD": PASSWORD})
    with pytest.raises(MailboxUnavailable):
        await asyncio.to_thread(bench.read, bench.reply(), mailbox=lambda: Dies(config, password))
    assert len(bench.user.folder("INBOX")) == 1

    again = await asyncio.to_thread(bench.read)

    assert (again.repeated, bench.user.folder("INBOX")) == (1, [])


async def test_a_mail_server_that_is_away_or_refuses_us_is_told(bench: Bench, tmp_path: Path) -> None:
    for changes, password in (({"port": 1}, PASSWORD), ({}, "wrong")):
        config = bench.user.config(**changes)
        secret = password_of(config, {"IMAP_PASSWORD": password})
        with pytest.raises(MailboxUnavailable) as told, Mailbox(config, secret):
            pass
        assert "canary" not in str(told.value)
    for text in (
        "host: h",
        "host: h\nusername: u\npassword: plain",
        "host: mx.example\nusername: u\npassword: env:X\ntls: none",
    ):
        (tmp_path / "mailbox.yaml").write_text(text)
        with pytest.raises(OperatorError, match=r"mailbox\.yaml"):
            load_mailbox(tmp_path / "mailbox.yaml")


async def test_the_command_reads_applies_and_says_it(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'casebook.db'}")
    monkeypatch.setenv("IMAP_PASSWORD", PASSWORD)
    monkeypatch.setenv("MAIL_SECRET", SECRET)
    files = {name: tmp_path / f"{name}.yaml" for name in ("mailbox", "platforms")}
    files["mailbox"].write_text(
        yaml.safe_dump(bench.user.config().model_dump(mode="json", exclude_none=True))
    )
    platform = config_of(25).model_dump(mode="json", exclude_defaults=True)
    files["platforms"].write_text(yaml.safe_dump({"platforms": [platform]}))
    bench.user.put(bench.reply(), bench.reply(to="takin@monitor.example"))
    options = [one for name, file in files.items() for one in (f"--{name}", str(file))]

    done = await asyncio.to_thread(takin, "notices", "mail", "--once", *options)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] + "\n" == "1 stored, 0 repeated, 1 set aside\n"
    [item] = bench.casebook.answer(figures.item_times)
    assert item.outcome == "actioned_removed"


def takin(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "streams.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
