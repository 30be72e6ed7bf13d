"""The auditor on a real broker: what was passed over is found, published once more, and then decided."""

import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from schemas.progress import ScreeningProgress
from streams.auditor.auditor import REPLAY_OF, open_auditor
from tests.support.broker import Broker, MakeTopic, read_all, send


def told(topic: str, first: int, end: int) -> tuple[bytes, bytes]:
    """A worker's word that these offsets of partition 0 are decided."""
    message = ScreeningProgress(
        topic=topic,
        partition=0,
        first_offset=first,
        next_offset=end,
        decided=end - first,
        clear=end - first,
        worker="test",
        decided_at=datetime.now(UTC),
    )
    return b"0", message.to_bytes()


async def test_a_hole_is_found_replayed_once_and_gone(
    broker: Broker, make_topic: MakeTopic, tmp_path: Path
) -> None:
    listings = await make_topic("listings", partitions=1)
    progress = await make_topic("progress", partitions=1)
    values = [json.dumps({"number": number}).encode() for number in range(10)]
    await send(broker.bootstrap, listings, *((f"k{n}".encode(), value) for n, value in enumerate(values)))
    await send(broker.bootstrap, progress, told(listings, 0, 4), (b"0", b"no json"), told(listings, 6, 8))
    memory = tmp_path / "auditor.json"
    opened = partial(open_auditor, broker.bootstrap, memory, ripe_s=0.0, listings=listings, progress=progress)

    async with opened() as auditor:
        first = await auditor.look()
        replayed = await auditor.replay(first)
        again = await auditor.replay(await auditor.look())

    assert (first.undecided, first.holes, first.findings[0].first) == (4, 2, 4)
    assert first.oldest_s[0] >= 0
    assert (replayed, again) == (2, 0)
    records = await read_all(broker.bootstrap, listings)
    assert [record.value for record in records[10:]] == values[4:6]
    assert [record.key for record in records[10:]] == [b"k4", b"k5"]
    assert dict(records[10].headers)[REPLAY_OF] == f"{listings}/0/4".encode()

    await send(broker.bootstrap, progress, told(listings, 8, 12))
    async with opened() as auditor:
        settled = await auditor.look()
    assert (settled.undecided, settled.holes, settled.findings[0].first) == (0, 0, None)


async def test_a_young_listing_is_not_yet_owed_a_decision(
    broker: Broker, make_topic: MakeTopic, tmp_path: Path
) -> None:
    listings = await make_topic("listings", partitions=1)
    progress = await make_topic("progress", partitions=1)
    await send(broker.bootstrap, listings, (b"k", b"{}"))

    async with open_auditor(
        broker.bootstrap, tmp_path / "auditor.json", ripe_s=60, listings=listings, progress=progress
    ) as auditor:
        look = await auditor.look()

    assert look.undecided == 0
    assert look.findings[0].first == 0
