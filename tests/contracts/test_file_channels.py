"""Channels that write files: each key once, whole or not at all, and nothing that a spreadsheet runs."""

import asyncio
import csv
import io
from pathlib import Path
from typing import Any

import pytest

from connectors.channels.csv_batch import COLUMNS
from connectors.errors import PlatformRefused, PlatformUnavailable, UnreadableAnswer
from connectors.platform import Delivery, Platform, RawAnswer
from connectors.registry import PlatformConfig, build
from schemas.notice import Notice
from tests.support.hostile import EXAMPLE, KEY, hostile_notices, many_items, notice

BATCH = "takin-bazaar-2026-03-09.csv"


def made(kind: str, folder: Path) -> Platform:
    return build(
        PlatformConfig(
            name="bazaar", kind=kind, base_url="https://bazaar.example", folder=folder, max_items=300
        )
    )


def delivery(platform: Platform, sent: Notice, *, attempt: int = 1) -> Delivery:
    rendered = platform.render(sent)
    return Delivery(sent.idempotency_key, rendered.body, rendered.content_type, attempt, 5.0)


def rows(path: Path) -> list[dict[str, str]]:
    text = path.read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def other(number: int) -> Notice:
    key = "n1_" + "".join("abcdefghij"[int(digit)] for digit in f"{number:052d}")
    return Notice.model_validate({**EXAMPLE, "idempotency_key": key})


@pytest.fixture(params=["csv", "desk"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_key_has_one_effect_however_often_it_is_delivered(kind: str, tmp_path: Path) -> None:
    platform = made(kind, tmp_path / "new" / "folder")

    receipts = [await platform.submit(delivery(platform, notice(), attempt=n)) for n in (1, 2, 3)]

    assert len({receipt.raw for receipt in receipts}) == 1
    assert not any(one.acknowledged or one.duplicate or one.received_at for one in receipts)
    assert not any(one.platform_reference for one in receipts)
    path = tmp_path / "new" / "folder" / receipts[0].raw.decode()
    if kind == "csv":
        assert [row["idempotency_key"] for row in rows(path)] == [KEY]
    else:
        assert Notice.from_bytes(path.read_bytes()) == notice()


async def test_the_same_key_with_another_text_is_refused(kind: str, tmp_path: Path) -> None:
    platform = made(kind, tmp_path)
    await platform.submit(delivery(platform, notice()))

    with pytest.raises(PlatformRefused, match="conflict"):
        await platform.submit(delivery(platform, notice(title="another")))


async def test_many_at_once_and_from_several_hands_lose_nothing(kind: str, tmp_path: Path) -> None:
    hands = [made(kind, tmp_path) for _ in range(3)]
    sent = [other(number) for number in range(20)]

    await asyncio.gather(*(hand.submit(delivery(hand, one)) for one in sent for hand in hands))

    keys = sorted(one.idempotency_key for one in sent)
    if kind == "csv":
        assert sorted(row["idempotency_key"] for row in rows(tmp_path / BATCH)) == keys
    else:
        assert (
            sorted(name.removesuffix(".json") for name in contents(tmp_path) if name.endswith(".json"))
            == keys
        )
    assert not [name for name in contents(tmp_path) if name.endswith(".part")]


async def test_a_crash_while_writing_leaves_what_was_there(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = made(kind, tmp_path)
    await platform.submit(delivery(platform, notice()))
    before = contents(tmp_path)
    with monkeypatch.context() as patch:

        def full(_: Any) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr("connectors.channels.folder.os.fsync", full)
        with pytest.raises(PlatformUnavailable, match="No space left"):
            await platform.submit(delivery(platform, other(1)))
    assert contents(tmp_path) == before

    await platform.submit(delivery(platform, other(1), attempt=2))

    after = contents(tmp_path)
    assert set(before) <= set(after)
    assert other(1).idempotency_key.encode() in b"".join(after.values())


async def test_nothing_comes_back_by_a_file(kind: str, tmp_path: Path) -> None:
    platform = made(kind, tmp_path)

    assert await platform.poll(KEY) is None
    with pytest.raises(UnreadableAnswer):
        platform.parse(RawAnswer("bazaar", "x", "desk", notice().issued_at, b"{}"))


async def test_a_folder_that_cannot_be_made_is_trouble_not_a_crash(kind: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    platform = made(kind, tmp_path / "file" / "folder")

    with pytest.raises(PlatformUnavailable):
        await platform.submit(delivery(platform, notice()))


async def test_a_batch_has_a_row_for_each_item_and_loses_nothing(tmp_path: Path) -> None:
    platform = made("csv", tmp_path)
    sent = many_items(300)
    await platform.submit(delivery(platform, sent))

    read = rows(tmp_path / BATCH)

    assert tuple(read[0]) == COLUMNS
    assert [row["listing_id"] for row in read] == [item.listing_id for item in sent.items]
    assert {row["reference"] for row in read} == {sent.human_reference}
    assert Notice.from_bytes(read[0]["notice_json"].encode()) == sent
    assert {row["notice_json"] for row in read[1:]} == {""}
    assert (tmp_path / BATCH).stat().st_size < 20 * len(sent.to_bytes())


@pytest.mark.parametrize("sent", hostile_notices(), ids=lambda one: ascii(one.items[0].title)[:30])
async def test_no_cell_runs_and_no_text_leaves_its_cell(sent: Notice, tmp_path: Path) -> None:
    platform = made("csv", tmp_path)
    await platform.submit(delivery(platform, sent))

    [row] = rows(tmp_path / BATCH)

    assert not [cell for cell in row.values() if cell.lstrip().startswith(("=", "+", "-", "@", "＝", "＋"))]
    text = (tmp_path / BATCH).read_text(encoding="utf-8-sig")
    assert not {"\u202e", "\u2066", "\u200b", "\u2028", "\x00", "\x1b"} & set(text)
    assert Notice.from_bytes(row["notice_json"].encode()) == sent
    plain = all(character.isprintable() for character in sent.items[0].title)
    if plain:
        shown = row["title"]
        assert (shown[1:] if shown.startswith("'") else shown) == sent.items[0].title


async def test_a_batch_that_somebody_spoilt_is_not_overwritten(tmp_path: Path) -> None:
    platform = made("csv", tmp_path)
    (tmp_path / BATCH).write_bytes(b"\xff\xfe\x00")

    with pytest.raises(PlatformRefused, match="conflict"):
        await platform.submit(delivery(platform, notice()))

    assert (tmp_path / BATCH).read_bytes() == b"\xff\xfe\x00"


async def test_rows_of_another_key_or_shape_are_refused(tmp_path: Path) -> None:
    platform = made("csv", tmp_path)
    body = platform.render(notice()).body

    for key, wrong in (("n1_" + "b" * 52, body), (KEY, b'"a","b"\r\n'), (KEY, b"")):
        with pytest.raises(PlatformRefused):
            await platform.submit(Delivery(key, wrong, "text/csv", 1, 1.0))
    with pytest.raises(PlatformRefused):
        await made("desk", tmp_path).submit(Delivery("../escape", b"{}", "application/json", 1, 1.0))
