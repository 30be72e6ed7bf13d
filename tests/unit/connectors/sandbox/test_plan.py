from typing import Literal

import pytest

from connectors.sandbox.plan import ItemPlan, choose_rule, plan_item
from connectors.sandbox.scenario import Scenario
from tests.unit.connectors.sandbox.desk_client import one_platform

Shelf = Literal["online", "gone", "unknown"]


def plan(scenario: Scenario, listing_id: str = "L1", round_: int = 1, shelf: Shelf = "online") -> ItemPlan:
    return plan_item(
        scenario, scenario.platforms[0], item_id="i", listing_id=listing_id, round_=round_, shelf=shelf
    )


def told(plan: ItemPlan) -> list[tuple[float, str]]:
    return [(round(step.after_s, 3), step.word or step.do) for step in plan.steps]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{do: prompt, after_s: 2}", [(2, "remove"), (2, "REMOVED")]),
        ("{do: slow}", [(15, "remove"), (15, "REMOVED")]),
        ("{do: prompt, word: DISABLED}", [(1, "remove"), (1, "DISABLED")]),
        ("{do: prompt, word: DEMOTED}", [(1, "DEMOTED")]),
        ("{do: refuses}", [(2, "KEPT_LAWFUL")]),
        ("{do: refuses, because: insufficient}", [(2, "KEPT_INSUFFICIENT")]),
        ("{do: refuses, because: not_hosted}", [(2, "NOT_HOSTED_HERE")]),
        ("{do: says_removed_and_isnt}", [(2, "REMOVED")]),
        ("{do: relists}", [(1, "remove"), (1, "REMOVED"), (11, "relist")]),
        (
            "{do: relists, says_reinstated: true}",
            [(1, "remove"), (1, "REMOVED"), (11, "relist"), (11, "REINSTATED")],
        ),
        ("{do: silent}", []),
        ("{do: says, word: HM}", [(2, "HM")]),
        ("{do: says, word: HM, page: goes}", [(2, "remove"), (2, "HM")]),
        ("{do: needs_information}", [(1, "NEED_MORE_INFORMATION"), (61, "KEPT_INSUFFICIENT")]),
        ("", [(1, "remove"), (1, "REMOVED")]),
    ],
)
def test_each_rule_has_its_plan(rule: str, expected: list[tuple[float, str]]) -> None:
    assert told(plan(one_platform(rule))) == expected


def test_a_relister_stops_after_its_rounds() -> None:
    assert told(plan(one_platform("{do: relists, rounds: 1}"), round_=2)) == [(1, "remove"), (1, "REMOVED")]


def test_words_before_the_decision_are_spread_before_it() -> None:
    scenario = one_platform(
        "{do: slow, after_s: 10}", platform="answers: {first_words: [RECEIVED, IN_REVIEW]}"
    )

    assert told(plan(scenario))[:2] == [(0, "RECEIVED"), (5, "IN_REVIEW")]


def test_speed_divides_every_time() -> None:
    assert told(plan(one_platform("{do: relists}", top="speed: 10"))) == [
        (0.1, "remove"),
        (0.1, "REMOVED"),
        (1.1, "relist"),
    ]


def test_what_is_gone_or_unknown_is_said_so_but_not_by_the_silent() -> None:
    scenario = one_platform("{do: prompt, after_s: 3}")

    assert told(plan(scenario, shelf="gone")) == [(3, "ALREADY_GONE")]
    assert told(plan(scenario, shelf="unknown")) == [(3, "NOT_HOSTED_HERE")]
    assert told(plan(one_platform("{do: silent}"), shelf="unknown")) == []


def test_jitter_is_bounded_and_the_same_every_time() -> None:
    scenario = one_platform("{do: prompt, after_s: 10}", top="jitter: 0.2")
    times = [plan(scenario, f"L{n}").steps[0].after_s for n in range(100)]

    assert times == [plan(scenario, f"L{n}").steps[0].after_s for n in range(100)]
    assert all(8 <= time <= 12 for time in times)
    assert len(set(times)) > 90


def test_with_jitter_the_page_still_goes_when_it_is_said() -> None:
    steps = plan(one_platform("{do: prompt, after_s: 10}", top="jitter: 1")).steps

    assert steps[0].after_s == steps[1].after_s


def test_shares_split_the_listings_and_another_seed_splits_them_otherwise() -> None:
    def split(seed: int) -> list[str]:
        scenario = one_platform("{do: refuses, when: {share: 0.3}}, {do: silent}", top=f"seed: {seed}")
        return [choose_rule(scenario, scenario.platforms[0], f"L{n}", 1).do for n in range(1_000)]

    assert 250 < split(1).count("refuses") < 350
    assert split(1) == split(1)
    assert split(1) != split(2)


def test_the_first_rule_that_matches_decides() -> None:
    scenario = one_platform("{do: refuses, when: {listing: 'ivory-*'}}, {do: slow, when: {round: 2}}")

    def chosen(listing_id: str, round_: int) -> str:
        return choose_rule(scenario, scenario.platforms[0], listing_id, round_).do

    assert (chosen("ivory-1", 2), chosen("horn-1", 2), chosen("horn-1", 1)) == ("refuses", "slow", "prompt")
