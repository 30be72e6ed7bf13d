"""``takin connect`` as a process: killed, it skips nothing; what it cannot read it sets aside."""

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from connectors.sandbox.scenario_file import parse_scenario
from connectors.sandbox.service import Sandbox
from schemas.dead_letter import DeadLetter
from schemas.listing import Listing
from streams.local.kafka import LocalKafka
from tests.contracts.rude_server import Asked, answer, rude_server
from tests.support.broker import create_topic, read_all

TOPICS = ("listings", "reports", "dead-letters")


async def start(*arguments: str, bootstrap: str, data: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streams.cli", *arguments),
        env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": bootstrap, "TAKIN_DATA_DIR": str(data)},
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )


async def finish(process: asyncio.subprocess.Process, *, within_s: float = 60) -> str:
    _, said = await asyncio.wait_for(process.communicate(), within_s)
    return said.decode()


def cursor(data: Path) -> int:
    for path in data.glob("cursors/*.json"):
        return int(json.loads(json.loads(path.read_text())["cursor"])["offset"])
    return 0


async def published(bootstrap: str) -> Counter[str]:
    records = await read_all(bootstrap, "listings")
    return Counter(Listing.from_bytes(record.value or b"").listing_id for record in records)


async def test_killed_again_and_again_it_skips_nothing_and_repeats_little(
    own_broker: LocalKafka, tmp_path: Path
) -> None:
    for name in TOPICS:
        await create_topic(own_broker.bootstrap, name)
    path = tmp_path / "listings.jsonl"
    with path.open("wb") as file:
        for number in range(2_000):
            row = {
                "id": str(number),
                "title": "x" * 200,
                "platform": "p",
                "url": f"https://p.example/{number}",
            }
            line = b"not a row" if number % 500 == 7 else json.dumps(row).encode()
            file.write(line + b"\n")
    data = tmp_path / "data"
    options = {"bootstrap": own_broker.bootstrap, "data": data}

    for _ in range(3):
        before = cursor(data)
        process = await start("connect", f"file:{path}", "--rate", "1500", **options)  # type: ignore[arg-type]
        async with asyncio.timeout(60):
            while cursor(data) == before and process.returncode is None:
                await asyncio.sleep(0.005)
        assert process.returncode is None, "it ended before it could be killed"
        os.killpg(process.pid, signal.SIGKILL)
        await finish(process)
    summary = tmp_path / "summary.json"
    last = await start("connect", f"file:{path}", "--summary", str(summary), **options)  # type: ignore[arg-type]
    said = await finish(last)
    again = await start("connect", f"file:{path}", **options)  # type: ignore[arg-type]
    said_again = await finish(again)

    assert (last.returncode, again.returncode) == (0, 0), said
    found = await published(own_broker.bootstrap)
    assert set(found) == {str(number) for number in range(2_000) if number % 500 != 7}
    assert sum(found.values()) - len(found) <= 3 * 400
    letters = {
        DeadLetter.from_bytes(record.value or b"").origin
        for record in await read_all(own_broker.bootstrap, "dead-letters")
    }
    assert letters == {f"{path}:{number + 1}" for number in range(7, 2_000, 500)}
    assert json.loads(summary.read_text())["resumed"] is True
    assert "nothing new since the last run" in said_again

    await the_sandbox_s_feed_is_read(own_broker.bootstrap, data, tmp_path)
    await killed_while_it_waits_as_asked_it_sits_out_the_rest(own_broker.bootstrap, data, tmp_path)


SCENARIO: dict[str, Any] = {
    "description": "one platform",
    "platforms": [{"name": "practice", "secret": "whsec_" + "c2hv" * 10, "temper": [{"do": "prompt"}]}],
}


async def the_sandbox_s_feed_is_read(bootstrap: str, data: Path, tmp_path: Path) -> None:
    """Part of the test above, because a broker of its own costs seconds."""
    stock = [{"id": f"s{number}", "title": f"offer {number}"} for number in range(250)]
    async with Sandbox(parse_scenario(json.dumps(SCENARIO), source="test"), stock) as sandbox:
        platforms = tmp_path / "platforms.yaml"
        platforms.write_text(
            json.dumps(
                {
                    "platforms": [
                        {
                            "name": "practice",
                            "kind": "sandbox",
                            "base_url": sandbox.base_urls["practice"],
                            "private_address": True,
                            "dev_only": True,
                            "secret": "whsec_" + "c2hv" * 10,
                        }
                    ]
                }
            )
        )
        for _ in ("the first run", "a second one, which finds nothing new"):
            process = await start(
                *("connect", "practice", "--platforms", str(platforms)), bootstrap=bootstrap, data=data
            )
            said = await finish(process)
            assert process.returncode == 0, said

    found = await published(bootstrap)
    assert {name: found[name] for name in found if name.startswith("s")} == {f"s{n}": 1 for n in range(250)}


WAIT_S = 20


def has_a_wait(data: Path) -> bool:
    return any(data.glob("cursors/*.wait"))


async def killed_while_it_waits_as_asked_it_sits_out_the_rest(
    bootstrap: str, data: Path, tmp_path: Path
) -> None:
    """Part of the first test as well. The oracle is when the server was asked."""
    asked_at: list[float] = []
    feed = json.dumps({"version": "https://jsonfeed.org/version/1.1", "items": [{"id": "w1", "title": "x"}]})

    async def manners(asked: Asked, writer: asyncio.StreamWriter) -> None:
        asked_at.append(time.monotonic())
        first = len(asked_at) == 1
        told = answer(429, b"", ("retry-after", str(WAIT_S))) if first else answer(200, feed.encode())
        await told(asked, writer)

    async with rude_server() as server:
        server.manners = manners
        platforms = tmp_path / "platforms.yaml"
        of = {"name": "far", "kind": "desk", "folder": str(tmp_path), "private_address": True}
        platforms.write_text(json.dumps({"platforms": [{**of, "base_url": server.url}]}))
        arguments = ("connect", f"feed:{server.url}/new.json", "--platforms", str(platforms))
        process = await start(*arguments, bootstrap=bootstrap, data=data)
        async with asyncio.timeout(30):
            while not has_a_wait(data):
                await asyncio.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        await finish(process)
        again = await start(*arguments, bootstrap=bootstrap, data=data)
        said = await finish(again)

    assert again.returncode == 0, said
    assert "waits_as_asked" in said
    assert len(asked_at) == 2
    assert WAIT_S - 0.5 <= asked_at[1] - asked_at[0] < WAIT_S + 10
    assert (await published(bootstrap))["w1"] == 1
