"""What is decided of one partition: plain arithmetic on offsets, no I/O and no clock."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


@dataclass(slots=True, eq=False)
class Span:
    """A run of offsets that was handed out; ends at ``last``, begins where the one before it ended."""

    first: int
    """Lowest offset of a record in it."""
    last: int
    """Highest offset of a record in it."""
    delivered_at: float = 0.0
    """When it was handed out, on whatever clock the caller uses."""
    note: object = None
    """What was decided, for whoever announces it; set when done."""
    taken: bool = False
    """Somebody works on it, or has."""
    done: bool = False


@dataclass(frozen=True, slots=True)
class Decided:
    """A run of offsets that are decided and not yet announced: ``first <= offset < next``."""

    first: int
    next: int
    notes: tuple[object, ...]
    """The notes of the spans in it, in order."""


class Offer(Enum):
    """What to do with a fetch, by the offset of its first record."""

    DELIVER = "deliver"
    """It is the one expected."""
    SEEK_BACK = "seek back"
    """Records are missing before it: read again from ``next``."""
    PROVE = "prove"
    """They are missing a second time: ask an independent reader whether they exist at all."""


class Ledger:
    """The ledger of one partition, living from its opening to the next rebalance, seek or failure.

    INVARIANT: ``low`` is passed on for commit only if every offset below it was completed, or lay
    below the offset committed when the partition was opened, or was proven absent from the log.

    ::

        base ── announced ── low ……………………………… next
                             [span][span][span]

    ``low``
        lowest offset not known to be completed. It moves over the *completed head* of the spans
        only, whatever the order in which they are completed.
    ``next``
        the only offset that may be handed out next; the spans tile ``[low, next)``.
    ``announced``
        how far decisions were announced; a commit never passes it. A new ledger opens at the
        committed offset, which was announced before, so announced ranges may overlap after a
        restart but leave no hole.
    ``committed``
        what the broker is known to have accepted; a refused commit leaves it as it was.
    """

    __slots__ = ("_hole", "_notes", "_spans", "announced", "committed", "low", "next")

    def __init__(self, base: int, committed: int | None) -> None:
        self.low = self.next = self.announced = base
        self.committed = committed
        self._spans: deque[Span] = deque()
        self._notes: list[object] = []
        self._hole: int | None = None

    @property
    def spans(self) -> int:
        """How many spans are handed out and not yet below ``low``."""
        return len(self._spans)

    @property
    def head(self) -> Span | None:
        """The span that holds ``low`` back."""
        return self._spans[0] if self._spans else None

    def __iter__(self) -> Iterator[Span]:
        return iter(self._spans)

    def weigh(self, first: int) -> Offer:
        """Judge a fetch that begins at ``first >= next``; remembers a hole it has seen once."""
        if first == self.next:
            return Offer.DELIVER
        if self._hole == self.next:
            return Offer.PROVE
        self._hole = self.next
        return Offer.SEEK_BACK

    def deliver(self, first: int, last: int, at: float = 0.0) -> Span:
        """Hand out the records ``first`` to ``last``; between ``next`` and ``first`` lies a proven gap."""
        if not self.next <= first <= last:
            raise ValueError(f"records {first} to {last} cannot follow {self.next}")
        span = Span(first, last, at)
        self._spans.append(span)
        self.next = last + 1
        return span

    def complete(self, span: Span, note: object) -> bool:
        """Mark a span as done; true when ``low`` moved."""
        span.done, span.note = True, note
        moved = False
        while self._spans and self._spans[0].done:
            head = self._spans.popleft()
            self.low = head.last + 1
            self._notes.append(head.note)
            moved = True
        return moved

    def decided(self) -> Decided | None:
        """What is decided and not yet announced."""
        if self.low == self.announced:
            return None
        return Decided(self.announced, self.low, tuple(self._notes))

    def announce(self, decided: Decided) -> None:
        """``decided``, taken from :meth:`decided`, was announced and acknowledged."""
        self.announced = decided.next
        del self._notes[: len(decided.notes)]

    @property
    def committable(self) -> int | None:
        """The offset to commit, if there is anything new to commit."""
        return self.announced if self.announced > (self.committed or 0) else None

    def commit(self, offset: int) -> None:
        """The broker accepted ``offset``."""
        self.committed = offset
