"""No commit passes an undecided record: the ledger alone, and the book against a model of a log."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from hypothesis import given
from hypothesis import strategies as st

from streams.screening.lossless.batch import Batch
from streams.screening.lossless.book import Book
from streams.screening.lossless.ledger import Decided, Ledger, Offer

PART = TopicPartition("listings", 0)
SEEDS = 500


@dataclass(frozen=True)
class Row:
    """A record, as far as the book looks at it."""

    offset: int


@dataclass
class ModelLog:
    """A log with gaps, whose fetch position and broker misbehave now and then."""

    dice: random.Random
    offsets: list[int]
    position: int = 0
    committed: int | None = None
    announced_to: int = 0
    decided: set[int] = field(default_factory=set)
    meanwhile: Callable[[], None] = lambda: None
    """What others do while an answer of the broker is awaited."""

    async def start_reading(self, partition: TopicPartition) -> tuple[int, int | None]:
        self.position = self.committed or 0
        return self.position, self.committed

    async def seek(self, partition: TopicPartition, offset: int) -> None:
        self.position = offset

    async def first_at(self, partition: TopicPartition, offset: int) -> int | None:
        if self.dice.random() < 0.1:
            return None
        return next((there for there in self.offsets if there >= offset), None)

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        offset = offsets[PART]
        undecided = [there for there in self.offsets if there < offset and there not in self.decided]
        assert not undecided, f"commit {offset} passes {undecided}"
        assert offset <= self.announced_to, f"commit {offset} was announced to {self.announced_to} only"
        self.meanwhile()
        if self.dice.random() < 0.2:
            raise KafkaError("refused")
        self.committed = offset

    async def announce(self, runs: Mapping[TopicPartition, Decided]) -> None:
        run = runs[PART]
        assert run.first <= self.announced_to, f"hole between {self.announced_to} and {run.first}"
        told = [offset for note in run.notes for offset in note]  # type: ignore[attr-defined]
        assert told == [there for there in self.offsets if run.first <= there < run.next]
        self.meanwhile()
        if self.dice.random() < 0.1:
            raise KafkaError("not acknowledged")
        self.announced_to = max(self.announced_to, run.next)

    def fetch(self) -> list[Row]:
        """Some records from the position on, which is confused in one fetch of five."""
        confused = self.dice.random() < 0.2
        position = max(0, self.position + self.dice.randint(-10, 10)) if confused else self.position
        rows = [Row(offset) for offset in self.offsets if offset >= position][: self.dice.randint(1, 9)]
        if rows:
            self.position = rows[-1].offset + 1
        return rows


def leave(why: str) -> None:
    raise SystemExit(why)


async def live_through(seed: int) -> Book:
    """Fetch, complete in any order, fail, rebalance, be killed, commit: until all is committed."""
    dice = random.Random(seed)
    size = dice.randint(20, 120)
    log = ModelLog(dice, [o for o in range(size) if dice.random() > 0.1 or o == size - 1])

    def new_book() -> Book:
        return Book(log, log.announce, leave, max_failures=10**9)

    book, in_hand = new_book(), list[Batch]()

    def end_one() -> None:
        if not in_hand:
            return
        batch = in_hand.pop(dice.randrange(len(in_hand)))
        if dice.random() < 0.9:
            batch.take()
            offsets = [row.offset for row in batch.records]
            log.decided.update(offsets)
            batch.done(offsets)
        else:
            batch.failed("told to")

    log.meanwhile = end_one
    for _ in range(20_000):
        if log.committed == size:
            assert log.decided == set(log.offsets)
            assert log.announced_to == size
            return book
        ledger = book.ledger(PART)
        if ledger is None:
            await book.open(PART)
            continue
        chance = dice.random()
        if chance < 0.35:
            if PART in book.with_room([PART]) and (batch := await book.admit(PART, log.fetch())) is not None:
                in_hand.append(batch)
        elif chance < 0.8 and in_hand:
            end_one()
        elif chance < 0.85:
            book.drop()
        elif chance < 0.87:
            in_hand.clear()
            book = new_book()
        else:
            await book.commit([PART])
    raise AssertionError(f"stuck: committed {log.committed} of {size}")


async def test_no_commit_passes_an_undecided_record_and_all_are_decided_in_the_end() -> None:
    seen = {"gaps": 0, "seek_backs": 0, "failures": 0, "refused_commits": 0}
    for seed in range(SEEDS):
        try:
            book = await live_through(seed)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        for name in seen:
            seen[name] += getattr(book.counts, name)

    assert all(times > 100 for times in seen.values()), f"the model does not exercise {seen}"


async def test_two_jumps_of_the_fetch_position_do_not_make_a_gap() -> None:
    log = ModelLog(random.Random(1), list(range(100)))
    book = Book(log, log.announce, leave)
    await book.open(PART)

    assert await book.admit(PART, [Row(5)]) is None
    assert await book.admit(PART, [Row(7)]) is None
    assert book.counts.gaps == 0
    assert log.position == 0


async def test_a_gap_is_believed_when_the_witness_finds_the_same_first_record() -> None:
    log = ModelLog(random.Random(1), [5, 6])
    book = Book(log, log.announce, leave)
    await book.open(PART)

    assert await book.admit(PART, [Row(5), Row(6)]) is None
    batch = await book.admit(PART, [Row(5), Row(6)])

    assert batch is not None
    assert [row.offset for row in batch.records] == [5, 6]
    assert book.counts.gaps == 1


async def test_records_that_were_handed_out_before_are_cut_off() -> None:
    log = ModelLog(random.Random(1), list(range(10)))
    book = Book(log, log.announce, leave)
    await book.open(PART)
    await book.admit(PART, [Row(0), Row(1)])

    assert await book.admit(PART, [Row(0), Row(1)]) is None
    batch = await book.admit(PART, [Row(1), Row(2)])

    assert batch is not None
    assert [row.offset for row in batch.records] == [2]


async def test_done_of_a_batch_from_before_a_rebalance_moves_nothing() -> None:
    log = ModelLog(random.Random(1), list(range(10)))
    book = Book(log, log.announce, leave)
    await book.open(PART)
    old = await book.admit(PART, [Row(0), Row(1)])
    book.drop()
    await book.open(PART)
    assert old is not None

    old.done([0, 1])

    ledger = book.ledger(PART)
    assert ledger is not None
    assert old.stale
    assert ledger.low == 0
    assert await book.commit([PART]) is False


async def test_a_partition_that_only_fails_ends_the_process() -> None:
    log = ModelLog(random.Random(1), list(range(10)))
    book = Book(log, log.announce, leave, max_failures=3)
    for _ in range(2):
        await book.open(PART)
        batch = await book.admit(PART, [Row(0)])
        assert batch is not None
        batch.failed("no acknowledgement")
    await book.open(PART)
    batch = await book.admit(PART, [Row(0)])
    assert batch is not None

    with pytest.raises(SystemExit, match="failed 3 times at offset 0"):
        batch.failed("no acknowledgement")


async def test_an_opening_that_a_rebalance_overtook_leaves_no_ledger() -> None:
    class SlowLog(ModelLog):
        async def start_reading(self, partition: TopicPartition) -> tuple[int, int | None]:
            book.drop()
            return await super().start_reading(partition)

    log = SlowLog(random.Random(1), list(range(10)))
    book = Book(log, log.announce, leave)

    await book.open(PART)

    assert book.ledger(PART) is None


async def test_a_commit_waits_for_its_announcement() -> None:
    class SilentLog(ModelLog):
        async def announce(self, runs: Mapping[TopicPartition, Decided]) -> None:
            raise KafkaError("away")

    log = SilentLog(random.Random(1), list(range(10)))
    book = Book(log, log.announce, leave)
    await book.open(PART)
    batch = await book.admit(PART, [Row(0)])
    assert batch is not None
    log.decided.add(0)
    batch.done([0])

    assert await book.commit([PART]) is False
    assert log.committed is None


async def test_no_more_is_handed_out_while_a_batch_waits_to_be_taken() -> None:
    log = ModelLog(random.Random(1), list(range(10)))
    book, other, unopened = Book(log, log.announce, leave), *(TopicPartition("listings", n) for n in (1, 2))
    for partition in (PART, other):
        await book.open(partition)
    batch = await book.admit(PART, [Row(0)])
    assert batch is not None

    assert book.with_room([PART, other, unopened]) == {unopened}
    book.room.clear()
    batch.take()
    assert book.room.is_set(), "nobody is told that a batch was taken"
    assert book.with_room([PART, other, unopened]) == {PART, other, unopened}


async def test_what_is_not_assigned_is_not_committed() -> None:
    log = ModelLog(random.Random(1), list(range(10)))
    book = Book(log, log.announce, leave)
    await book.open(PART)
    batch = await book.admit(PART, [Row(0)])
    assert batch is not None
    log.decided.add(0)
    batch.done([0])

    assert await book.commit([]) is False
    assert log.committed is None


@pytest.mark.parametrize(
    ("handed_out", "passed_s", "expected"),
    [
        pytest.param(False, 1_000, None, id="nothing to do is not stuck"),
        pytest.param(True, 59, None, id="within the limit"),
        pytest.param(True, 61, "offset 0 is undecided for 60 s", id="undecided for too long"),
    ],
)
async def test_the_watchdog_names_the_partition_that_stands_still(
    handed_out: bool, passed_s: float, expected: str | None
) -> None:
    clock = [1000.0]
    log = ModelLog(random.Random(1), list(range(10)))
    book = Book(log, log.announce, leave, monotonic=lambda: clock[0])
    await book.open(PART)
    if handed_out:
        await book.admit(PART, [Row(0)])
    book.stuck(60)

    clock[0] += passed_s
    why = book.stuck(60)

    assert (why is None) == (expected is None)
    assert expected is None or expected in str(why)


async def test_the_watchdog_notices_commits_that_are_always_refused() -> None:
    class RefusingLog(ModelLog):
        async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
            raise KafkaError("refused")

    clock = [1000.0]
    log = RefusingLog(random.Random(1), list(range(10)))
    book = Book(log, log.announce, leave, monotonic=lambda: clock[0])
    await book.open(PART)
    batch = await book.admit(PART, [Row(0)])
    assert batch is not None
    log.decided.add(0)
    batch.done([0])
    await book.commit([PART])

    clock[0] += 61

    assert "no commit since None for 60 s" in str(book.stuck(60))


async def test_a_partition_that_brings_nothing_is_starving_only_after_the_limit() -> None:
    clock = [1000.0]
    log = ModelLog(random.Random(1), list(range(10)))
    book = Book(log, log.announce, leave, monotonic=lambda: clock[0])
    await book.open(PART)

    assert book.starving({PART: 10}, 60) == {}
    clock[0] += 61
    assert book.starving({PART: 10}, 60) == {PART: 0}
    assert book.starving({PART: 0}, 60) == {}


@st.composite
def completions(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=12))
    return lengths, draw(st.permutations(range(len(lengths))))


@given(completions())
def test_low_is_the_end_of_the_completed_head_in_any_order(case: tuple[list[int], list[int]]) -> None:
    lengths, order = case
    ledger = Ledger(0, None)
    spans: list[Any] = []
    for length in lengths:
        spans.append(ledger.deliver(ledger.next, ledger.next + length - 1))
    ends = [span.last + 1 for span in spans]
    done: set[int] = set()
    for index in order:
        ledger.complete(spans[index], index)
        done.add(index)
        head = next((i for i in range(len(spans)) if i not in done), len(spans))

        assert ledger.low == (ends[head - 1] if head else 0)
        run = ledger.decided()
        assert (run is None) == (head == 0)
        assert run is None or run.notes == tuple(range(head))


def test_a_ledger_refuses_to_hand_out_what_it_handed_out() -> None:
    ledger = Ledger(10, 10)
    ledger.deliver(10, 19)

    with pytest.raises(ValueError, match="cannot follow 20"):
        ledger.deliver(15, 25)


def test_a_hole_is_sought_once_and_then_to_be_proven() -> None:
    ledger = Ledger(10, 10)

    assert [ledger.weigh(12), ledger.weigh(12), ledger.weigh(10)] == [
        Offer.SEEK_BACK,
        Offer.PROVE,
        Offer.DELIVER,
    ]
