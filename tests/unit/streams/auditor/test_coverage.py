"""The auditor's arithmetic, against an oracle that is a plain set of numbers."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from streams.auditor.coverage import Coverage, Extent, judge
from streams.auditor.memory import Memory

RANGES = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=12)


@given(RANGES, st.integers(0, 60), st.integers(0, 60))
def test_what_is_missing_is_what_a_set_says(ranges: list[tuple[int, int]], begin: int, end: int) -> None:
    coverage, decided = Coverage(), set()
    for first, past in ranges:
        coverage = coverage.add(first, past)
        decided |= set(range(first, past))

    missing = {number for low, high in coverage.missing(begin, end) for number in range(low, high)}

    assert missing == set(range(begin, end)) - decided
    assert list(coverage.ranges) == sorted(coverage.ranges)
    assert all(one[1] < two[0] for one, two in zip(coverage.ranges, coverage.ranges[1:], strict=False))


def test_what_is_late_is_no_hole_and_what_is_passed_over_is() -> None:
    coverage = Coverage().add(0, 10).add(12, 20)

    finding = judge(3, coverage, Extent(begin=0, end=40, ripe=30))

    assert finding.undecided == 12
    assert finding.holes == ((10, 12),)
    assert finding.passed_over == 2
    assert finding.first == 10


def test_what_is_young_or_taken_by_retention_need_not_be_decided() -> None:
    coverage = Coverage().add(5, 10)

    finding = judge(0, coverage, Extent(begin=5, end=12, ripe=10))

    assert (finding.undecided, finding.holes, finding.first) == (0, (), 10)


def test_memory_survives_a_restart_and_a_torn_file_costs_only_time(tmp_path: Path) -> None:
    memory = Memory(read={0: 7})
    memory.cover(1, 0, 5)
    memory.cover(1, 8, 9)
    file = tmp_path / "auditor.json"

    memory.save(file)

    assert Memory.load(file) == memory
    file.write_text(file.read_text()[:-5])
    assert Memory.load(file) == Memory()
