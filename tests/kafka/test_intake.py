"""The intake as a process: a 202 means that Kafka has it, and without Kafka there is none."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import httpx

from connectors.intake_keys import hash_key
from schemas.listing import Listing
from schemas.report import Report
from streams.local.kafka import LocalKafka
from tests.support.broker import create_topic, read_all

TOKEN = "tk_" + "k" * 43


def listing(number: int) -> dict[str, str]:
    return {"platform": "market", "listing_id": str(number), "url": f"https://m.example/{number}"}


async def test_what_was_answered_202_is_in_kafka_also_when_the_broker_was_away(
    own_broker: LocalKafka, tmp_path: Path
) -> None:
    for name in ("listings", "reports", "dead-letters"):
        await create_topic(own_broker.bootstrap, name)
    keys = tmp_path / "keys.yaml"
    keys.write_text(
        f"keys:\n  - {{id: k, sha256: {hash_key(TOKEN)}, organisation: o, roles: [listings, reports],"
        f" platforms: [market], rate_per_s: 1000, burst: 1000}}\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streams.cli", "intake", "--keys", str(keys)),
        *("--port", "0", "--metrics-port", "0"),
        env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": own_broker.bootstrap},
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stderr is not None
    try:
        ready: dict[str, Any] = {}
        while ready.get("event") != "intake_ready":
            line = (await asyncio.wait_for(process.stderr.readline(), 30)).decode()
            assert line, "it ended at once"
            ready = json.loads(line) if line.startswith("{") else {}
        rest = asyncio.ensure_future(process.stderr.read())
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=ready["url"], headers=headers, timeout=20) as client:
            pushed = await asyncio.gather(
                *(client.post("/v1/listings", json=listing(number)) for number in range(40)),
                client.post("/v1/listings", json={"listings": [listing(n) for n in range(100, 200)]}),
                client.post("/v1/reports", json={"url": "https://m.example/1", "what": "A tusk."}),
            )
            assert [reply.status_code for reply in pushed] == [202] * 42

            await own_broker.kill()
            reply = await client.post("/v1/listings", json=listing(999))
            assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")
            health = await client.get(ready["observability"] + "/health")
            assert (health.status_code, health.json()["ok"]) == (503, False)

            await own_broker.start()
            async with asyncio.timeout(30):
                back = reply
                while back.status_code != 202:
                    await asyncio.sleep(0.2)
                    back = await client.post("/v1/listings", json=listing(1_000))
            metrics = (await client.get(ready["observability"] + "/metrics")).text
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0
        said = (await rest).decode()
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    found = {
        Listing.from_bytes(record.value or b"").listing_id
        for record in await read_all(own_broker.bootstrap, "listings")
    }
    assert {*map(str, range(40)), *map(str, range(100, 200)), "1000"} <= found
    (report,) = await read_all(own_broker.bootstrap, "reports")
    assert Report.from_bytes(report.value or b"").report_id == pushed[-1].json()["report_id"]
    assert 'takin_intake_requests_total{route="listings",status="503"}' in metrics
    assert TOKEN not in said
    assert "Traceback" not in said
