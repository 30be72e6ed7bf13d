"""Entries are written, listed and removed on the real topic."""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.errors import OperatorError
from schemas.watchlist import WatchlistEntry
from streams.cli import main
from streams.local.kafka import LocalKafka
from streams.watchlist.exchange import entry_id_of
from streams.watchlist.store import read_entries, remove_entry, write_entries
from tests.support.broker import Broker, MakeTopic, create_topic, send
from tests.support.notices import T0

pytestmark = pytest.mark.kafka


def entry(value: str, **changes: object) -> WatchlistEntry:
    fields = {
        "entry_id": entry_id_of("code_word", value),
        "kind": "code_word",
        "value": value,
        "reason": "stands for ivory",
        "source": "a test",
        "added_by": "tester",
        "added_at": T0,
    }
    return WatchlistEntry.model_validate({**fields, **changes})


async def test_the_newest_entry_under_an_id_is_the_valid_one(broker: Broker, make_topic: MakeTopic) -> None:
    topic = await make_topic("watchlist", config={"cleanup.policy": "compact"})
    first = entry("white plastic")
    second = entry("white plastic", reason="seen again", added_at=T0 + timedelta(days=1))

    await write_entries(broker.bootstrap, [first, entry("jelly"), second], topic=topic)

    found = await read_entries(broker.bootstrap, topic=topic)
    assert set(found) == {first.entry_id, entry_id_of("code_word", "jelly")}
    assert found[first.entry_id] == second


async def test_a_removed_entry_is_gone_and_an_unknown_one_is_said(
    broker: Broker, make_topic: MakeTopic
) -> None:
    topic = await make_topic("watchlist", config={"cleanup.policy": "compact"})
    await write_entries(broker.bootstrap, [entry("jelly")], topic=topic)
    entry_id = entry("jelly").entry_id

    await remove_entry(broker.bootstrap, entry_id, now=T0, topic=topic)

    assert await read_entries(broker.bootstrap, topic=topic) == {}
    with pytest.raises(OperatorError, match=entry_id):
        await remove_entry(broker.bootstrap, entry_id, now=T0, topic=topic)


async def test_a_record_that_is_no_entry_harms_no_other(broker: Broker, make_topic: MakeTopic) -> None:
    topic = await make_topic("watchlist", config={"cleanup.policy": "compact"})
    await send(broker.bootstrap, topic, (b"x", b"\xff"), (b"y", b'{"type": "entry"}'))
    await write_entries(broker.bootstrap, [entry("jelly")], topic=topic)

    assert set(await read_entries(broker.bootstrap, topic=topic)) == {entry("jelly").entry_id}


def test_the_same_word_gets_the_same_readable_id() -> None:
    assert entry_id_of("code_word", "White Plastic!").startswith("code_word.white-plastic.")
    assert entry_id_of("code_word", "象牙") == entry_id_of("code_word", "象牙")
    assert entry_id_of("code_word", "象牙") != entry_id_of("code_word", "虎骨")


async def test_a_file_is_imported_whole_and_comes_out_again(
    own_broker: LocalKafka,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """Through the command itself, which reads and writes the topic named watchlist."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", own_broker.bootstrap)
    monkeypatch.setenv("TAKIN_DATA_DIR", str(tmp_path / "data"))
    await create_topic(own_broker.bootstrap, "watchlist", config={"cleanup.policy": "compact"})
    file = tmp_path / "words.csv"
    again = tmp_path / "again.csv"

    async def takin(*arguments: str, code: int = 0) -> tuple[bytes, bytes]:
        assert await asyncio.to_thread(main, ["watchlist", *arguments]) == code
        sys.stdout.flush()
        return capfdbinary.readouterr()

    file.write_text("kind,value,reason,source\nterm,moon biscuit,=r,s\nphone,+44 1632 960,r,s\n")
    assert b"2 added" in (await takin("import", str(file), "--dry-run"))[0]
    assert (await takin("export"))[0].count(b"\n") == 1

    await takin("import", str(file))
    for_others, _ = await takin("export")
    assert b"hmac-sha256:" in for_others
    assert b"1632" not in for_others
    again.write_bytes(for_others)
    assert b"line 2: value: this is a keyed name" in (await takin("import", str(again), code=2))[1]

    exported, _ = await takin("export", "--clear-sellers", "backup of 3 May")
    assert b"'=r" in exported
    again.write_bytes(exported)
    assert b"0 added, 0 changed, 2 unchanged." in (await takin("import", str(again)))[0]

    file.write_text("kind,value,reason,source\nterm,sun biscuit,r,s\nterm,x,r,s\n")
    _, said = await takin("import", str(file), code=2)
    assert b"line 3: value" in said
    assert (await takin("export", "--clear-sellers", "backup of 3 May"))[0] == exported
