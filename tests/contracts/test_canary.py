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
from streams.cli import main
from streams.logs import configure
from streams.notices import handlers
from streams.notices.casebook import tables
from streams.notices.casebook.database import Casebook, Transaction
from tests.contracts.rude_server import Asked, answer
from tests.contracts.test_guards_on_the_wire import desk_that, running, until
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
            await service.notify("market", "1", desk.url)
            await until(lambda: service.casebook.answer(statuses) == [401])
            metrics = generate_latest(service.registry).decode()
    said = capsys.readouterr()
    kept = kept_in(tmp_path)

    assert "market" in kept
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
