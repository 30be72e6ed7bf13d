"""Bad input ends in dead-letters with a reason a person can act on; its neighbours are untouched."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from connectors.sandbox.scenario_file import parse_scenario
from schemas.dead_letter import DeadLetter
from schemas.topics import DEAD_LETTERS, LISTINGS
from streams.local.machine import Machine, Prepared
from tests.kafka.test_spine import OFFERS, QUICK, reached
from tests.support.broker import read_all
from tests.support.machine import running, until_sent
from tests.support.notices import make_listing

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

OFFER = OFFERS[1].format(n=40)


def offer(listing_id: str) -> bytes:
    return json.dumps({"id": listing_id, "title": OFFER, "text": OFFER}).encode()


FUTURE = (datetime.now(UTC) + timedelta(days=3)).isoformat()

BAD_LINES = {
    "undecodable": b'{"id": "u", "title": "\xff\xfe horn"}',
    "not_json": b'{"id": "broken", ',
    "wrong type": json.dumps({"id": "t", "title": {"de": "Horn"}, "text": OFFER}).encode(),
    "2 MB": json.dumps({"id": "big", "title": OFFER, "text": "x" * 2_000_000}).encode(),
    "no id": json.dumps({"title": OFFER, "text": OFFER}).encode(),
    "unknown platform": json.dumps(
        {"id": "p", "title": OFFER, "text": OFFER, "platform": "elsewhere"}
    ).encode(),
    "the future": json.dumps({"id": "f", "title": OFFER, "text": OFFER, "observed_at": FUTURE}).encode(),
}


def bad_records(url: str) -> list[bytes]:
    """The same faults straight into Kafka, as a broken connector would write them."""
    good = make_listing("k", platform="quick-a", url=url).model_dump(mode="json")
    return [
        b"\xff\xfe\x00",
        b"[1, 2",
        json.dumps({**good, "title": 7}).encode(),
        json.dumps({**good, "listing_id": None}).encode(),
        json.dumps({**good, "platform": "elsewhere"}).encode(),
        json.dumps({**good, "observed_at": FUTURE}).encode(),
        json.dumps({**good, "description": "x" * 900_000}).encode(),
    ]


def takin(prepared: Prepared, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "streams.cli", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "KAFKA_BOOTSTRAP_SERVERS": prepared.bootstrap,
            "DATABASE_URL": prepared.casebook_url,
        },
    )


async def test_each_bad_thing_is_set_aside_with_its_reason_and_neighbours_go_on(tmp_path: Path) -> None:
    listings = tmp_path / "listings.jsonl"
    lines = [offer("before")]
    for number, line in enumerate(BAD_LINES.values()):
        lines += [line, offer(f"beside-{number}")]
    listings.write_bytes(b"\n".join(lines) + b"\n")
    machine = Machine(
        data_dir=tmp_path / "takin",
        source=f"file:{listings}",
        stock=listings,
        scenario=parse_scenario(QUICK, source="test"),
    )
    async with running(machine) as (supervisor, prepared, casebook):
        url = f"http://127.0.0.1:{prepared.ports['sandbox:quick-a']}/listing/k"
        async with AIOKafkaProducer(bootstrap_servers=prepared.bootstrap) as producer:
            for value in bad_records(url):
                await producer.send_and_wait(LISTINGS.name, value, key=b"quick-a:k")
        await supervisor.finished("connect")
        standing = await until_sent(prepared, casebook, within_s=60)
        letters = [
            DeadLetter.from_bytes(r.value) for r in await read_all(prepared.bootstrap, DEAD_LETTERS.name)
        ]
        shown = takin(prepared, "dead-letters", "list", "--json")
        [mended] = [
            letter.dead_letter_id
            for letter in letters
            if letter.stage == "screening" and letter.reason == "unknown_platform"
        ]
        replayed = takin(prepared, "dead-letters", "replay", mended)
        after = takin(prepared, "dead-letters", "list", "--json")
    noticed, _ = reached(machine)

    from_file = [letter for letter in letters if letter.stage == "connector"]
    from_kafka = [letter for letter in letters if letter.stage == "screening"]
    assert sorted(letter.reason for letter in from_file) == sorted(
        [
            "undecodable",
            "not_json",
            "wrong_shape",
            "too_large",
            "wrong_shape",
            "unknown_platform",
            "from_the_future",
        ]
    )
    assert sorted(letter.reason for letter in from_kafka) == sorted(
        [
            "undecodable",
            "not_json",
            "wrong_shape",
            "wrong_shape",
            "unknown_platform",
            "from_the_future",
            "too_large",
        ]
    )
    assert all(str(listings) in str(letter.origin) for letter in from_file)
    assert all(letter.offset is not None for letter in from_kafka)
    assert all(len(letter.detail) > 15 for letter in letters)
    assert standing.kafka.dead_letters
    assert set(noticed) == {"before", *(f"beside-{number}" for number in range(len(BAD_LINES)))}
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["found"] == len({letter.dead_letter_id for letter in letters}) == 14
    assert replayed.returncode == 0, replayed.stderr
    assert mended in shown.stdout
    assert mended not in after.stdout
