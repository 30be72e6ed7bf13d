"""Workers and brokers killed while listings flow: nothing is lost, and the check can tell.

The big form is ``python -m tests.faults.screening_faults``; these are its small forms.
"""

import asyncio
from pathlib import Path

from streams.local.kafka import LocalKafka
from tests.faults.screening_faults import Outcome, Scenario, play
from tests.support.broker import Broker

W1 = Scenario("kill", workers=1, faults=5, seed=11, every_s=(2.5, 4.0), static=True)
W2 = Scenario("kill", workers=2, faults=5, seed=12, every_s=(7.0, 8.0), poison=True)
HASTY = Scenario("kill", workers=1, faults=3, seed=13, every_s=(3.0, 4.0), static=True, hasty=True)


def assert_lossless(outcome: Outcome) -> None:
    told = outcome.account
    assert told.lost == []
    assert told.lost_poison == []
    assert told.set_aside_neighbours == []
    assert told.progress_holes == []
    assert told.ids_with_two_detection_ids == 0
    assert outcome.violations == []
    assert outcome.at_rest, outcome.line()
    assert outcome.exits == []
    assert outcome.checks > 5, "too few looks at the commits to mean anything"


async def test_five_kills_lose_nothing_and_the_oracle_catches_a_worker_that_is_done_too_early(
    broker: Broker, tmp_path: Path
) -> None:
    # Side by side, because most of the time is spent waiting for the next kill.
    one, two, hasty = await asyncio.gather(
        *(play(scenario, broker.bootstrap, tmp_path) for scenario in (W1, W2, HASTY))
    )

    assert_lossless(one)
    assert_lossless(two)
    assert (one.account.listings, two.account.listings + two.account.poison) == (2_000, 2_000)
    assert two.account.poison == 80
    assert hasty.violations, "commits above undecided records went unnoticed"
    assert hasty.account.lost, "lost listings went unnoticed"
    assert not hasty.lossless


async def test_workers_resume_alone_after_the_broker_was_killed(
    own_broker: LocalKafka, tmp_path: Path
) -> None:
    scenario = Scenario("broker", workers=2, listings=2_000, faults=1, seed=14, every_s=(5.0, 6.0))

    assert_lossless(await play(scenario, own_broker.bootstrap, tmp_path, kafka=own_broker))
