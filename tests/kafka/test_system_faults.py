"""A few faults of the whole machine; ``make faults`` plays all kinds for longer."""

import random
from pathlib import Path

import pytest

from tests.faults.fault_kinds import KINDS
from tests.faults.system_faults import (
    ALL_KINDS,
    SQLITE_ONLY,
    Plan,
    chosen_kinds,
    cut,
    play,
    turns,
    write_listings,
)
from tests.faults.world_kinds import WORLD_KINDS

FEW = (
    "power cut: kill -9 everything",
    "network: every reply lost",
    "poison flood",
    "listings published again",
)


@pytest.mark.long
async def test_nothing_is_lost_or_doubled_over_a_power_cut_and_lost_replies(tmp_path: Path) -> None:
    plan = Plan(listings=1_000, faults=len(FEW), seed=20_261_126, rate=50, hold_s=2.0, kinds=FEW)
    print(f"seed {plan.seed}")

    outcome = await play(plan, tmp_path)

    assert outcome.holds, outcome.line()
    assert len(outcome.done) == len(FEW)
    assert outcome.account.planted > 5
    assert outcome.account.poison > 0
    assert outcome.repeated > 0


def test_each_place_plays_what_it_can() -> None:
    assert chosen_kinds(None, world=False) == list(KINDS)
    assert set(chosen_kinds(None, world=True)) == ALL_KINDS.keys() - {SQLITE_ONLY}
    assert chosen_kinds("disk,partition", world=False) == []
    assert chosen_kinds("disk,partition", world=True) == [
        name for name in WORLD_KINDS if "disk" in name or "partition" in name
    ]


def test_a_run_that_ends_early_keeps_the_ids_that_are_left(tmp_path: Path) -> None:
    source, _, ids, _ = write_listings(tmp_path, Plan(listings=50, faults=1, seed=1, rate=1))

    left = cut(source, 20)

    assert len(left) == 20
    assert left < ids
    assert len(source.read_bytes().splitlines()) == 20


@pytest.mark.parametrize("faults", [1, 5, 12])
def test_every_kind_has_its_turn_before_one_comes_again(faults: int) -> None:
    found = turns(Plan(1, faults, 1, 1, kinds=FEW), random.Random(1))

    assert len(found) == faults
    assert len(set(found)) == min(faults, len(FEW))
