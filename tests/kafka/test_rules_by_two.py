"""``takin rules propose | show | approve | decline`` on a real broker: two people, by command."""

import asyncio
import json
from pathlib import Path

import pytest

from schemas.topics import LISTINGS, WATCHLIST
from streams.cli import main
from streams.local.kafka import LocalKafka
from streams.notices.casebook import sealing
from streams.notices.casebook.database import Casebook
from streams.watchlist.store import read_releases
from tests.kafka.test_screening_worker import listing
from tests.support.broker import create_topic, send
from tests.support.desk import add_accounts
from tests.support.lists import pack_text

pytestmark = [pytest.mark.kafka, pytest.mark.long]
OFFERED = "Hand carved elephant ivory bangle, 52 g"


async def test_by_command_a_release_takes_two_people_where_the_setting_asks(
    own_broker: LocalKafka,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bootstrap, url = own_broker.bootstrap, f"sqlite:///{tmp_path / 'casebook.db'}"
    for name, value in (
        ("KAFKA_BOOTSTRAP_SERVERS", bootstrap),
        ("DATABASE_URL", url),
        ("TAKIN_RULES_FOUR_EYES", "true"),
    ):
        monkeypatch.setenv(name, value)
    await create_topic(bootstrap, WATCHLIST.name, config={"cleanup.policy": "compact"})
    await create_topic(bootstrap, LISTINGS.name)
    await send(bootstrap, LISTINGS.name, listing(1, OFFERED), listing(2, "A blue mug"))
    book = Casebook.open(url)
    add_accounts(book)
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(pack_text("zero-tolerance", 9, outcome="monitor", if_unknown="monitor"))
    second.write_text(pack_text("zero-tolerance", 10))

    async def takin(*arguments: str, code: int = 0) -> str:
        assert await asyncio.to_thread(main, ["rules", *arguments]) == code, capsys.readouterr()
        said = capsys.readouterr()
        return said.out if code == 0 else said.err

    async def waiting() -> str:
        rows = [json.loads(line) for line in (await takin("proposals", "--json")).splitlines()]
        [one] = [row["change_id"] for row in rows if row["state"] == "proposed"]
        return str(one)

    async def approved(change_id: str, login: str = "lead", code: int = 0) -> str:
        mark = (await takin("show", change_id)).partition("--shown ")[2].partition(" ")[0]
        return await takin("approve", change_id, "--shown", mark, "--as", login, code=code)

    async def in_force() -> list[int]:
        told = await read_releases(bootstrap)
        return [one.version for one in told.values() if one.state == "active"]

    assert "takes two people" in await takin("release", str(first), code=2)
    assert "takes two people" in await takin("retire", "zero-tolerance", code=2)
    assert "is no account" in await takin("propose", str(first), "--as", "officer", "--reason", "x", code=2)
    said = await takin("propose", str(first), "--as", "analyst", "--reason", "bangles")
    assert "1 of 2 listings would be judged otherwise" in said
    change_id = await waiting()
    assert "notify -> monitor" in await takin("show", change_id)
    wrong = await takin("approve", change_id, "--shown", "0" * 16, "--as", "lead", code=2)
    assert "This is not what was shown to you" in wrong
    assert "is no account of the role lead" in await approved(change_id, "analyst", code=2)
    assert await in_force() == []
    await approved(change_id)
    assert await in_force() == [9]

    await takin("propose", str(second), "--as", "lead", "--reason", "wider")
    assert "another person has to release it" in await approved(await waiting(), code=2)
    await takin("decline", await waiting(), "--as", "lead", "--reason", "not now")
    await takin("propose", "--rollback", "zero-tolerance", "--as", "analyst", "--reason", "too quiet")
    await approved(await waiting())
    assert await in_force() == []
    with book.read() as tx:
        assert sealing.verify(tx).holds
    book.close()
