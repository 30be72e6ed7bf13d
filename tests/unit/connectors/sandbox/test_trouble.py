from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest

from connectors.sandbox.scenario import Down, LimitsRate
from connectors.sandbox.trouble import Attempt, RateLimit, Struck, down_now, next_change, promise, strikes
from tests.unit.connectors.sandbox.desk_client import one_platform

T0 = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def struck(
    trouble: str,
    *,
    number: int = 1,
    throttled: int = 0,
    stumbled: int = 0,
    not_before: datetime | None = None,
    listing_id: str = "L1",
) -> Struck | None:
    scenario = one_platform(platform=f"trouble: [{trouble}]")
    attempt = Attempt(number, [listing_id], 1, throttled, stumbled, not_before)
    return strikes(scenario, scenario.platforms[0], attempt, rate_wait_s={}, now=T0)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("age", "down"), [(0, False), (9.9, False), (10, True), (14.9, True), (15, False), (50, False)]
)
def test_an_outage_has_its_time(age: float, down: bool) -> None:
    scenario = one_platform(platform="trouble: [{do: down, from_s: 10, for_s: 5}]")

    found = down_now(scenario, scenario.platforms[0], started_at=T0, now=at(age))

    assert (found is not None) is down
    if found:
        assert found[1] == at(15)


def test_an_outage_comes_back_and_keeps_to_the_scenarios_speed() -> None:
    scenario = one_platform(
        platform="trouble: [{do: down, from_s: 10, for_s: 5, every_s: 20}]", top="speed: 10"
    )
    platform = scenario.platforms[0]

    times = [age / 100 for age in range(0, 600, 25)]
    down = [t for t in times if down_now(scenario, platform, started_at=T0, now=at(t))]

    assert down == [1.0, 1.25, 3.0, 3.25, 5.0, 5.25]


def test_the_next_change_is_the_edge_ahead() -> None:
    once = Down(do="down", from_s=10, for_s=5)
    again = Down(do="down", from_s=10, for_s=5, every_s=20)

    def edges(down: Down, *ages: float) -> list[datetime | None]:
        return [next_change(down, 1.0, started_at=T0, now=at(age)) for age in ages]

    assert edges(once, 0, 12, 15) == [at(10), at(15), None]
    assert edges(again, 0, 12, 16, 31, 36) == [at(10), at(15), at(30), at(35), at(50)]


def test_a_key_is_throttled_for_its_first_tries() -> None:
    rule = "{do: throttles, tries: 2, retry_after_s: 4}"

    assert [struck(rule, throttled=n) is not None for n in range(3)] == [True, True, False]
    first = struck(rule)
    assert first is not None
    assert (first.wait_s, first.early) == (4, False)


def test_an_early_try_is_told_to_wait_for_the_rest() -> None:
    found = struck("{do: throttles, tries: 1}", throttled=1, not_before=at(3))

    assert found is not None
    assert (found.early, found.wait_s) == (True, 3)


def test_flaky_strikes_every_kth_request_or_the_first_of_a_key() -> None:
    every = [struck("{do: flaky, every: 3}", number=n) is not None for n in range(1, 7)]
    first = [struck("{do: flaky, first: 2}", stumbled=n) is not None for n in range(4)]

    assert every == [False, False, True, False, False, True]
    assert first == [True, True, False, False]


def test_trouble_may_be_for_some_listings_only() -> None:
    rule = "{do: throttles, when: {listing: 'ivory-*'}}"

    assert struck(rule, listing_id="ivory-1") is not None
    assert struck(rule, listing_id="horn-1") is None


@pytest.mark.parametrize(("wait", "text", "after"), [(0, "0", 0), (1, "1", 1), (1.2, "2", 2), (0.1, "1", 1)])
def test_seconds_are_whole_and_never_too_few(wait: float, text: str, after: float) -> None:
    assert promise(wait, "seconds", T0) == (text, at(after))


def test_a_date_is_never_too_early() -> None:
    text, instant = promise(1.0, "date", T0)

    assert text == "Sun, 01 Mar 2026 12:00:02 GMT"
    assert parsedate_to_datetime(text) == instant >= at(1)


def test_a_rate_limit_lets_the_burst_pass_then_the_rate() -> None:
    limit = RateLimit(LimitsRate(do="limits_rate", per_s=10, burst=3), speed=1)

    assert [limit.wait_s(T0) == 0 for _ in range(4)] == [True, True, True, False]
    assert limit.wait_s(T0) == pytest.approx(0.1)
    assert limit.wait_s(at(0.1)) == 0
    assert limit.wait_s(at(0.1)) > 0
