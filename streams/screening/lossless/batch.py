"""One agent event: the records of one partition from one fetch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition

from streams.screening.lossless.ledger import Ledger, Span

if TYPE_CHECKING:
    from streams.screening.lossless.book import Book


class Batch:
    """Whoever takes a batch ends it with exactly one of :meth:`done`, :meth:`failed`, :meth:`give_up`.

    Batches may end in any order; a commit waits for the ones before it. The ``repr`` holds no
    record, because Faust logs what it delivers.
    """

    __slots__ = ("_book", "ledger", "partition", "records", "span")

    def __init__(
        self, book: Book, partition: TopicPartition, ledger: Ledger, span: Span, records: Sequence[Any]
    ) -> None:
        self._book = book
        self.partition = partition
        self.ledger = ledger
        self.span = span
        self.records = records
        """aiokafka's ``ConsumerRecord``s, in order of their offsets."""

    def __repr__(self) -> str:
        return (
            f"<Batch {self.partition.topic}[{self.partition.partition}] {self.span.first}-{self.span.last}>"
        )

    @property
    def stale(self) -> bool:
        """Whether the partition was taken away meanwhile; working on it would only make duplicates."""
        return self._book.is_stale(self)

    @property
    def taken(self) -> bool:
        """Whether somebody took it."""
        return self.span.taken

    def take(self) -> None:
        """Say that it is being worked on; a rebalance waits a moment for it."""
        self.span.taken = True
        self._book.room.set()

    def give_up(self) -> None:
        """Say that nobody works on it any more and nobody will: the process is about to stop."""
        self.span.taken = False

    def done(self, note: object = None) -> None:
        """Say that every output is acknowledged; ``note`` goes to whoever announces the decision."""
        self._book.done(self, note)

    def failed(self, why: str) -> None:
        """Say that it could not be decided: it will be delivered again. ``why`` holds no listing text."""
        self._book.failed(self, why)
