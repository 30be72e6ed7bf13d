"""The loop that fires deadlines when somebody sets the machine's clock."""

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from statistics import median
from typing import Any, TypeVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from streams.notices import handlers
from streams.notices.casebook.database import Casebook
from streams.notices.clock import (
    AGAIN_AFTER_S,
    BELIEVE_AFTER,
    HEARD_FOR,
    ClockUnsure,
    DeadlineClock,
    Listener,
    agreed,
)
from streams.notices.metrics import NoticeMetrics
from tests.support.notices import T0, make_desk

T = TypeVar("T")


class Machine:
    """A wall clock that can be set, and a steady one."""

    def __init__(self) -> None:
        self.steady = 1_000.0
        self.set_by = timedelta(0)

    def wall(self) -> datetime:
        return T0 + timedelta(seconds=self.steady - 1_000) + self.set_by


@pytest.fixture
def fired(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The times by which deadlines were asked to fire."""
    asked: list[datetime] = []

    def fire(tx: object, desk: object, *, now: datetime) -> int:
        asked.append(now)
        return 0

    monkeypatch.setattr(handlers, "fire_deadlines", fire)
    monkeypatch.setattr(handlers, "bring_back", lambda tx, desk, *, now: handlers.BroughtBack())
    monkeypatch.setattr("streams.notices.casebook.deadlines.any_due", lambda tx, *, now: True)
    return asked


class Loop:
    def __init__(self, machine: Machine) -> None:
        async def nothing_to_drain(_: datetime) -> int:
            return 0

        self.machine = machine
        self.metrics = NoticeMetrics(CollectorRegistry())
        self.casebook = Casebook.__new__(Casebook)
        self.casebook.look = self._now  # type: ignore[method-assign]
        self.casebook.run = self._now  # type: ignore[method-assign]
        self.clock = DeadlineClock(
            self.casebook,
            make_desk(),
            self.metrics,
            drain=nothing_to_drain,
            tick_s=0,
            clock=machine.wall,
            monotonic=lambda: machine.steady,
        )

    async def _now(self, function: Callable[..., T], *args: Any, **more: Any) -> T:
        return function(None, *args, **more)

    async def tick(self, seconds: float = 0.5) -> None:
        self.machine.steady += seconds
        await self.clock.step()

    @property
    def clock_wrong(self) -> float:
        return float(self.metrics.loop_errors.labels("clock", "clock_wrong")._value.get())

    @property
    def steps(self) -> float:
        return float(self.metrics.loop_errors.labels("clock", "clock_step")._value.get())


async def test_an_undisturbed_clock_is_the_wall_clock(fired: list[datetime]) -> None:
    machine = Machine()
    loop = Loop(machine)
    for _ in range(3):
        await loop.tick()

    assert fired == [T0 + timedelta(seconds=n / 2) for n in (1, 2, 3)]
    assert loop.steps == 0


async def test_set_forward_nothing_fires_early_and_it_is_told_once(fired: list[datetime]) -> None:
    machine = Machine()
    loop = Loop(machine)
    await loop.tick()
    machine.set_by = timedelta(hours=1)
    for _ in range(20):
        await loop.tick()

    assert fired[-1] == T0 + timedelta(seconds=10.5)
    assert loop.steps == 1


async def test_set_back_and_right_again_time_goes_on(fired: list[datetime]) -> None:
    machine = Machine()
    loop = Loop(machine)
    await loop.tick()
    machine.set_by = timedelta(hours=-1)
    await loop.tick()
    machine.set_by = timedelta(0)
    await loop.tick()

    assert fired == [T0 + timedelta(seconds=n) for n in (0.5, 1 - 3_600, 1.5)]


async def test_a_new_time_that_is_kept_is_believed(fired: list[datetime]) -> None:
    machine = Machine()
    loop = Loop(machine)
    await loop.tick()
    machine.set_by = timedelta(days=365)
    await loop.tick()
    await loop.tick(BELIEVE_AFTER.total_seconds())

    assert fired[-1] == machine.wall()


async def test_a_clock_corrected_slowly_is_followed(fired: list[datetime]) -> None:
    machine = Machine()
    loop = Loop(machine)
    for _ in range(100):
        machine.set_by += timedelta(seconds=1)
        await loop.tick()

    assert fired[-1] == machine.wall()
    assert loop.steps == 0


async def test_what_a_clock_ahead_had_planned_is_planned_anew_at_a_start_and_when_it_is_set_back(
    fired: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine()
    loop = Loop(machine)
    anew: list[datetime] = []

    def bring_back(tx: object, desk: object, *, now: datetime) -> handlers.BroughtBack:
        anew.append(now)
        return handlers.BroughtBack(notices=1)

    monkeypatch.setattr(handlers, "bring_back", bring_back)
    await loop.tick()
    await loop.tick()
    machine.set_by = timedelta(hours=2)
    await loop.tick()
    await loop.tick(3_600)  # asleep
    machine.set_by = timedelta(0)
    await loop.tick()
    machine.set_by = timedelta(hours=-2)
    await loop.tick()
    await loop.tick()
    await loop.tick(AGAIN_AFTER_S)
    await loop.tick(AGAIN_AFTER_S)

    assert anew == [
        T0 + timedelta(seconds=n)
        for n in (0.5, 3_601.5 + 7_200, 3_602.0, 3_602.5 - 7_200, 3_603.0 + AGAIN_AFTER_S - 7_200)
    ]


@pytest.mark.parametrize(
    ("set_by", "sure"),
    [
        (timedelta(0), True),
        (timedelta(seconds=50), True),
        (timedelta(hours=2), False),
        (timedelta(hours=-2), False),
    ],
)
async def test_nothing_is_done_by_a_clock_that_was_set_by_far_until_it_is_believed(
    set_by: timedelta, sure: bool, fired: list[datetime]
) -> None:
    machine = Machine()
    loop = Loop(machine)
    done: list[datetime] = []

    async def work() -> None:
        done.append(loop.clock.sure_now())

    step = loop.clock.careful(work)
    await step()  # at a start nobody knows better
    await loop.tick()
    machine.set_by = set_by
    await step()  # at once, before the clock itself has seen it
    assert len(done) == 1 + sure
    if not sure:
        with pytest.raises(ClockUnsure):
            loop.clock.sure_now()
    await loop.tick()
    await loop.tick(BELIEVE_AFTER.total_seconds())
    await step()

    assert len(done) == 2 + sure


async def test_what_could_not_be_planned_anew_is_at_the_next_step(
    fired: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = Loop(Machine())
    calls: list[datetime] = []

    def bring_back(tx: object, desk: object, *, now: datetime) -> handlers.BroughtBack:
        calls.append(now)
        if len(calls) < 3:
            raise ConnectionError("the casebook is away")
        return handlers.BroughtBack()

    monkeypatch.setattr(handlers, "bring_back", bring_back)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await loop.tick()
    await loop.tick()
    await loop.tick()

    assert len(calls) == 3


def others(machine: Machine, *apart: timedelta) -> list[float]:
    """What others say whose clocks are so far ahead of the true time."""
    return [(T0 + one).timestamp() - 1_000.0 for one in apart]


HOURS_2 = timedelta(hours=2)
RIGHT = timedelta(0)


@pytest.mark.parametrize("set_by", [HOURS_2, -HOURS_2])
async def test_a_process_that_starts_by_a_wrong_clock_hears_it_from_others_and_does_nothing_until_it_is_right(
    set_by: timedelta, fired: list[datetime]
) -> None:
    machine = Machine()
    loop = Loop(machine)
    machine.set_by = set_by
    loop.clock.hear(others(machine, RIGHT, timedelta(seconds=2)))
    assert not loop.clock.is_sure()
    await loop.tick()
    await loop.tick(BELIEVE_AFTER.total_seconds())
    loop.clock.hear(others(machine, RIGHT, timedelta(seconds=2)))
    await loop.tick(BELIEVE_AFTER.total_seconds())
    assert not loop.clock.is_sure()
    true = T0 + timedelta(seconds=machine.steady - 1_000)
    # Nothing fires before its time by either clock.
    assert fired[-1] == min(machine.wall(), true + timedelta(seconds=1))
    assert loop.clock_wrong == 2

    machine.set_by = RIGHT
    assert loop.clock.is_sure()
    await loop.tick()
    assert fired[-1] == machine.wall()


async def test_a_clock_that_was_set_right_is_believed_at_once_where_others_have_this_time(
    fired: list[datetime],
) -> None:
    machine = Machine()
    loop = Loop(machine)
    machine.set_by = -HOURS_2
    await loop.tick()
    assert loop.clock.is_sure()  # nobody was heard: nobody knows better
    machine.set_by = RIGHT
    await loop.tick()
    assert not loop.clock.is_sure()
    loop.clock.hear(others(machine, RIGHT))
    assert loop.clock.is_sure()
    await loop.tick()

    assert fired[-1] == machine.wall()


@pytest.mark.parametrize("told_again", [True, False])
async def test_a_step_of_seconds_accuses_nobody_unless_others_confirm_it(
    told_again: bool, fired: list[datetime]
) -> None:
    machine = Machine()
    loop = Loop(machine)
    loop.clock.hear(others(machine, RIGHT, RIGHT))
    await loop.tick()
    machine.set_by = timedelta(seconds=30)
    if told_again:
        loop.clock.hear(others(machine, timedelta(seconds=30), timedelta(seconds=31)))
    await loop.tick()

    assert loop.steps == 1  # it is told either way
    assert fired[-1] == (machine.wall() if told_again else machine.wall() - timedelta(seconds=30))


async def test_what_was_heard_counts_for_a_while_and_then_nobody_is_silent_for_ever(
    fired: list[datetime],
) -> None:
    machine = Machine()
    loop = Loop(machine)
    loop.clock.hear(others(machine, RIGHT, RIGHT))
    await loop.tick()
    machine.set_by = HOURS_2
    await loop.tick()
    loop.clock.hear([])  # they cannot be reached now
    await loop.tick(HEARD_FOR.total_seconds() - 2)  # and they told the old time
    await loop.tick(2)
    assert not loop.clock.is_sure()
    await loop.tick(BELIEVE_AFTER.total_seconds())

    assert loop.clock.is_sure()
    assert fired[-1] == machine.wall()


@pytest.mark.parametrize(
    ("heard", "told"),
    [
        ([], None),
        ([RIGHT], True),
        ([HOURS_2], None),  # one alone may have a wrong clock itself
        ([HOURS_2, HOURS_2], False),
        ([HOURS_2, -HOURS_2], None),
        ([HOURS_2, RIGHT], None),
        ([HOURS_2, RIGHT, RIGHT], True),
        ([HOURS_2, HOURS_2, RIGHT], None),
        ([timedelta(minutes=2), timedelta(minutes=2)], None),
        ([timedelta(seconds=3), timedelta(seconds=-3)], True),
        ([timedelta(seconds=30), timedelta(seconds=30)], None),
    ],
)
def test_most_of_the_others_confirm_a_time_and_only_all_of_several_doubt_it(
    heard: list[timedelta], told: bool | None
) -> None:
    assert agreed(500.0, [500.0 + one.total_seconds() for one in heard]) is told


@given(st.floats(-1e9, 1e9), st.lists(st.floats(-1e9, 1e9) | st.floats(-300, 300), max_size=8), st.randoms())
@example(250.0, [0.0, 9.0], Random(1))
def test_in_whatever_order_they_answer(offset: float, heard: list[float], chance: Random) -> None:
    shuffled = chance.sample(heard, len(heard))

    assert agreed(offset, shuffled) is agreed(offset, heard)
    if agreed(offset, heard) is False:
        # The time that is followed instead is near each of them, and they do not doubt it.
        assert len(heard) > 1
        assert all(abs(one - median(heard)) <= 60 for one in heard)
        assert agreed(median(heard), heard) is not False


async def test_others_are_asked_at_first_when_the_clock_was_set_while_it_is_doubted_and_now_and_then(
    fired: list[datetime],
) -> None:
    machine = Machine()
    loop = Loop(machine)
    asked: list[float] = []

    async def ask() -> list[float]:
        asked.append(machine.steady - 1_000)
        return others(machine, RIGHT, RIGHT)

    listener = Listener(loop.clock, ask, tick_s=0, monotonic=lambda: machine.steady)

    async def tick(seconds: float) -> None:
        await loop.tick(seconds)
        await listener.step()

    for seconds in (1, 1, 600, 400):
        await tick(seconds)
    machine.set_by = HOURS_2
    for seconds in (1, 1, 14, 1, 14):
        await tick(seconds)
    machine.set_by = RIGHT
    for seconds in (1, 1, 60):
        await tick(seconds)

    assert asked == [1, 1_002, 1_003, 1_018, 1_033, 1_034]
