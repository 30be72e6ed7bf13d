"""``takin rules release | status | retire`` on a real broker, through the command itself."""

import asyncio
import json
from pathlib import Path

import pytest

from streams.cli import main
from streams.local.kafka import LocalKafka
from tests.support.broker import create_topic, read_all
from tests.unit.streams.screening.test_releases import pack_text

pytestmark = pytest.mark.usefixtures("loaded_once")


async def test_a_pack_is_released_shown_and_retired(
    own_broker: LocalKafka,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", own_broker.bootstrap)
    await create_topic(own_broker.bootstrap, "watchlist", config={"cleanup.policy": "compact"})
    good, candidate, bad = tmp_path / "good.yaml", tmp_path / "candidate.yaml", tmp_path / "bad.yaml"
    good.write_text(pack_text("zero-tolerance", 2))
    candidate.write_text(pack_text("zero-tolerance", 3))
    bad.write_text(pack_text(when="nonsense"))

    async def takin(*arguments: str, code: int = 0) -> tuple[str, str]:
        assert await asyncio.to_thread(main, ["rules", *arguments]) == code
        said = capsys.readouterr()
        return said.out, said.err

    async def states() -> dict[str, str]:
        rows = [json.loads(line) for line in (await takin("status", "--json"))[0].splitlines()]
        return {f"{row['pack']}@{row['version']}": row["state"] for row in rows}

    await takin("release", str(good))
    await takin("release", str(candidate), "--shadow")
    assert await states() == {
        "appendix-two@5": "built-in",
        "zero-tolerance@1": "built-in, replaced",
        "zero-tolerance@2": "active",
        "zero-tolerance@3": "shadow",
    }

    _, said = await takin("release", str(bad), code=2)
    assert f"bad.yaml:{1 + bad.read_text().splitlines().index('  when: nonsense')}: " in said
    bad.write_bytes(b"#" * 10_000_000)
    _, said = await takin("release", str(bad), code=2)
    assert "larger than 512,000 bytes" in said
    _, said = await takin("retire", "bangles", code=2)
    assert "No pack bangles is released" in said
    assert len(await read_all(own_broker.bootstrap, "watchlist")) == 2

    await takin("retire", "zero-tolerance", "--shadow")
    assert (await states())["zero-tolerance@2"] == "active"
    await takin("retire", "zero-tolerance")
    assert await states() == {
        "appendix-two@5": "built-in",
        "zero-tolerance@1": "built-in",
        "zero-tolerance@2": "retired",
        "zero-tolerance@3": "retired",
    }
    assert "zero-tolerance@2    retired" in (await takin("status"))[0]
