"""Receivers with a memory, one of each kind that can be talked to over a network.

Each takes a notice as its kind does, keeps a journal of every request with the time, and lets a test
decide what it then *says*. Most faults here are the hard ones: the notice is taken, and the sender is
told something else, or nothing. The journal is the oracle; nothing of the product is asked.
"""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.contracts.rude_server import Asked, Manners, answer, rude_server

DATA = Path(__file__).parent.parent / "data" / "platforms"
OWN_DID = json.loads((DATA / "atproto" / "session.json").read_bytes())["did"]
AT = "2026-03-09T08:01:13Z"


@dataclass
class Journal:
    """What one receiver has seen and done."""

    calls: list[float] = field(default_factory=list)
    """When each request or connection came (monotonic seconds), whatever it wanted."""
    tries: int = 0
    """Times that the notice was brought."""
    effects: dict[str, str] = field(default_factory=dict)
    """Matters on the desk, as the receiver tells one from another, each with its own reference."""
    bodies: set[bytes] = field(default_factory=set)

    def take(self, matter: str) -> str:
        """Put a matter on the desk, unless it is there already; its reference."""
        return self.effects.setdefault(matter, f"{len(self.effects) + 42}")


@dataclass(frozen=True)
class Fault:
    """How the first tries to bring a notice end; later ones go well."""

    says: Manners | str
    """Over HTTP what is sent; over SMTP a reply, or a word of :class:`MailDesk`."""
    takes: bool = True
    """The notice is on the desk before anything is said."""
    times: int = 2


@dataclass(frozen=True)
class HttpKind:
    """One kind over HTTP: how it tells matters apart and what it answers."""

    matter: Callable[[Asked, int], str]
    """By the request and its number."""
    accepts: Callable[[str], tuple[int, bytes]]
    """Status and body for a reference."""
    looks_up: Callable[[Asked, Journal], bytes] | None = None
    """Answers a GET; absent: it cannot be asked."""
    knows: Callable[[str], bytes] | None = None
    """Body of 409 for a matter that it has; absent: it has no such answer."""
    login: dict[str, bytes] = field(default_factory=dict)
    config: Callable[[str], dict[str, Any]] = lambda _: {}


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _xarf_list(asked: Asked, journal: Journal) -> bytes:
    [key] = parse_qs(urlsplit(asked.target).query)["correlationId"]
    found = [
        {"reportId": reference, "correlationId": matter, "status": "QUEUED"}
        for matter, reference in journal.effects.items()
        if matter == key
    ]
    return _json({"reports": found})


def _ozone_events(asked: Asked, journal: Journal) -> bytes:
    [wanted] = parse_qs(urlsplit(asked.target).query)["comment"]
    events = [
        {
            "id": int(reference),
            "event": {"$type": "tools.ozone.moderation.defs#modEventReport", "comment": reason},
            "subject": {"uri": uri},
            "createdBy": OWN_DID,
            "createdAt": AT,
        }
        for matter, reference in journal.effects.items()
        for uri, reason, _ in [json.loads(matter)]
        if wanted in reason
    ]
    return _json({"events": events})


def _of_report(asked: Asked, number: int) -> str:
    """Every report is a new one to Ozone, however often the same one comes."""
    report = json.loads(asked.body)
    return json.dumps([report["subject"]["uri"], report["reason"], number])


HTTP_KINDS = {
    "sandbox": HttpKind(
        matter=lambda asked, _: asked.headers["idempotency-key"],
        accepts=lambda reference: (
            202,
            _json({"reference": reference, "received_at": AT, "status": "queued"}),
        ),
        knows=lambda reference: _json({"code": "duplicate", "message": "known", "reference": reference}),
        config=lambda _: {"secret": "env:SECRET"},
    ),
    "xarf": HttpKind(
        matter=lambda asked, _: str(json.loads(asked.body)["clientToken"]),
        accepts=lambda reference: (202, _json({"reportId": reference, "status": "QUEUED"})),
        looks_up=_xarf_list,
        knows=lambda reference: _json({"reportId": reference}),
        config=lambda _: {"api_key": "env:KEY"},
    ),
    "coop": HttpKind(
        matter=lambda asked, _: str(json.loads(asked.body)["reportedItem"]["id"]),
        accepts=lambda reference: (201, _json({"reportId": reference})),
        config=lambda _: {
            "api_key": "env:KEY",
            "coop": {"item_type_id": "listing", "reporter_type_id": "reporter"},
        },
    ),
    "mastodon": HttpKind(
        # Each report is a new one to it; moderators see them together, under the account they are about.
        matter=lambda asked, _: str(json.loads(asked.body)["account_id"]),
        accepts=lambda reference: (200, _json({"id": reference, "action_taken": False, "created_at": AT})),
        config=lambda _: {"api_key": "env:KEY"},
    ),
    "reddit": HttpKind(
        # A second report of one account on one post is the first one to it.
        matter=lambda asked, _: parse_qs(asked.body.decode())["thing_id"][0],
        accepts=lambda _: (200, b'{"json":{"errors":[]}}'),
        login={"/api/v1/access_token": _json({"access_token": "canary-token", "expires_in": 3_600})},
        config=lambda url: {
            "api_key": ["env:KEY", "env:KEY"],
            "reddit": {"client_id": "c", "api_url": url},
            "user_agent": "linux:example-monitor:v1 (by /u/example)",
        },
    ),
    "atproto": HttpKind(
        matter=_of_report,
        accepts=lambda reference: (200, _json({"id": int(reference), "createdAt": AT})),
        looks_up=_ozone_events,
        login={
            "/xrpc/com.atproto.server.createSession": (DATA / "atproto" / "session.json").read_bytes(),
        },
        config=lambda url: {
            "api_key": "env:KEY",
            "atproto": {
                "firehose": "ws" + url.removeprefix("http"),
                "app_view": url,
                "identifier": "takin.example",
                "moderation_did": "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb",
                "team_member": True,
            },
        },
    ),
}


@asynccontextmanager
async def http_receiver(
    kind: HttpKind, fault: Fault, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, Journal]]:
    """Its address and journal."""
    journal = Journal()

    async def manners(asked: Asked, writer: asyncio.StreamWriter) -> None:
        journal.calls.append(time.monotonic())
        if asked.method == "GET":
            assert kind.looks_up is not None, asked.target
            await answer(200, kind.looks_up(asked, journal))(asked, writer)
            return
        journal.tries += 1
        journal.bodies.add(asked.body)
        well = journal.tries > fault.times
        if well or fault.takes:
            reference = journal.take(kind.matter(asked, journal.tries))
        if not well:
            assert not isinstance(fault.says, str)
            await fault.says(asked, writer)
        else:
            await answer(*kind.accepts(reference))(asked, writer)

    async with rude_server(context) as server:
        server.manners = manners
        server.always.update({path: answer(200, body) for path, body in kind.login.items()})
        yield server.url, journal


class MailDesk:
    """A mailbox; ``fault.says`` is a reply to DATA, ``rcpt …`` a reply to RCPT, or a word below."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.journal = Journal()

    @property
    def misbehaves(self) -> bool:
        """Whether the connection that came last is one of the first."""
        return len(self.journal.calls) <= self.fault.times

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Takes every address, or says what the fault says."""
        said = str(self.fault.says)
        if self.misbehaves and said.startswith("rcpt "):
            return said.removeprefix("rcpt ")
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Takes the mail, then says so, or something else, or nothing."""
        body = envelope.original_content
        assert isinstance(body, bytes)
        self.journal.tries += 1
        self.journal.bodies.add(body)
        if not self.misbehaves or self.fault.takes:
            self.journal.take(str(message_from_bytes(body)["Message-ID"]).strip())
        if not self.misbehaves:
            return "250 OK"
        assert isinstance(server.transport, asyncio.Transport)
        match str(self.fault.says):
            case "lost":
                server.transport.abort()
            case "slow":
                await asyncio.sleep(30)
            case "late":
                await asyncio.sleep(LATE_S)
            case "endless":
                await _endless(server.transport)
            case said if said[:3].isdigit():
                return said
        return "250 OK"


LATE_S = 1.0
"""How long ``late`` takes for an answer that still counts."""


async def _endless(transport: asyncio.Transport) -> None:
    """A reply of a gigabyte, in lines as the protocol allows them, until nobody reads."""
    for _ in range(20_000):
        if transport.is_closing():
            return
        if transport.get_write_buffer_size() < 1_000_000:
            transport.write(b"250-" + b"x" * 50_000 + b"\r\n")
        await asyncio.sleep(0)


class _Smtp(SMTP):
    """Counts connections; some of them it cuts where the protocol's own library has no hook."""

    def __init__(self, desk: MailDesk, **options: Any) -> None:
        self._desk = desk
        super().__init__(desk, hostname="mx.bazaar.example", **options)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it; not again when TLS begins on it."""
        if self.transport is None:
            self._desk.journal.calls.append(time.monotonic())
        said = self._desk.fault.says
        assert isinstance(transport, asyncio.Transport)
        if self._desk.misbehaves and said == "reset before":
            transport.abort()
            return
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """As the library, which expects a greeting to have been sent."""
        if self.session is not None:
            super().connection_lost(error)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        """As the library, unless the connection goes in the middle of the mail."""
        if self._desk.misbehaves and self._desk.fault.says == "mid-DATA":
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            await self._reader.readline()
            assert isinstance(self.transport, asyncio.Transport)
            self.transport.abort()
            return
        await super().smtp_DATA(arg)


@asynccontextmanager
async def mail_receiver(fault: Fault, **options: Any) -> AsyncIterator[tuple[int, Journal]]:
    """Its port and journal."""
    desk, loop = MailDesk(fault), asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Smtp(desk, loop=loop, **options), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], desk.journal
    finally:
        server.close()
        await asyncio.sleep(0.02)
