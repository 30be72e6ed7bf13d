"""The pure decisions of the guards."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.platform_config import PlatformConfig
from streams.notices.acts.people import ActRefused, person_named, same_person
from streams.notices.bridge import policy_of
from streams.notices.guards.breaker import CLOSED, Breaker, BreakerPolicy, admits, after, with_trial
from streams.notices.guards.health import score
from streams.notices.guards.record import Record, below
from streams.notices.handlers.ladder import due_of, step_after
from streams.notices.policy import Step, StopLine
from tests.support.notices import T0, at

POLICY = BreakerPolicy(failures=3, open_for=timedelta(seconds=30), longest=timedelta(seconds=100))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=60))
def test_a_breaker_lets_through_one_trial_at_a_time_and_never_stays_shut_for_longer_than_agreed(
    steps: list[tuple[bool, int]],
) -> None:
    found, now, failures = CLOSED, 0.0, 0
    for alive, wait in steps:
        now += wait
        places = admits(found, 4, at(now))
        if found.state == "closed":
            assert places == 4
            assert failures < POLICY.failures
        else:
            assert places in (0, 1)
            assert found.opened_at is not None
            assert found.retry_at is not None
            assert found.retry_at - at(now) <= POLICY.longest
        if not places:
            continue
        if found.state != "closed":
            found = with_trial(found, at(now), POLICY)
            assert admits(found, 4, at(now)) == 0, "one trial at a time"
        found = after(found, alive=alive, now=at(now), policy=POLICY)
        failures = 0 if alive else failures + 1
        assert (found.state == "closed") == (failures < POLICY.failures)


def test_a_trial_that_is_never_heard_of_does_not_shut_the_channel_for_ever() -> None:
    trial = with_trial(Breaker("open", 3, T0, T0, 1), T0, POLICY)

    assert admits(trial, 4, at(59)) == 0
    assert admits(trial, 4, at(60)) == 1


def test_the_wait_doubles_up_to_its_limit() -> None:
    found, waits = CLOSED, []
    for _ in range(3):
        found = after(found, alive=False, now=T0, policy=POLICY)
    for _ in range(4):
        assert found.retry_at is not None
        waits.append((found.retry_at - T0).total_seconds())
        found = after(with_trial(found, T0, POLICY), alive=False, now=T0, policy=POLICY)

    assert waits == [30, 60, 100, 100]


@given(
    good=st.integers(0, 1_000),
    bad=st.integers(0, 1_000),
    mean_s=st.floats(0, 1_000),
    oldest_s=st.floats(0, 1e6),
)
def test_health_is_between_0_and_1_and_one_more_failure_never_helps(
    good: int, bad: int, mean_s: float, oldest_s: float
) -> None:
    oldest = timedelta(seconds=oldest_s)
    found = score(good=good, bad=bad, mean_s=mean_s, oldest=oldest)

    assert 0 <= found <= 1
    assert score(good=good, bad=bad + 1, mean_s=mean_s, oldest=oldest) <= found


LADDER = (Step("regulator", 3.0), Step("reminder", 0.5), Step("contact", 1.0))


@pytest.mark.parametrize(
    ("name", "following"),
    [
        (None, "reminder"),
        ("reminder", "contact"),
        ("contact", "regulator"),
        ("regulator", None),
        ("gone", None),
    ],
)
def test_steps_follow_one_another_by_time_whatever_their_order_in_the_file(
    name: str | None, following: str | None
) -> None:
    found = step_after(LADDER, name)

    assert (found.name if found else None) == following


def test_a_step_moves_with_its_duty_and_keeps_its_share() -> None:
    hour = timedelta(hours=1)

    assert due_of(Step("reminder", 0.5), due_at=T0 + hour, length=hour) == T0 + hour / 2
    assert due_of(Step("regulator", 3.0), due_at=T0 + 2 * hour, length=hour) == T0 + 4 * hour


@pytest.mark.parametrize(
    ("record", "is_below"),
    [
        (Record(19, 0, 19, 0), False),
        (Record(20, 18, 2, 0), False),
        (Record(20, 17, 3, 0), True),
        (Record(100, 95, 0, 5), False),
        (Record(100, 94, 0, 6), True),
        (Record(0, 0, 0, 0), False),
    ],
)
def test_the_stop_line_is_90_percent_success_and_5_percent_overturned_from_20_on(
    record: Record, is_below: bool
) -> None:
    assert (below(record, StopLine()) is not None) == is_below


@pytest.mark.parametrize(
    "other", ["ada example", "ADA EXAMPLE", " Ada  Example ", "Ａda Example", "AdaExample"]
)
def test_one_person_is_one_person_however_the_name_is_written(other: str) -> None:
    assert same_person("Ada Example", other)


def test_another_person_is_another_person() -> None:
    assert not same_person("Ada Example", "Ada Exemple")


@pytest.mark.parametrize("name", ["", "   ", "\u200b", "a" * 101])
def test_nobody_is_no_person(name: str) -> None:
    with pytest.raises(ActRefused):
        person_named(name)


def test_a_name_cannot_act_on_whoever_reads_it() -> None:
    assert person_named("Ada\u202e\x1b[31m  Example\n") == "Ada[31m Example"


def test_the_platforms_file_sets_the_ladder_and_is_silent_where_the_regime_speaks() -> None:
    said = {"name": "shop", "kind": "xarf", "base_url": "https://shop.example", "api_key": "env:KEY"}
    quiet = PlatformConfig.model_validate({**said, "sla": {"regime": "default-platform"}, "escalation": []})
    usual = PlatformConfig.model_validate({**said, "sla": {"regime": "default-platform"}})

    assert policy_of(quiet).ladder == ()
    assert [(one.name, one.at) for one in policy_of(usual).ladder] == [
        ("reminder", 0.5),
        ("contact", 1.0),
        ("manager", 1.5),
        ("regulator", 3.0),
    ]
