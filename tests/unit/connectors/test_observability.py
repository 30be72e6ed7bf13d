"""Health is progress, and a wait that somebody asked for is no want of it."""

import pytest

from connectors.observability import Progress


class Clock:
    """Stands where it is put."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(clock: Clock) -> Progress:
    made = Progress(clock)
    made.expect("source", within_s=120.0)
    return made


@pytest.mark.parametrize(("seconds", "healthy"), [(120.0, True), (121.0, False)])
def test_a_part_that_does_not_get_on_for_its_limit_is_late(
    clock: Clock, progress: Progress, seconds: float, healthy: bool
) -> None:
    clock.at += seconds
    assert progress.health().ok == healthy

    progress.moved("source")
    assert progress.health().ok


def test_a_wait_that_was_asked_for_does_not_count_and_what_comes_after_it_does(
    clock: Clock, progress: Progress
) -> None:
    progress.waits("source", 3_600.0)
    clock.at += 3_000.0
    told = progress.health()
    assert told.ok
    assert told.summary == "source waits as asked, 600 s more"
    assert told.facts["waits_as_asked_s"] == {"source": 600.0}

    clock.at += 600.0 + 120.0
    assert progress.health().ok
    clock.at += 1.0
    assert not progress.health().ok
    assert progress.health().summary == "no progress: source for 3721 s"


def test_another_part_is_late_while_one_waits(clock: Clock, progress: Progress) -> None:
    progress.expect("kafka", within_s=60.0)
    progress.waits("source", 3_600.0)
    clock.at += 61.0

    assert progress.health().summary == "no progress: kafka for 61 s"
