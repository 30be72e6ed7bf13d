"""``takin reference``: a list goes through the topic to every worker, and back again."""

import asyncio
import json
from pathlib import Path

import pytest

from streams.cli import main
from streams.local.kafka import LocalKafka
from streams.screening.topics import ScreeningTopics
from streams.watchlist.store import write_reference
from tests.kafka.test_live_rules import Verdicts, versions_of
from tests.kafka.test_screening_worker import Launch, launch, topics, until
from tests.support.broker import Broker, create_topic, read_all, send
from tests.unit.streams.reference.test_release import LIST, made

__all__ = ["launch", "topics"]


@pytest.mark.usefixtures("loaded_once")
async def test_a_list_is_imported_shown_and_taken_back(
    own_broker: LocalKafka,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", own_broker.bootstrap)
    monkeypatch.setenv("TAKIN_DATA_DIR", str(tmp_path / "data"))
    await create_topic(own_broker.bootstrap, "watchlist", config={"cleanup.policy": "compact"})
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text(LIST)
    bad.write_text(LIST + "Exemplaria mala,species,IX,,,\n")

    async def takin(*arguments: str, code: int = 0) -> tuple[str, str]:
        assert await asyncio.to_thread(main, ["reference", *arguments]) == code
        said = capsys.readouterr()
        return said.out, said.err

    _, said = await takin("import", str(bad), code=2)
    assert "line 6: Exemplaria mala: 'IX' is no appendix" in said
    told = json.loads((await takin("import", str(good), "--as-of", "2026-03-05", "--dry-run", "--json"))[0])
    assert (told["dry_run"], [one["name"] for one in told["appendix"]]) == (True, ["Panthera tigris"])
    assert await read_all(own_broker.bootstrap, "watchlist") == []
    assert not (tmp_path / "data").exists()

    said, _ = await takin("import", str(good), "--as-of", "2026-03-05")
    assert "4 taxa as of 2026-03-05: 2 added, 0 removed, 1 with another appendix" in said
    first = json.loads((await takin("status", "--json"))[0])
    assert first["in_force"]["version"] == first["in_force_here"] == told["version"]
    said, _ = await takin("show", "Exemplaria nova")
    assert "Exemplaria (genus), CITES Appendix II" in said

    good.write_text(LIST.replace("Exemplaria rara,species,I,", "Exemplaria rara,species,II,"))
    said, _ = await takin("import", str(good), "--as-of", "2026-03-06")
    assert "0 added, 0 removed, 1 with another appendix" in said
    said, _ = await takin("rollback")
    assert f"{told['version']} is in force" in said
    said, _ = await takin("rollback")
    assert "The built-in list alone is in force" in said
    assert json.loads((await takin("status", "--json"))[0])["in_force"] is None
    _, said = await takin("rollback", code=2)
    assert "nothing to go back from" in said

    await write_reference(own_broker.bootstrap, made(source="from another machine"))
    _, said = await takin("import", str(good), code=2)
    assert "--replace" in said


async def test_every_worker_uses_the_same_list_within_seconds_also_one_that_starts_later(
    broker: Broker, topics: ScreeningTopics, launch: Launch
) -> None:
    workers = [launch(real=True, TAKIN_PUBLISH_CLEAR="1")]
    await workers[0].ready()

    async def assigned() -> bool:
        return len((await workers[0].health())["partitions"]) == 4

    await until(assigned)
    before = await versions_of(workers)
    title = "Real Exemplaria rara skull, 30 cm, 100 USD"

    async with Verdicts(broker.bootstrap, topics) as verdicts:
        assert {one["outcome"] for one in await verdicts.on_every_partition(title)} == {"clear"}
        await write_reference(broker.bootstrap, made(), topic=topics.watchlist)

        async def moved() -> bool:
            return not await versions_of(workers) & before

        await until(moved, within_s=10.0)
        told = await verdicts.on_every_partition(title)
        assert {one["taxon"]["scientific_name"] for one in told} == {"Exemplaria rara"}
        assert all("as of 2026-03-05" in one["taxon"]["basis"] for one in told)

        late = launch(real=True, TAKIN_PUBLISH_CLEAR="1")
        await late.ready()
        workers.append(late)
        after = await versions_of(workers)
        assert len(after) == 1
        assert {(await worker.health())["reference"] for worker in workers} == {made().version}

        damaged = made(source="damaged").model_copy(update={"sha256": "0" * 64})
        await send(broker.bootstrap, topics.watchlist, (damaged.key.encode(), damaged.to_bytes()))

        async def set_aside() -> bool:
            letters = await read_all(broker.bootstrap, topics.dead_letters)
            return any(b"list of taxa is refused" in (record.value or b"") for record in letters)

        await until(set_aside, within_s=15.0)
        assert await versions_of(workers) == after
