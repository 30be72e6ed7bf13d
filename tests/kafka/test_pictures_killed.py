"""``takin pictures`` killed again and again: every picture of every listing is fetched in the end.

``pytest -m long tests/kafka/test_pictures_killed.py``; the oracle is the topic itself.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from schemas.listing import Listing
from schemas.topics import CATALOGUE
from streams.local.kafka import LocalKafka
from streams.local.topics import apply
from tests.kafka.test_screening_worker import listing
from tests.support.broker import read_all, send
from tests.support.pictures import drawn, encoded, picture_server

LISTINGS = 300
KILLS = 3


@pytest.mark.long
async def test_killed_again_and_again_it_passes_over_no_picture(
    own_broker: LocalKafka, tmp_path: Path
) -> None:
    await apply(own_broker.bootstrap, CATALOGUE)
    pictures = [encoded(drawn(number, 200, 260)) for number in range(30)]

    async def known() -> list[Listing]:
        records = await read_all(own_broker.bootstrap, "listings")
        written = [Listing.from_bytes(record.value or b"") for record in records]
        return [one for one in written if any(image.fetched for image in one.images)]

    async with picture_server() as server:
        platforms = tmp_path / "platforms.yaml"
        practice = {
            **{"name": "practice", "kind": "sandbox", "base_url": server.base, "private_address": True},
            **{"dev_only": True, "secret": "whsec_" + "c2hv" * 10},
            "pictures": {"fetch": True, "rate_per_s": 40},
        }
        platforms.write_text(json.dumps({"platforms": [practice]}))

        async def start() -> asyncio.subprocess.Process:
            with (tmp_path / "log").open("ab") as sink:
                return await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "streams.cli", "pictures", "--platforms", str(platforms)),
                    env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": own_broker.bootstrap},
                    stderr=sink,
                    start_new_session=True,
                )

        addresses = [
            server.show(f"/{number}.jpg", pictures[number % len(pictures)]) for number in range(LISTINGS)
        ]
        records = [listing(number, "A box", images=[{"url": url}]) for number, url in enumerate(addresses)]
        await send(own_broker.bootstrap, "listings", *records)
        process = await start()
        try:
            async with asyncio.timeout(180):
                for kill in range(KILLS):
                    while len(server.asked) < LISTINGS * (kill + 1) // (KILLS + 2):
                        await asyncio.sleep(0.01)
                    os.killpg(process.pid, signal.SIGKILL)
                    await process.wait()
                    process = await start()
                while len({one.listing_id for one in await known()}) < LISTINGS:
                    await asyncio.sleep(0.5)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 20) == 0
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()

    # Some twice, and not all of them each time.
    assert len(server.asked) < 2 * LISTINGS
    assert {one.content_hash for one in await known()} == {
        Listing.from_bytes(value).content_hash for _, value in records
    }
