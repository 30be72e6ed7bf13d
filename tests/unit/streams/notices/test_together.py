"""Writes that gather while another is under way."""

import asyncio
from collections.abc import Sequence

import pytest

from streams.notices.casebook.database import CasebookUnavailable
from streams.notices.together import Together


class Disk:
    """Takes items when it is let; refuses those that are named."""

    def __init__(self, *, broken: Sequence[int] = (), away: int = 0) -> None:
        self.transactions: list[tuple[int, ...]] = []
        self.broken = broken
        self.away = away
        self.free = asyncio.Event()
        self.free.set()

    async def write(self, items: Sequence[int]) -> Sequence[int]:
        await self.free.wait()
        if self.away:
            self.away -= 1
            raise CasebookUnavailable("away")
        if set(items) & set(self.broken):
            raise ValueError(items)
        self.transactions.append(tuple(items))
        return [10 * item for item in items]


def together(
    disk: Disk, *, at_once: int = 4, waits_s: Sequence[float] = (0.001, 0.001)
) -> Together[int, int]:
    return Together(disk.write, what="test", at_once=at_once, waits_s=waits_s)


async def test_a_lone_item_is_written_at_once_and_others_share_what_follows() -> None:
    disk = Disk()
    gathered = together(disk)
    disk.free.clear()
    writing = [asyncio.create_task(gathered.write(item)) for item in range(7)]
    await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    disk.free.set()

    assert await asyncio.gather(*writing) == [10 * item for item in range(7)]
    assert [item for many in disk.transactions for item in many] == list(range(7))
    assert max(len(many) for many in disk.transactions) == 4
    assert len(disk.transactions) < 7


async def test_one_that_cannot_be_written_harms_no_other() -> None:
    disk = Disk(broken=[2])
    gathered = together(disk)

    found = await asyncio.gather(*(gathered.write(item) for item in range(4)), return_exceptions=True)

    assert [one for one in found if isinstance(one, int)] == [0, 10, 30]
    assert isinstance(found[2], ValueError)


async def test_an_outage_is_waited_out_for_a_while_and_then_told_to_everybody() -> None:
    disk = Disk(away=2)
    assert await together(disk).write(1) == 10

    disk = Disk(away=3)
    found = await asyncio.gather(*(together(disk).write(item) for item in (1,)), return_exceptions=True)
    assert isinstance(found[0], CasebookUnavailable)


async def test_who_gave_up_before_its_turn_is_not_written() -> None:
    disk = Disk()
    gathered = together(disk, at_once=1)
    disk.free.clear()
    first, second = (asyncio.create_task(gathered.write(item)) for item in (1, 2))
    await asyncio.sleep(0.01)
    second.cancel()
    await asyncio.sleep(0)
    disk.free.set()

    assert await first == 10
    with pytest.raises(asyncio.CancelledError):
        await second
    assert disk.transactions == [(1,)]
