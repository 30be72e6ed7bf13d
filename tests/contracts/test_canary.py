"""Secrets are canaries, and a platform throws back all that it is sent: none of them sings.

Looked at are what commands say, logs, metrics, and every byte of the casebook.
"""

import base64
import json
import logging
from asyncio import StreamWriter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from prometheus_client import generate_latest

from connectors.registry import load_platforms
from schemas.listing import Seller
from streams.cli import main
from streams.logs import configure
from streams.notices import handlers
from streams.notices.casebook import tables
from streams.notices.casebook.database import Casebook, Transaction
from tests.contracts.rude_server import Asked, answer
from tests.contracts.test_guards_on_the_wire import desk_that, running, until
from tests.support.erasable import finished_case
from tests.support.notices import make_desk, make_detection


def _signing(name: str) -> str:
    return "whsec_" + base64.b64encode(f"canary {name}".ljust(32, ".").encode()).decode()


SECRETS = {
    "CANARY_OURS": _signing("ours"),
    "CANARY_THEIRS": _signing("theirs"),
    "CANARY_API_KEY": "canary-api-key-0123456789",
    "CANARY_READER": "canary-reader-0123456789",
    "CANARY_READER_SECRET": "canary-reader-secret-0123456789",
    "CANARY_PRIVACY": "ca" * 32,
    "TAKIN_WEBHOOK_SECRET": _signing("installation"),
    "KAFKA_SASL_PASSWORD": "canary-kafka-0123456789",
}
KINDS: Mapping[str, dict[str, Any]] = {
    "sandbox": {"secret": "env:CANARY_OURS"},
    "xarf": {"api_key": "env:CANARY_API_KEY"},
    "coop": {"api_key": "env:CANARY_API_KEY", "coop": {"item_type_id": "i", "reporter_type_id": "r"}},
}
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


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_that_is_sent_to_a_platform_is_kept_or_told(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    configure("debug")
    async with desk_that(throws_it_back) as desk:
        one = {
            "name": "market",
            "kind": kind,
            "base_url": desk.url,
            "private_address": True,
            "webhook_secret": "env:CANARY_THEIRS",
            "delivery": {"retry_schedule_s": [0.1], "poll_first_s": 600},
            **KINDS[kind],
        }
        (tmp_path / "platforms.yaml").write_text(yaml.safe_dump({"platforms": [one]}))
        async with running(tmp_path, load_platforms(tmp_path / "platforms.yaml")) as service:
            await service.notify("market", "1", desk.url, seller=SELLER)
            await until(lambda: service.casebook.answer(statuses) == [401])
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
