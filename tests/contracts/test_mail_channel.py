"""The e-mail channel against a real local SMTP server, and against one that only pretends."""

import asyncio
import json
import ssl
import time
import tracemalloc
import unicodedata
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import xarf
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from connectors.channels.letter import letter
from connectors.errors import PlatformGone, PlatformRefused, PlatformUnavailable, UnreadableAnswer
from connectors.platform import Delivery, Platform, RawAnswer
from connectors.registry import PlatformConfig, build
from schemas.notice import Notice
from tests.contracts.test_platforms import tls  # noqa: F401 - a fixture
from tests.support.hostile import KEY, hostile_notices, many_items, notice

PASSWORD = "canary-password-012345"
TO = "abuse@bazaar.example"
FROM = "takin@monitor.example"


class Mailbox:
    """What a mail server was given, and how it answers."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.envelopes: list[tuple[str | None, tuple[str, ...]]] = []
        self.rcpt = "250 OK"
        self.data: list[str] = []
        """Answers to DATA, in order; ``lost`` takes the mail and hangs up, ``late`` answers too late."""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        way = self.data.pop(0) if self.data else "250 OK"
        if way[:1] in "2l":
            assert isinstance(envelope.original_content, bytes)
            self.taken.append(envelope.original_content)
            self.envelopes.append((envelope.mail_from, tuple(envelope.rcpt_tos)))
        if way == "lost":
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        if way == "late":
            await asyncio.sleep(1.0)
        return way if way[:1].isdigit() else "250 OK"

    @property
    def effects(self) -> set[str]:
        """Mails that a receiver can tell apart."""
        return {str(message_from_bytes(raw)["Message-ID"]).strip() for raw in self.taken}


def _who(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    good = data.password == PASSWORD.encode()
    return AuthResult(success=good, handled=False)


@asynccontextmanager
async def listening(factory: Callable[[], asyncio.Protocol]) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(factory, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0.05)


@asynccontextmanager
async def mail_server(box: Mailbox, **options: Any) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    async with listening(lambda: SMTP(box, hostname="mx.bazaar.example", loop=loop, **options)) as port:
        yield port


def made(port: int, *, options: dict[str, Any] | None = None, **changes: Any) -> Platform:
    config = PlatformConfig.model_validate(
        {
            "name": "bazaar",
            "kind": "email",
            "base_url": "https://bazaar.example",
            "private_address": True,
            "rate_per_s": 1_000,
            "timeouts": {"connect_s": 10, "read_s": 10, "total_s": 20},
            "mail": {"to": TO, "sender": FROM, "host": "127.0.0.1", "port": port, "tls": "none"}
            | {"to": [TO]}
            | (options or {}),
            **changes,
        }
    )
    return build(config, environment={"MAIL": PASSWORD})


def delivery(
    platform: Platform, sent: Notice | None = None, *, attempt: int = 1, timeout_s: float = 20.0
) -> Delivery:
    rendered = platform.render(sent or notice())
    return Delivery(KEY, rendered.body, rendered.content_type, attempt, timeout_s)


def parts(raw: bytes) -> dict[str, EmailMessage]:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert message.get_content_type() == "multipart/report"
    found = {}
    for part in message.iter_parts():
        assert isinstance(part, EmailMessage)
        found[part.get_filename() or part.get_content_type()] = part
    return found


# ---- sending ------------------------------------------------------------------------------------


async def test_a_real_server_gets_the_mail_and_it_loses_nothing() -> None:
    box = Mailbox()
    async with mail_server(box) as port:
        receipt = await made(port).submit(delivery(made(port)))

    assert (receipt.http_status, receipt.acknowledged, receipt.duplicate) == (250, False, False)
    assert box.envelopes == [(FROM, (TO,))]
    [raw] = box.taken
    read = parts(raw)
    assert list(read) == ["text/plain", "message/feedback-report", "xarf.json", "notice.json"]
    assert Notice.from_bytes(read["notice.json"].get_content()) == notice()
    assert xarf.parse(read["xarf.json"].get_content().decode()).report is not None
    fields: Any = read["message/feedback-report"].get_payload()
    [feedback] = fields
    assert (feedback["Feedback-Type"], feedback["Version"]) == ("other", "1")
    assert feedback["Reported-URI"] == notice().items[0].url
    message = message_from_bytes(raw, policy=policy.default)
    assert message["Content-Type"].params["report-type"] == "feedback-report"
    assert f"\r\nMessage-ID: <{KEY}@monitor.example>\r\n".encode() in raw


@pytest.mark.parametrize("way", ["lost", "late", "451 try later", "421 busy"])
async def test_each_key_has_one_effect(way: str) -> None:
    box = Mailbox()
    box.data = [way, way]
    async with mail_server(box) as port:
        changes = {"timeouts": {"connect_s": 10, "read_s": 0.5, "total_s": 20}} if way == "late" else {}
        platform = made(port, **changes)
        for attempt in (1, 2):
            with pytest.raises(PlatformUnavailable):
                await platform.submit(delivery(platform, attempt=attempt))
        await platform.submit(delivery(platform, attempt=3))

    assert box.effects == {f"<{KEY}@monitor.example>"}
    assert len(set(box.taken)) == 1


@pytest.mark.parametrize(
    ("where", "said", "error", "reason"),
    [
        ("rcpt", "550 no such mailbox", PlatformRefused, "not_found"),
        ("rcpt", "452 mailbox full", PlatformUnavailable, "throttled"),
        ("rcpt", "556 takes no mail", PlatformGone, "not_found"),
        ("data", "554 looks like spam", PlatformRefused, "refused"),
        ("data", "552 too large", PlatformRefused, "invalid"),
        ("data", "451 try later", PlatformUnavailable, "server_error"),
    ],
)
async def test_what_the_server_says_decides_what_happens_next(
    where: str, said: str, error: type[Exception], reason: str
) -> None:
    box = Mailbox()
    if where == "rcpt":
        box.rcpt = said
    else:
        box.data = [said]
    async with mail_server(box) as port:
        platform = made(port)
        with pytest.raises(error) as raised:
            await platform.submit(delivery(platform))

    assert getattr(raised.value, "reason", None) == reason
    assert getattr(raised.value, "http_status", None) == int(said[:3])
    assert isinstance(raised.value, PlatformGone) == (error is PlatformGone)
    assert box.taken == []


async def test_a_password_is_only_given_over_tls_and_a_wrong_one_is_told(
    tls: tuple[ssl.SSLContext, Path],  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    box = Mailbox()
    secure = {"tls_context": tls[0], "require_starttls": True, "authenticator": _who, "auth_required": True}
    login = {"tls": "starttls", "username": "takin"}
    async with mail_server(box, **secure) as port:
        platform = made(port, options=login, ca_file=str(tls[1]), api_key="env:MAIL")
        await platform.submit(delivery(platform))
        monkeypatch.setattr(f"{__name__}.PASSWORD", PASSWORD + "x")
        again = delivery(platform)
        with pytest.raises(PlatformRefused) as refusal:
            await platform.submit(again)
    assert (len(box.taken), refusal.value.reason) == (1, "unauthorised")
    assert "canary" not in str(refusal.value)


async def test_without_tls_where_it_is_wanted_nothing_is_sent(
    tls: tuple[ssl.SSLContext, Path],  # noqa: F811 - the fixture
) -> None:
    box = Mailbox()
    async with mail_server(box) as plain, mail_server(box, tls_context=tls[0]) as stranger:
        for port in (plain, stranger):
            platform = made(port, options={"tls": "starttls"})
            with pytest.raises((PlatformUnavailable, PlatformRefused)):
                await platform.submit(delivery(platform))

    assert box.taken == []


class _Rude(asyncio.Protocol):
    """Not a mail server at all."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        match self.way:
            case "hangs up":
                transport.close()
            case "resets":
                transport.abort()
            case "talks nonsense":
                transport.write(b"HTTP/1.1 200 OK\r\n\r\n")
            case "trickles" | "never ends":
                self.task = asyncio.get_running_loop().create_task(self._talk())

    async def _talk(self) -> None:
        while not self.transport.is_closing():
            if self.way == "trickles":
                self.transport.write(b"2")
                await asyncio.sleep(0.2)
            else:
                self.transport.write(b"220-still here " + b"x" * 60_000 + b"\r\n")
                await asyncio.sleep(0)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.task is not None:
            self.task.cancel()


@pytest.mark.parametrize(
    "way", ["hangs up", "resets", "says nothing", "talks nonsense", "trickles", "never ends"]
)
async def test_rudeness_ends_in_time_and_in_little_memory(way: str) -> None:
    async with listening(lambda: _Rude(way)) as port:
        platform = made(port, timeouts={"connect_s": 0.5, "read_s": 0.5, "total_s": 1.0})
        sent = delivery(platform, timeout_s=1.0)
        started = time.monotonic()
        tracemalloc.start()
        try:
            with pytest.raises(PlatformUnavailable):
                await platform.submit(sent)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert time.monotonic() - started < 10
    assert peak < 10_000_000


async def test_nobody_listening_is_told_as_such() -> None:
    async with listening(lambda: _Rude("hangs up")) as port:
        pass
    platform = made(port)

    with pytest.raises(PlatformUnavailable, match="connect"):
        await platform.submit(delivery(platform))


# ---- what is written ----------------------------------------------------------------------------


@pytest.mark.parametrize("sent", hostile_notices(), ids=lambda one: ascii(one.items[0].title)[:30])
async def test_hostile_text_stays_text(sent: Notice) -> None:
    box = Mailbox()
    async with mail_server(box) as port:
        platform = made(port, language="fr")
        await platform.submit(delivery(platform, sent))
        assert platform.render(sent) == platform.render(sent)

    [raw] = box.taken
    message = message_from_bytes(raw, policy=policy.default)
    assert raw.isascii()
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert message["Bcc"] is None
    assert message.keys().count("To") == 1
    assert message["To"] == TO
    read = parts(raw)
    assert len(read) == 4
    assert Notice.from_bytes(read["notice.json"].get_content()) == sent
    text = read["text/plain"].get_content().replace("\r\n", "\n")
    hidden = {"Cc", "Cf", "Zl", "Zp"}
    assert not [one for one in text if unicodedata.category(one) in hidden and one != "\n"]
    assert ("7*7" in sent.reasons) == ("7*7" in text)


async def test_the_letter_is_in_the_platform_s_language_and_english() -> None:
    text = parts(made(25, language="fr").render(notice()).body)["text/plain"].get_content()
    french, english = letter(notice(), ["fr"]), letter(notice(), ["en"])

    assert text.replace("\r\n", "\n") == letter(notice(), ["fr", "en"])
    assert "Emplacement exact" in french
    assert "Exact location" in english
    assert letter(notice(), ["fr-CA", "en"]).startswith(french.rstrip())


@pytest.mark.parametrize(
    "template",
    [
        "{{ notice.__class__.__mro__ }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ notice.nothing }}",
        "{% for x in range(999999999) %}{{ x }}{% endfor %}",
        "{{ 'x' * 300000 }}",
        "{% include '../../etc/passwd' %}",
        "{{ cycler.__init__.__globals__ }}",
        "{% if %}",
    ],
)
def test_a_template_can_do_nothing_but_write(template: str, tmp_path: Path) -> None:
    (tmp_path / "notice.en.txt.j2").write_text(template)

    with pytest.raises(PlatformRefused) as refusal:
        letter(notice(), ["en"], tmp_path)

    assert refusal.value.reason == "invalid"


def test_an_operator_s_own_text_comes_first_and_is_made_harmless_too(tmp_path: Path) -> None:
    (tmp_path / "notice.fr.txt.j2").write_text("Notre texte : {{ notice['items'][0].title }}")

    assert letter(notice(title="a\u202eb"), ["fr"], tmp_path) == "Notre texte : a[U+202E]b\n"


async def test_several_items_are_refused_because_xarf_takes_one() -> None:
    with pytest.raises(PlatformRefused, match="one item"):
        made(25).render(many_items(2))


# ---- what comes back ----------------------------------------------------------------------------


def bounce(action: str = "failed", *, about: bytes | None = None, people: tuple[str, ...] = (TO,)) -> bytes:
    returned = about if about is not None else made(25).render(notice()).body
    blocks = "".join(
        f"\r\nFinal-Recipient: rfc822; {one}\r\nAction: {action}\r\nStatus: 5.1.1\r\n"
        "Diagnostic-Code: smtp; 550 no such\r\n user\r\n"
        for one in people
    )
    return (
        b"From: MAILER-DAEMON@mx.example\r\nTo: takin@monitor.example\r\n"
        b"Subject: Undelivered\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/report; report-type=delivery-status; boundary="b1"\r\n\r\n'
        b"--b1\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        b"--b1\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n"
        + blocks.encode()
        + b"\r\n--b1\r\nContent-Type: message/rfc822\r\n\r\n"
        + returned
        + b"\r\n--b1--\r\n"
    )


def answered(raw: bytes) -> RawAnswer:
    return RawAnswer("bazaar", "m1", "email", notice().issued_at, raw)


def test_a_bounce_is_an_error_about_its_notice() -> None:
    raw = answered(bounce(people=(TO, "other@bazaar.example")))

    first, second = made(25).parse(raw)

    assert {first.kind, second.kind} == {"error"}
    assert first.idempotency_key == KEY
    assert first.outcome is None
    assert first.response_id != second.response_id
    assert "5.1.1 abuse@bazaar.example: smtp; 550 no such user" in str(first.explanation)
    assert made(25).parse(raw) == (first, second)


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded", "Delayed"])
def test_a_delay_or_a_delivery_is_no_answer(action: str) -> None:
    assert made(25).parse(answered(bounce(action))) == ()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "unmapped"),
        (b"From: a@b.example\r\nSubject: Re: Notice\r\n\r\nWe have removed it.", "unmapped"),
        (bounce("eaten"), "unmapped"),
        (bounce(about=b"Message-ID: <other@monitor.example>\r\n\r\n"), "wrong_shape"),
        (bounce(about=f"Message-ID: <{KEY}@evil.example>\r\n\r\n".encode()), "wrong_shape"),
        (
            bounce(
                about=f"Message-ID: <{KEY}@monitor.example>\r\n"
                f"References: <n1_{'b' * 52}@monitor.example>\r\n\r\n".encode()
            ),
            "wrong_shape",
        ),
        (b"x" * 5_000_000, "wrong_shape"),
        (b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n', "wrong_shape"),
    ],
)
def test_what_is_no_bounce_of_ours_is_never_guessed(raw: bytes, reason: str) -> None:
    with pytest.raises(UnreadableAnswer) as unreadable:
        made(25).parse(answered(raw))

    assert unreadable.value.reason == reason


def test_a_bounce_survives_json() -> None:
    [response] = made(25).parse(answered(bounce()))

    assert json.loads(response.to_bytes())["channel"] == "email"
