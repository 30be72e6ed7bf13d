"""``takin connect`` killed five times while it reads a server's pages, and started while there is no broker.

The oracle is the server's own list: each thing is in Kafka at least once. For Telegram also: whatever the
server deleted because it was confirmed is there.
``pytest -m long tests/kafka/test_connect_killed.py`` runs it.
"""

import asyncio
import json
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors.shelves.shopify import PAGE
from schemas.listing import Listing
from streams.local.kafka import LocalKafka
from tests.contracts.rude_server import Asked, Manners, RudeServer, rude_server
from tests.kafka.test_connect_command import TOPICS, finish, start
from tests.support.broker import create_topic, read_all
from tests.support.shelf_servers import Stocked, shopify
from tests.support.telegram_server import TOKEN, BotApi

pytestmark = pytest.mark.long
PAGES = 60
KILLS = 5
RATE = 40
"""Pages a second, so that there is a middle to be killed in."""


def platforms(folder: Path, **of: Any) -> Path:
    """A platforms file with one platform, ``market``."""
    market = {"name": "market", "kind": "desk", "folder": str(folder), "private_address": True, **of}
    path = folder / "platforms.yaml"
    path.write_text(json.dumps({"platforms": [market]}))
    return path


@asynccontextmanager
async def counted(answers: Manners) -> AsyncIterator[tuple[RudeServer, list[float]]]:
    """A server that answers so, and when it was asked."""
    asked_at: list[float] = []

    async def manners(asked: Asked, writer: asyncio.StreamWriter) -> None:
        asked_at.append(time.monotonic())
        await answers(asked, writer)

    async with rude_server() as server:
        server.manners = manners
        yield server, asked_at


async def killed_and_finished(file: Path, asked_at: list[float], bootstrap: str, data: Path) -> None:
    """Killed some pages further each time, and then left alone."""
    chance = random.Random(7)
    for _ in range(KILLS):
        process = await start("connect", "market", "--platforms", str(file), bootstrap=bootstrap, data=data)
        until = len(asked_at) + chance.randint(1, 12)
        async with asyncio.timeout(60):
            while len(asked_at) < until and process.returncode is None:
                await asyncio.sleep(0.002)
        assert process.returncode is None, "it ended before it could be killed"
        await asyncio.sleep(chance.random() * 0.03)
        os.killpg(process.pid, signal.SIGKILL)
        await finish(process)
    last = await start("connect", "market", "--platforms", str(file), bootstrap=bootstrap, data=data)
    said = await finish(last)
    assert last.returncode == 0, said


async def in_kafka(bootstrap: str) -> list[str]:
    records = await read_all(bootstrap, "listings")
    read = [Listing.from_bytes(record.value or b"") for record in records]
    return [one.title or one.description for one in read]


@pytest.fixture
async def topics(own_broker: LocalKafka) -> str:
    for name in TOPICS:
        await create_topic(own_broker.bootstrap, name)
    return own_broker.bootstrap


async def test_a_shop_read_by_a_connector_that_is_killed_five_times(topics: str, tmp_path: Path) -> None:
    api = Stocked(shopify)
    api.fill(PAGES * PAGE)
    async with counted(api.manners("http://shop.example")) as (server, asked_at):
        file = platforms(tmp_path, base_url=server.url, reads={"api": "shopify", "rate_per_s": RATE})
        await killed_and_finished(file, asked_at, topics, tmp_path / "data")

    found = await in_kafka(topics)
    assert set(found) == {one.title for one in api.stock}
    assert len(found) - len(set(found)) <= KILLS * 12 * PAGE


async def test_a_bot_read_by_a_connector_that_is_killed_five_times(
    topics: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOT", TOKEN)
    bot = BotApi()
    bot.fill(PAGES * 100)
    texts = {one["update_id"]: one["channel_post"]["text"] for one in bot.queue}
    async with counted(bot) as (server, asked_at):
        reads = {"api": "telegram", "base_url": server.url, "key": "env:BOT", "rate_per_s": RATE}
        file = platforms(tmp_path, base_url="https://t.example", reads=reads)
        await killed_and_finished(file, asked_at, topics, tmp_path / "data")

    found = await in_kafka(topics)
    assert {texts[one] for one in bot.confirmed} <= set(found), "deleted, and nowhere else"
    assert set(found) == set(texts.values())
    assert (bot.queue, bot.broken_rules) == ([], [])
    assert len(found) - len(set(found)) <= KILLS * 100


async def test_started_while_there_is_no_broker_it_begins_by_itself(
    topics: str, own_broker: LocalKafka, tmp_path: Path
) -> None:
    api = Stocked(shopify)
    api.fill(3)
    await own_broker.stop()
    async with counted(api.manners("http://shop.example")) as (server, asked_at):
        file = platforms(tmp_path, base_url=server.url, reads={"api": "shopify", "rate_per_s": RATE})
        arguments = ("connect", "market", "--platforms", str(file), "--wait-for-kafka")
        process = await start(*arguments, bootstrap=topics, data=tmp_path / "data")
        await asyncio.sleep(8)
        assert process.returncode is None
        assert asked_at == []
        await own_broker.start()
        said = await finish(process)
        found = await in_kafka(topics)

    assert process.returncode == 0, said
    assert sorted(found) == sorted(one.title for one in api.stock)
    assert "again_in_s" in said
