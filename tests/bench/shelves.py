"""How many listings one connector moves from a local server into Kafka, on one core.

The connector is ``takin connect`` in a process of its own, pinned to one core; the shop and a real broker are
others. Every send is acknowledged; the topic is the oracle. Prints one JSON line.

Example: .venv/bin/python -m tests.bench.shelves --listings 40000
"""

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from connectors.shelves.shopify import PAGE
from schemas.topics import CATALOGUE, LISTINGS
from streams.local.kafka import LocalKafka
from streams.local.topics import apply
from tests.contracts.rude_server import Asked, answer, rude_server
from tests.support.broker import read_all
from tests.support.shelf_servers import Item, Request, shopify

TEXT = "Carved by hand, heavy, from an old collection; asks for a message before payment. " * 6


def pages_of(listings: int) -> list[bytes]:
    """The shop's pages, written beforehand so that the shop costs nothing."""
    made = []
    for start in range(0, listings, PAGE):
        some = [
            Item(number, f"Carved thing no. {number}") for number in range(start, min(start + PAGE, listings))
        ]
        page = shopify(Request("/products.json", {"limit": str(PAGE)}, {}), some, "")
        for row in page["products"]:
            row["body_html"] = f"<p>{TEXT}</p><p>No. {row['id']}</p>"
        made.append(json.dumps(page).encode())
    return [*made, b'{"products": []}']


def connect(environment: dict[str, str], home: Path) -> resource.struct_rusage:
    """One pass of the connector on one core; what it used."""
    arguments = ("--platforms", str(home / "platforms.yaml"), "--summary", str(home / "summary.json"))
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.cli", "connect", "shop", *arguments], env=environment
    )
    os.sched_setaffinity(process.pid, {max(os.sched_getaffinity(0))})
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, "the connector failed: its words stand above"
    return used


async def measure(listings: int) -> dict[str, object]:
    """One run."""
    pages = pages_of(listings)

    async def shop(asked: Asked, writer: asyncio.StreamWriter) -> None:
        number = int(asked.target.rpartition("page=")[2])
        await answer(200, pages[number - 1])(asked, writer)

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        broker = LocalKafka(home / "kafka")
        await broker.start()
        try:
            await apply(broker.bootstrap, CATALOGUE)
            async with rude_server() as server:
                server.manners = shop
                platform = {
                    "name": "shop",
                    "kind": "desk",
                    "folder": str(home / "desk"),
                    "base_url": server.url,
                    "private_address": True,
                    "reads": {"api": "shopify", "rate_per_s": 1_000},
                }
                (home / "platforms.yaml").write_text(yaml.safe_dump({"platforms": [platform]}))
                used = await asyncio.to_thread(
                    connect,
                    {
                        **os.environ,
                        "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap,
                        "TAKIN_DATA_DIR": str(home / "data"),
                    },
                    home,
                )
            told = json.loads((home / "summary.json").read_text())
            keys = {record.key for record in await read_all(broker.bootstrap, LISTINGS.name)}
        finally:
            await broker.stop()
    return figures(told, len(keys), used)


def figures(told: dict[str, object], in_topic: int, used: resource.struct_rusage) -> dict[str, object]:
    """What is reported."""
    published, seconds = told["published"], told["seconds"]
    assert isinstance(published, int)
    assert isinstance(seconds, float)
    return {
        "published": published,
        "in_topic": in_topic,
        "seconds": seconds,
        "a_second": round(published / seconds),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "most_memory_mb": round(used.ru_maxrss / 1_024, 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--listings", type=int, default=40_000)
    print(json.dumps(asyncio.run(measure(parser.parse_args().listings))))


if __name__ == "__main__":
    main()
