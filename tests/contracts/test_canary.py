"""Secrets are canaries, and a platform throws back all that it is sent: none of them sings.

Looked at are what commands say, logs, metrics, and every byte of the casebook.
"""

import asyncio
import base64
import contextlib
import json
import logging
import traceback
from asyncio import StreamWriter
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
import yaml
from prometheus_client import generate_latest

from connectors.mailbox import Mailbox, MailboxConfig, MailboxUnavailable, password_of
from connectors.platform_config import PlatformConfig
from connectors.registry import load_platforms
from schemas.detection import Match
from schemas.listing import Seller
from streams.cli import main
from streams.desk.app import desk_app
from streams.desk.service import provider_of, sso_client
from streams.desk.sso.config import RoleRule, SsoConfig, client_secret
from streams.logs import configure
from streams.notices import handlers
from streams.notices.bridge import desk_of, make_bridge
from streams.notices.casebook import tables
from streams.notices.casebook.database import Casebook, Transaction
from streams.notices.sender import demonstration_sender
from streams.privacy.keys import made_keys, no_keys
from streams.privacy.sellers import keyed_name
from tests.contracts.rude_server import Asked, answer
from tests.contracts.test_guards_on_the_wire import desk_that, running, until
from tests.support.desk import BASE, PASSWORD, Browser, add_accounts, house_over
from tests.support.erasable import finished_case
from tests.support.notices import LAW, T0, make_desk, make_detection
from tests.unit.streams.desk.test_login import log_in


def _signing(name: str) -> str:
    return "whsec_" + base64.b64encode(f"canary {name}".ljust(32, ".").encode()).decode()


SECRETS = {
    "CANARY_OURS": _signing("ours"),
    "CANARY_THEIRS": _signing("theirs"),
    "CANARY_API_KEY": "canary-api-key-0123456789",
    "CANARY_READER": "canary-reader-0123456789",
    "CANARY_READER_SECRET": "canary-reader-secret-0123456789",
    "CANARY_CLIENT": "canary-client-0123456789",
    "CANARY_REFRESH": "canary-refresh-0123456789",
    "CANARY_MAIL": "canary-mail-0123456789",
    "CANARY_SSO": "canary-sso-0123456789",
    "CANARY_PRIVACY": "ca" * 32,
    "TAKIN_WEBHOOK_SECRET": _signing("installation"),
    "KAFKA_SASL_PASSWORD": "canary-kafka-0123456789",
}
KINDS: Mapping[str, dict[str, Any]] = {
    "sandbox": {"secret": "env:CANARY_OURS"},
    "xarf": {"api_key": "env:CANARY_API_KEY"},
    "coop": {"api_key": "env:CANARY_API_KEY", "coop": {"item_type_id": "i", "reporter_type_id": "r"}},
    "mastodon": {"api_key": "env:CANARY_API_KEY"},
    "reddit": {
        "api_key": ["env:CANARY_CLIENT", "env:CANARY_REFRESH"],
        "reddit": {"client_id": "client-0123", "api_url": "{url}"},
        "user_agent": "linux:example-monitor:v1 (by /u/example)",
    },
    "atproto": {
        "api_key": "env:CANARY_API_KEY",
        "atproto": {
            "firehose": "ws://127.0.0.1:1",
            "app_view": "{url}",
            "identifier": "reporter.example",
            "moderation_did": "did:web:moderation.example",
        },
    },
    "email": {
        "api_key": "env:CANARY_MAIL",
        "mail": {
            "to": ["abuse@market.example"],
            "sender": "takin@monitor.example",
            "host": "127.0.0.1",
            "port": 0,
            "tls": "none",
            "username": "takin",
        },
    },
}
CID = "bafyreib2rxk3rybk3aobmv5cjuql3bm2twh4jo5uxgf5kpqcsgz7soitae"
LISTINGS = {"reddit": "t3_1", "atproto": "at://did:plc:aaaaaaaaaaaaaaaaaaaaaaaa/app.bsky.feed.post/3kaaa"}
NAMES = ("canary-seller", "canary-seller-4711", "https://market.example/people/canary-seller")
SELLER = Seller(handle=NAMES[0], account_id=NAMES[1], profile_url=NAMES[2])
REPORTS = (
    ("sla", "--since", "2026-01-01", "--json"),
    ("freeze", "--period", "2026-03", "--as", "A. Person"),
    ("frozen", "--json"),
    ("sla", "--period", "2026-03", "--json"),
    ("transparency", "--period", "2026-03", "--json"),
    ("quality", "--weeks", "500", "--json"),
)
COMMANDS = (
    ("doctor",),
    ("doctor", "--json"),
    ("connectors",),
    ("connectors", "--json"),
    ("notices", "list"),
    ("notices", "list", "--json"),
    ("notices", "guards"),
    ("notices", "guards", "--json"),
    ("topics", "list"),
    ("watchlist", "list"),
    ("dead-letters", "list"),
)


def sung(text: str) -> list[str]:
    """The names of the secrets that stand in a text, as they are, without their prefix, or in base64."""
    return [
        name
        for name, secret in SECRETS.items()
        for form in (secret.removeprefix("whsec_"), base64.b64encode(secret.encode()).decode().rstrip("="))
        if form in text
    ]


def statuses(tx: Transaction) -> list[int | None]:
    """How the tries that have ended were answered."""
    done = tables.attempt
    rows = tx.execute(sa.select(done.c.http_status).where(done.c.finished_at.is_not(None)))
    return list(rows.scalars())


def kept_in(folder: Path) -> str:
    """Every byte of the casebook's files, as characters."""
    return b"".join(file.read_bytes() for file in folder.glob("casebook.db*")).decode("latin-1")


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        **SECRETS,
        "DATABASE_URL": f"sqlite:///{tmp_path / 'casebook.db'}",
        "TAKIN_DATA_DIR": str(tmp_path / "data"),
        "TAKIN_PLATFORMS_FILE": str(tmp_path / "platforms.yaml"),
        "TAKIN_PRIVACY_KEY": "env:CANARY_PRIVACY",
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "KAFKA_SASL_USERNAME": "takin",
    }.items():
        monkeypatch.setenv(name, value)


async def throws_it_back(asked: Asked, writer: StreamWriter) -> None:
    """An answer of 401 that has every header and the body of the request in it."""
    told = [("x-echo-" + name, value) for name, value in asked.headers.items()]
    body = json.dumps({"error": asked.headers, "sent": asked.body.decode("latin-1")}).encode()
    told += [("content-type", "application/json"), ("www-authenticate", str(asked.headers))]
    await answer(401, body, *told)(asked, writer)


@contextlib.asynccontextmanager
async def post_office_that_throws_it_back() -> AsyncIterator[int]:
    """A mail server that refuses every login with all that it was told, in clear and as it came."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx.market.example\r\n")
        while line := (await reader.readline()).strip():
            verb, _, told = line.partition(b" ")
            if verb.upper() == b"EHLO":
                writer.write(b"250-mx.market.example\r\n250 AUTH PLAIN\r\n")
            elif verb.upper() == b"AUTH":
                clear = base64.b64decode(told.rpartition(b" ")[2]).replace(b"\0", b" ")
                writer.write(b"535 5.7.8 not you: " + told + b" " + clear + b"\r\n")
            else:
                writer.write(b"221 bye\r\n" if verb.upper() == b"QUIT" else b"530 5.7.0 log in first\r\n")
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_that_is_sent_to_a_platform_is_kept_or_told(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    configure("debug")
    async with desk_that(throws_it_back) as desk, post_office_that_throws_it_back() as mail_port:
        options = json.loads(json.dumps(KINDS[kind]).replace("{url}", desk.url))
        if "mail" in options:
            options["mail"]["port"] = mail_port
        one = {
            "name": "market",
            "kind": kind,
            "base_url": desk.url,
            "private_address": True,
            "webhook_secret": "env:CANARY_THEIRS",
            "delivery": {"retry_schedule_s": [0.1], "poll_first_s": 600},
            **options,
        }
        (tmp_path / "platforms.yaml").write_text(yaml.safe_dump({"platforms": [one]}))
        async with running(tmp_path, load_platforms(tmp_path / "platforms.yaml")) as service:
            listing_id, revision = LISTINGS.get(kind, "1"), CID if kind == "atproto" else None
            await service.notify("market", listing_id, desk.url, seller=SELLER, revision=revision)
            await until(lambda: service.casebook.answer(statuses) == [535 if kind == "email" else 401])
            metrics = generate_latest(service.registry).decode()
    said = capsys.readouterr()
    kept = kept_in(tmp_path)

    assert "market" in kept
    assert NAMES[0] in kept, "the casebook is where a seller stands"
    assert [one for one in NAMES if one in said.out + said.err + caplog.text + metrics] == []
    assert sung(said.out + said.err) == []
    assert sung(caplog.text) == []
    assert sung(metrics) == []
    assert sung(kept) == []


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_command_tells_a_secret(
    words: tuple[str, ...],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    reads = {
        "api": "ebay",
        "key": "env:CANARY_READER",
        "secret": "env:CANARY_READER_SECRET",
        "words": ["ivory"],
    }
    platforms = [
        {"name": kind, "kind": kind, "base_url": "https://x.example", **more, "reads": reads}
        for kind, more in KINDS.items()
    ]
    (tmp_path / "platforms.yaml").write_text(yaml.safe_dump({"platforms": platforms}))

    casebook = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}", threads=1)
    casebook.decide(handlers.take_detection, make_detection("1"), make_desk(), now=datetime.now(UTC))
    casebook.close()

    main(words)
    said = capsys.readouterr()

    assert said.out + said.err
    assert sung(said.out + said.err + caplog.text) == []


@pytest.mark.usefixtures("environment")
def test_a_seller_stands_in_no_event_for_others_and_in_no_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    market = {"name": "market", "kind": "sandbox", "base_url": "https://market.example", **KINDS["sandbox"]}
    (tmp_path / "platforms.yaml").write_text(yaml.safe_dump({"platforms": [market]}))
    casebook = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}", threads=1)
    for number in ("1", "2"):  # the second is linked with the first: they have one seller
        finished_case(casebook, number, seller=NAMES[0])
    with casebook.read() as tx:
        rows = tx.execute(sa.select(tables.case_event.c.type, tables.case_event.c.body)).all()
    casebook.close()

    assert {"case_opened", "detected", "linked", "acknowledged", "case_closed"} <= {row.type for row in rows}
    assert [row.body for row in rows if NAMES[0].encode() in row.body.lower()] == []
    for words in REPORTS:
        assert main(("report", *words)) == 0
    said = capsys.readouterr()
    assert said.out.count("market") > len(REPORTS) / 2
    assert NAMES[0] not in (said.out + said.err).lower()


@pytest.mark.usefixtures("environment")
async def test_a_mailbox_that_refuses_a_login_by_repeating_it_has_nothing_repeated(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    configure("debug")

    async def converse(reader: asyncio.StreamReader, writer: StreamWriter) -> None:
        writer.write(b"* OK IMAP4rev1\r\n")
        while line := (await reader.readline()).strip():
            tag, _, told = line.partition(b" ")
            refused = b"NO [AUTHENTICATIONFAILED] not you: " + told
            capable = told.upper() == b"CAPABILITY"
            writer.write(b"* CAPABILITY IMAP4rev1\r\n" if capable else b"")
            writer.write(tag + b" " + (b"OK done" if capable else refused) + b"\r\n")
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    config = MailboxConfig(
        host="127.0.0.1",
        port=server.sockets[0].getsockname()[1],
        username="takin",
        password="env:CANARY_MAIL",
        tls="none",
    )

    def opened() -> None:
        with Mailbox(config, password_of(config)):
            pass

    async with server:
        with pytest.raises(MailboxUnavailable) as refused:
            await asyncio.to_thread(opened)

    assert "login was refused" in str(refused.value)
    said = capsys.readouterr()
    told = "".join(traceback.format_exception(refused.value))
    assert sung(told + said.out + said.err + caplog.text) == []


@pytest.mark.usefixtures("environment")
async def test_single_sign_on_tells_nobody_its_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    configure("debug")
    casebook = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}", threads=1)

    async def provider(asked: Asked, writer: StreamWriter) -> None:
        if not asked.target.startswith("/.well-known/"):
            await throws_it_back(asked, writer)
            return
        ends = {f"{one}_endpoint": f"{desk.url}/{one}" for one in ("authorization", "token")}
        body = json.dumps({"issuer": desk.url, "jwks_uri": f"{desk.url}/keys", **ends}).encode()
        await answer(200, body, ("content-type", "application/json"))(asked, writer)

    async with desk_that(provider) as desk:
        config = SsoConfig(
            issuer=desk.url,
            name="Customs",
            client_id="takin",
            client_secret="env:CANARY_SSO",
            roles=(RoleRule(claim="groups", value="x", role="officer"),),
        )
        client = sso_client(config)
        sso = provider_of(config, client, secret=client_secret(config), base=BASE)
        browser = Browser(desk_app(replace(house_over(casebook, tmp_path), sso=sso)), casebook)
        sent = await browser.get("/sso")
        state = parse_qs(urlsplit(sent.headers["location"]).query)["state"][0]
        back = await browser.get(f"/sso/back?state={state}&code=c-1&iss={desk.url}")
        shown = (await browser.get(back.headers["location"])).text if back.is_redirect else back.text
        await client.aclose()
    casebook.close()

    assert [one.target for one in desk.asked] == ["/.well-known/openid-configuration", "/token"]
    assert "Basic" in desk.asked[1].headers["authorization"]
    said = capsys.readouterr()
    assert sung(said.out + said.err + caplog.text + shown + kept_in(tmp_path)) == []


async def test_the_desk_keeps_and_tells_neither_passwords_nor_sessions(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    configure("debug")
    casebook = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}", threads=1)
    add_accounts(casebook)
    browser = Browser(desk_app(house_over(casebook, tmp_path)), casebook)

    wrong = await log_in(browser, "officer", "canary-wrong-password-0123")
    right = await log_in(browser, "officer", PASSWORD)
    session = right.cookies["takin"]
    casebook.close()

    said = capsys.readouterr()
    told = said.out + said.err + caplog.text + wrong.text + right.text + kept_in(tmp_path)
    assert right.headers["location"] == "/board"
    secrets = {"a wrong password": "canary-wrong", "the password": PASSWORD, "the session": session}
    assert [name for name, one in secrets.items() if one in told] == []


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("kind", ["csv", "coop", "xarf", "sandbox", "email", "desk"])
async def test_who_is_not_the_seller_s_platform_is_told_a_keyed_name(kind: str, tmp_path: Path) -> None:
    keys = made_keys(None, tmp_path / "privacy.key")
    options = {"folder": str(tmp_path)} if kind in ("csv", "desk") else KINDS[kind]
    config = PlatformConfig.model_validate(
        json.loads(
            json.dumps({**options, "name": "market", "kind": kind, "sellers": "keyed"}).replace(": 0", ": 25")
        )
        | {"base_url": "https://market.example", "private_address": True}
    )
    detection = make_detection(
        "1",
        seller=SELLER,
        title="Carved ivory of Canary-Seller",
    )
    detection = detection.model_copy(
        update={
            "matches": (
                *detection.matches,
                Match(field="seller", start=0, end=13, quote=NAMES[0], term="x", kind="watchlist", ref="w"),
            ),
            "explanation": f"“{NAMES[0]}” ({NAMES[1]}) is on the watchlist as seller.canary-seller.1a2b3c4d.",
        }
    )
    casebook = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}", threads=1)
    bridge = make_bridge([config])
    for privacy, result in ((no_keys, "review"), (lambda: keys, "noticed")):
        desk = desk_of(
            [config], bridge, sender=demonstration_sender(reply_base=None), law=LAW, privacy=privacy
        )
        shown = detection if result == "noticed" else make_detection("2", seller=SELLER)
        taken = casebook.decide(handlers.take_detection, shown, desk, now=T0)
        assert taken.result == result, taken.why
    with casebook.read() as tx:
        [body] = tx.execute(sa.select(tables.outbox.c.body)).scalars()
        [written] = tx.execute(sa.select(tables.notice.c.body)).scalars()
    casebook.close()
    await bridge.aclose()

    assert keyed_name(keys, NAMES[0]).encode() in written
    told = [written, body]
    if kind == "xarf":
        told += [base64.b64decode(one["payload"]) for one in json.loads(body)["report"]["xarf"]["evidence"]]
    if kind == "email":
        parts = message_from_bytes(body, policy=policy.default).walk()
        told += [one.get_payload(decode=True) or b"" for one in parts if not one.is_multipart()]
    assert [one for one in told if b"canary-seller" in one.lower() or b"4711" in one] == []
