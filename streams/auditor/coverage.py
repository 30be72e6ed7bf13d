"""Which offsets of one partition are proven decided; pure."""

from collections.abc import Iterable
from dataclasses import dataclass

Range = tuple[int, int]
"""First offset and one past the last."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Disjoint, rising ranges of decided offsets. The first one, from the log's start, is one number soon."""

    ranges: tuple[Range, ...] = ()

    def add(self, first: int, end: int) -> "Coverage":
        """With a further range; ranges may repeat, overlap and come in any order."""
        if end <= first:
            return self
        before = tuple(one for one in self.ranges if one[1] < first)
        after = tuple(one for one in self.ranges if one[0] > end)
        touched = self.ranges[len(before) : len(self.ranges) - len(after)]
        low = min([first, *(one[0] for one in touched)])
        high = max([end, *(one[1] for one in touched)])
        return Coverage((*before, (low, high), *after))

    def missing(self, begin: int, end: int) -> tuple[Range, ...]:
        """What of [begin, end) is in no range."""
        found: list[Range] = []
        at = begin
        for first, past in self.ranges:
            if first >= end:
                break
            if first > at:
                found.append((at, first))
            at = max(at, past)
        if at < end:
            found.append((at, end))
        return tuple(found)

    @property
    def highest(self) -> int:
        """One past the highest offset that is proven decided."""
        return self.ranges[-1][1] if self.ranges else 0


@dataclass(frozen=True, slots=True)
class Extent:
    """What the log holds of one partition."""

    begin: int
    end: int
    ripe: int
    """One past the last record that is old enough to be decided by now."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The judgement on one partition."""

    partition: int
    undecided: int
    """Records old enough that are not proven decided."""
    holes: tuple[Range, ...]
    """Of them, those below a decided one: passed over. What is above all decided ones is only late."""
    first: int | None
    """Lowest offset that is not proven decided, ripe or not."""

    @property
    def passed_over(self) -> int:
        """How many records lie in holes."""
        return count(self.holes)


def judge(partition: int, coverage: Coverage, extent: Extent) -> Finding:
    """Compare what is decided with what the log holds. What retention took needs no decision."""
    missing = coverage.missing(extent.begin, extent.ripe)
    holes = tuple((low, high) for low, high in missing if low < coverage.highest)
    all_missing = coverage.missing(extent.begin, extent.end)
    return Finding(partition, count(missing), holes, all_missing[0][0] if all_missing else None)


def count(ranges: Iterable[Range]) -> int:
    """How many offsets they hold."""
    return sum(high - low for low, high in ranges)
