"""Dead letters on a real broker: what was set aside is found, and goes back byte for byte."""

from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from schemas.dead_letter import DeadLetter, dead_letter
from schemas.errors import OperatorError
from streams.dead_letters.store import read_ledger, read_letters, replay
from streams.local.readiness import admin_client
from tests.support.broker import Broker, MakeTopic, read_all, send

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
ODD = b'{"id": broken \xff\x00'


def _now() -> datetime:
    return NOON


def _letter(topic: str | None, offset: int | None, value: bytes = ODD, **more: object) -> DeadLetter:
    return dead_letter(
        stage="screening",
        reason="not_json",
        detail="The record is not JSON.",
        value=value,
        now=NOON + timedelta(seconds=offset or 0),
        topic=topic,
        partition=None if offset is None else 0,
        offset=offset,
        **more,  # type: ignore[arg-type]
    )


async def _set_aside(broker: Broker, topic: str, *letters: DeadLetter) -> None:
    await send(broker.bootstrap, topic, *((ll.dead_letter_id.encode(), ll.to_bytes()) for ll in letters))


@pytest.fixture
async def letters(make_topic: MakeTopic) -> str:
    return await make_topic("dead-letters")


@pytest.fixture
async def listings(make_topic: MakeTopic) -> str:
    return await make_topic("listings")


async def test_every_letter_is_found_once_over_all_partitions(broker: Broker, letters: str) -> None:
    many = [_letter("listings", offset) for offset in range(300)]
    await _set_aside(broker, letters, *many, *many[:100])
    await send(broker.bootstrap, letters, (b"x", b"junk"))

    ledger = await read_ledger(broker.bootstrap, topic=letters)
    assert {entry.letter.dead_letter_id for entry in ledger.newest_first()} == {
        letter.dead_letter_id for letter in many
    }
    assert sum(entry.times for entry in ledger.newest_first()) == 400
    assert ledger.unreadable == 1


async def test_an_empty_topic_has_no_letters(broker: Broker, letters: str) -> None:
    assert (await read_ledger(broker.bootstrap, topic=letters)).newest_first() == ()


async def test_a_record_goes_back_byte_for_byte_with_its_key_and_where_it_comes_from(
    broker: Broker, letters: str, listings: str
) -> None:
    letter = _letter(listings, 5, key=b"sandbox:\xff1")
    await _set_aside(broker, letters, letter)
    ledger = await read_ledger(broker.bootstrap, topic=letters)
    (outcome,) = await replay(broker.bootstrap, ledger.newest_first(), now=_now, topic=letters)

    (record,) = await read_all(broker.bootstrap, listings)
    assert (record.key, record.value) == (b"sandbox:\xff1", ODD)
    assert list(record.headers) == [("replay-of", letter.dead_letter_id.encode())]
    assert outcome.put_back_at == (record.partition, record.offset)


async def test_what_went_back_stays_so_and_does_not_go_back_twice(
    broker: Broker, letters: str, listings: str
) -> None:
    letter = _letter(listings, 5)
    await _set_aside(broker, letters, letter)
    for _ in range(2):
        ledger = await read_ledger(broker.bootstrap, topic=letters)
        await replay(broker.bootstrap, ledger.newest_first(), now=_now, topic=letters)
    # A worker that was killed before its commit sets the same record aside once more.
    await _set_aside(broker, letters, letter)

    (entry,) = (await read_ledger(broker.bootstrap, topic=letters)).newest_first()
    assert entry.is_replayed
    assert len(await read_all(broker.bootstrap, listings)) == 1


async def test_a_dry_run_writes_nothing(broker: Broker, letters: str, listings: str) -> None:
    await _set_aside(broker, letters, _letter(listings, 5))
    ledger = await read_ledger(broker.bootstrap, topic=letters)
    (outcome,) = await replay(broker.bootstrap, ledger.newest_first(), now=_now, topic=letters, dry_run=True)

    assert (outcome.refusal, outcome.put_back_at) == (None, None)
    assert await read_all(broker.bootstrap, listings) == []
    assert len(await read_all(broker.bootstrap, letters)) == 1


async def test_what_cannot_go_back_is_refused_and_its_neighbours_go(
    broker: Broker, letters: str, listings: str
) -> None:
    await _set_aside(
        broker,
        letters,
        _letter(listings, 1, value=b"first"),
        _letter(listings, 2, value=bytes(700_000)),
        _letter(f"{listings}-gone", 3),
        _letter(letters, 4),
        _letter(None, None, origin="ads.jsonl:9"),
        _letter(listings, 6, value=b"second"),
    )
    ledger = await read_ledger(broker.bootstrap, topic=letters)
    outcomes = await replay(broker.bootstrap, ledger.newest_first(), now=_now, topic=letters)

    refusals = {outcome.entry.letter.offset: outcome.refusal for outcome in outcomes}
    assert [refusals[offset] for offset in (1, 6)] == [None, None]
    assert "only the first part was kept" in str(refusals[2])
    assert refusals[3] == f"there is no topic {listings}-gone on this broker"
    assert refusals[4] == "it came from the dead letters themselves"
    assert "ads.jsonl:9" in str(refusals[None])
    assert {record.value for record in await read_all(broker.bootstrap, listings)} == {b"first", b"second"}


async def test_the_largest_record_that_is_kept_goes_back(broker: Broker, letters: str, listings: str) -> None:
    largest = bytes(600_000)
    await _set_aside(broker, letters, _letter(listings, 1, value=largest, key=bytes(1_000)))
    ledger = await read_ledger(broker.bootstrap, topic=letters)
    (letter,) = await read_letters(broker.bootstrap, ledger.newest_first(), topic=letters)
    assert letter.value == largest

    await replay(broker.bootstrap, ledger.newest_first(), now=_now, topic=letters)
    assert [record.value for record in await read_all(broker.bootstrap, listings)] == [largest]


async def test_a_letter_that_is_no_longer_kept_is_said(broker: Broker, letters: str, listings: str) -> None:
    await _set_aside(broker, letters, _letter(listings, 1))
    (entry,) = (await read_ledger(broker.bootstrap, topic=letters)).newest_first()
    async with admin_client(broker.bootstrap) as admin:
        gone = {TopicPartition(letters, entry.partition): RecordsToDelete(before_offset=entry.offset + 1)}
        await admin.delete_records(gone)

    with pytest.raises(OperatorError, match="is no longer there"):
        await replay(broker.bootstrap, [entry], now=_now, topic=letters)
    assert await read_all(broker.bootstrap, listings) == []


async def test_a_missing_topic_is_said(broker: Broker, prefix: str) -> None:
    with pytest.raises(OperatorError, match=f"There is no topic {prefix}-none at .*takin topics apply"):
        await read_ledger(broker.bootstrap, topic=f"{prefix}-none")
