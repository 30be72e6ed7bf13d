"""The cursor is never ahead of what is safe; trouble is waited out or told."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from connectors.cursors import CursorStore
from connectors.errors import PlatformRefused, PlatformUnavailable
from connectors.metrics import ConnectorMetrics
from connectors.platform import Page
from schemas.dead_letter import DeadLetter, dead_letter
from schemas.errors import OperatorError
from schemas.listing import Listing
from streams.connect.runner import Assignment, Runner, Source

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def listing(number: int) -> Listing:
    return Listing.sealed(
        platform="alpha",
        listing_id=str(number),
        url=f"https://a.example/{number}",
        observed_at=NOW,
        connector="test",
        run_id="r",
    )


def letter(number: int) -> DeadLetter:
    return dead_letter(
        stage="connector", reason="wrong_shape", detail="x", value=b"", now=NOW, origin=f"f:{number}"
    )


class _Source:
    """Ten listings in pages of three, from a cursor on; errors come where they are put."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.asked: list[str | None] = []

    async def read(self, since: str | None) -> AsyncIterator[Page]:
        self.asked.append(since)
        for start in range(int(since or 0), 10, 3):
            if self.errors and start >= 3:
                raise self.errors.pop(0)
            end = min(start + 3, 10)
            yield Page(tuple(listing(n) for n in range(start, end)), (letter(start),), str(end))


class _Sink:
    def __init__(self, cursors: CursorStore) -> None:
        self.cursors = cursors
        self.safe: list[str] = []
        self.letters: list[DeadLetter] = []
        self.breaks_at: int | None = None
        self.too_large: set[str] = set()

    async def publish(self, listings: Sequence[Listing]) -> tuple[DeadLetter, ...]:
        for one in listings:
            if self.breaks_at == len(self.safe):
                raise KeyboardInterrupt
            if one.listing_id not in self.too_large:
                self.safe.append(one.listing_id)
            cursor = self.cursors.load("test", "place")
            assert int(cursor or 0) <= int(one.listing_id)
        return tuple(letter(int(one.listing_id)) for one in listings if one.listing_id in self.too_large)

    async def set_aside(self, letters: Sequence[DeadLetter]) -> None:
        self.letters += letters


class _Clock:
    def __init__(self) -> None:
        self.slept: list[float] = []
        self.dies = False
        self.slept_before: Callable[[], bool] = lambda: True
        """What has to be true of every sleep."""

    async def sleep(self, seconds: float) -> None:
        assert self.slept_before()
        self.slept.append(seconds)
        if self.dies or len(self.slept) > 20:
            raise KeyboardInterrupt


class _Bench:
    def __init__(self, tmp_path: Path, source: Source, **options: Any) -> None:
        self.cursors = CursorStore(tmp_path)
        self.sink = _Sink(self.cursors)
        self.clock = _Clock()
        self.registry = CollectorRegistry()
        self.at = NOW
        self.waits: list[float] = []
        self.assignment = Assignment("test", "place", "alpha", **options)
        self.runner = Runner(
            source,
            self.sink,
            self.assignment,
            cursors=self.cursors,
            metrics=ConnectorMetrics(self.registry),
            now=lambda: self.at,
            waits=self.waits.append,
            sleep=self.clock.sleep,
        )


async def test_everything_is_published_once_and_the_cursor_stands_at_the_end(tmp_path: Path) -> None:
    bench = _Bench(tmp_path, _Source())
    tally = await bench.runner.run()

    assert bench.sink.safe == [str(number) for number in range(10)]
    assert len(bench.sink.letters) == 4
    assert bench.cursors.load("test", "place") == "10"
    summary = tally.summary(bench.assignment)
    assert (summary["read"], summary["published"], summary["set_aside"]) == (14, 10, {"wrong_shape": 4})


@pytest.mark.parametrize("killed_at", range(10))
async def test_killed_at_any_listing_and_started_again_none_is_missing(
    tmp_path: Path, killed_at: int
) -> None:
    first = _Bench(tmp_path, _Source())
    first.sink.breaks_at = killed_at
    with pytest.raises(KeyboardInterrupt):
        await first.runner.run()
    second = _Bench(tmp_path, _Source())
    await second.runner.run()

    assert set(first.sink.safe) | set(second.sink.safe) == {str(number) for number in range(10)}
    assert len(set(first.sink.safe) & set(second.sink.safe)) < 3


async def test_a_place_that_is_away_for_a_while_is_waited_for_from_the_last_page(tmp_path: Path) -> None:
    away = [PlatformUnavailable("timeout", "x"), PlatformUnavailable("throttled", "x", retry_after_s=90.0)]
    source = _Source(*away)
    bench = _Bench(tmp_path, source)
    tally = await bench.runner.run()

    assert bench.sink.safe == [str(number) for number in range(10)]
    assert source.asked == [None, "3", "3"]
    assert bench.clock.slept[0] <= 1.0
    assert bench.clock.slept[1] >= 90.0
    assert bench.waits == bench.clock.slept[1:]  # the other was not asked for
    assert tally.failures == {"timeout": 1, "throttled": 1}


THROTTLED = PlatformUnavailable("throttled", "HTTP 429", retry_after_s=600.0)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def killed_in_a_wait(folder: Path) -> None:
    """The platform asks for ten minutes, and the process is killed as they begin."""
    bench = _Bench(folder, _Source(THROTTLED))
    bench.clock.dies = True
    with pytest.raises(KeyboardInterrupt):
        await bench.runner.run()


async def test_killed_in_a_wait_that_the_platform_asked_for_it_sits_out_the_rest(tmp_path: Path) -> None:
    await killed_in_a_wait(tmp_path)
    source = _Source()
    again = _Bench(tmp_path, source)
    again.at = NOW + timedelta(minutes=4)
    again.clock.slept_before = lambda: source.asked == []
    await again.runner.run()

    assert again.clock.slept == again.waits == [360.0]
    assert source.asked == ["3"]

    late = _Bench(tmp_path, _Source())
    late.at = NOW + timedelta(minutes=10)
    await late.runner.run()
    assert late.clock.slept == []


async def test_a_clock_that_was_set_back_makes_no_wait_longer_and_none_begins_anew(tmp_path: Path) -> None:
    await killed_in_a_wait(tmp_path)
    first = _Bench(tmp_path, _Source())
    first.at = NOW - timedelta(days=400)
    first.clock.dies = True
    with pytest.raises(KeyboardInterrupt):
        await first.runner.run()
    second = _Bench(tmp_path, _Source())
    second.at = first.at + timedelta(minutes=9)
    await second.runner.run()

    assert (first.clock.slept, second.clock.slept) == ([600.0], [60.0])


async def test_a_backoff_of_our_own_is_not_sat_out_by_the_next_run(tmp_path: Path) -> None:
    first = _Bench(tmp_path, _Source(PlatformUnavailable("timeout", "x")))
    first.clock.dies = True
    with pytest.raises(KeyboardInterrupt):
        await first.runner.run()
    second = _Bench(tmp_path, _Source())
    await second.runner.run()

    assert second.clock.slept == []


async def test_a_run_that_gives_up_leaves_the_wait_to_the_next(tmp_path: Path) -> None:
    first = _Bench(tmp_path, _Source(*[THROTTLED] * 4))
    with pytest.raises(OperatorError, match="after 4 tries"):
        await first.runner.run()
    second = _Bench(tmp_path, _Source())
    await second.runner.run()

    assert second.clock.slept == [600.0]


async def test_a_dry_run_tells_a_wait_and_keeps_none(tmp_path: Path) -> None:
    told = _Bench(tmp_path, _Source(THROTTLED), remember=False)
    with pytest.raises(OperatorError, match=r"alone until 2026-11-23T12:10:00\+00:00, 600 s from here"):
        await told.runner.run()
    assert (told.clock.slept, files(tmp_path)) == ([], {})

    await killed_in_a_wait(tmp_path)
    kept = files(tmp_path)
    source = _Source()
    later = _Bench(tmp_path, source, remember=False)
    later.at = NOW - timedelta(days=1)
    with pytest.raises(OperatorError, match="a dry run does not wait"):
        await later.runner.run()
    assert (source.asked, later.clock.slept) == ([], [])
    assert files(tmp_path) == kept


async def test_a_dry_run_sits_through_a_brief_wait(tmp_path: Path) -> None:
    brief = PlatformUnavailable("throttled", "HTTP 429", retry_after_s=10.0)
    bench = _Bench(tmp_path, _Source(brief), remember=False)
    await bench.runner.run()

    assert bench.clock.slept == [10.0]


async def test_a_place_that_stays_away_is_told_when_the_run_was_to_end(tmp_path: Path) -> None:
    bench = _Bench(tmp_path, _Source(*[PlatformUnavailable("connect", "refused")] * 9))

    with pytest.raises(OperatorError, match=r"after 4 tries: refused \(connect\)"):
        await bench.runner.run()
    assert bench.cursors.load("test", "place") == "3"


async def test_a_place_that_refuses_us_is_told_at_once(tmp_path: Path) -> None:
    bench = _Bench(tmp_path, _Source(PlatformRefused("unauthorised", "HTTP 401")), follow=True)

    with pytest.raises(OperatorError, match="HTTP 401"):
        await bench.runner.run()
    assert bench.clock.slept == []


async def test_following_looks_again_after_the_interval(tmp_path: Path) -> None:
    source = _Source()
    bench = _Bench(tmp_path, source, follow=True, interval_s=7.0)

    with pytest.raises(KeyboardInterrupt):
        await bench.runner.run()
    assert set(bench.clock.slept) == {7.0}
    assert source.asked[:3] == [None, "10", "10"]
    assert len(bench.sink.safe) == 10


class _Tail:
    """Never ends by itself; says that it stands at the end."""

    async def read(self, since: str | None) -> AsyncIterator[Page]:
        yield Page((listing(1),), (), "1")
        yield Page((), at_end=True)
        raise KeyboardInterrupt


async def test_a_source_that_never_ends_is_fresh_when_it_stands_at_its_end(tmp_path: Path) -> None:
    bench = _Bench(tmp_path, _Tail(), follow=True)

    with pytest.raises(KeyboardInterrupt):
        await bench.runner.run()
    labels = {"connector": "test", "platform": "alpha"}
    fresh = bench.registry.get_sample_value("takin_connector_last_success_timestamp_seconds", labels)
    assert fresh == NOW.timestamp()
    assert bench.cursors.load("test", "place") == "1"


@pytest.mark.parametrize("limit", [1, 2, 4, 5, 8, 13])
async def test_the_limit_is_kept_and_skips_nothing(tmp_path: Path, limit: int) -> None:
    bench = _Bench(tmp_path, _Source(), limit=limit)
    tally = await bench.runner.run()
    rest = _Bench(tmp_path, _Source())
    await rest.runner.run()

    assert tally.read == limit
    assert set(bench.sink.safe) | set(rest.sink.safe) == {str(number) for number in range(10)}


async def test_what_kafka_will_never_take_is_set_aside_and_counted(tmp_path: Path) -> None:
    bench = _Bench(tmp_path, _Source())
    bench.sink.too_large = {"4"}
    tally = await bench.runner.run()

    assert (tally.published, len(bench.sink.letters)) == (9, 5)
    assert bench.cursors.load("test", "place") == "10"
    name = "takin_dead_letters_total"
    assert bench.registry.get_sample_value(name, {"stage": "connector", "reason": "wrong_shape"}) == 5


async def test_a_dry_run_remembers_nothing(tmp_path: Path) -> None:
    bench = _Bench(tmp_path, _Source(), remember=False)
    await bench.runner.run()

    assert bench.cursors.load("test", "place") is None
