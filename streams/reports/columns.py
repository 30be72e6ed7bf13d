"""What a report needs of each listing, as columns: very many are counted with a few steps. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.notices.casebook.figures import TIMES, WORDS, Fact, ItemTimes
from streams.notices.casebook.tables import to_micros
from streams.reports.estimates import Floats

Bools = NDArray[np.bool_]
Codes = NDArray[np.int32]

MICROSECONDS = 1e6


class Names:
    """A number for each of a column's few words; new ones get the next."""

    def __init__(self) -> None:
        self._codes: dict[str | None, int] = {}

    def code(self, word: str | None) -> int:
        """The word's number."""
        return self._codes.setdefault(word, len(self._codes))

    def known(self, words: Iterable[str]) -> list[int]:
        """The numbers of those that have one."""
        return [self._codes[word] for word in words if word in self._codes]

    def __len__(self) -> int:
        return len(self._codes)

    def in_order(self) -> list[tuple[str, int]]:
        """Each word and its number, by the word."""
        return sorted((word, code) for word, code in self._codes.items() if word is not None)


@dataclass(frozen=True, slots=True)
class Columns:
    """One entry a listing in each; times are POSIX seconds, and NaN where there is none."""

    words: Mapping[str, Codes]
    names: Mapping[str, Names]
    times: Mapping[str, Floats]
    late: Codes

    @classmethod
    def of_facts(cls, facts: Sequence[Fact], names: Mapping[str, Names] | None = None) -> "Columns":
        """From the casebook's rows; ``names`` are those of columns to which these will be added."""
        known = names if names is not None else {name: Names() for name in WORDS}
        by_column: list[Sequence[Any]] = list(zip(*facts, strict=True)) or [()] * len(Fact._fields)
        found = dict(zip(Fact._fields, by_column, strict=True))
        return cls(
            {
                name: np.array([known[name].code(word) for word in found[name]], dtype=np.int32)
                for name in WORDS
            },
            known,
            # A missing time becomes NaN by itself; microseconds are exact in a double.
            {name: np.array(found[name], dtype=np.float64) / MICROSECONDS for name in TIMES},
            np.array(found["late"], dtype=np.int32),
        )

    @classmethod
    def of_items(cls, items: Iterable[ItemTimes]) -> "Columns":
        """From values that were read one by one."""
        return cls.of_facts(
            [
                Fact._make(
                    [
                        item.notice_id,
                        item.listing_id,
                        *(getattr(item, name) for name in WORDS),
                        *(_micros(getattr(item, name)) for name in TIMES),
                        item.late,
                    ]
                )
                for item in items
            ]
        )

    def __len__(self) -> int:
        return len(self.late)

    def is_in(self, column: str, *words: str) -> Bools:
        """Which of them have one of these words there."""
        names = self.names[column]
        wanted = np.zeros(len(names), dtype=np.bool_)
        wanted[names.known(words)] = True
        found: Bools = wanted[self.words[column]]
        return found

    def has(self, column: str) -> Bools:
        """Which of them have that time."""
        return ~np.isnan(self.times[column])

    def where(self, wanted: Bools) -> "Columns":
        """Those alone."""
        return Columns(
            {name: codes[wanted] for name, codes in self.words.items()},
            self.names,
            {name: times[wanted] for name, times in self.times.items()},
            self.late[wanted],
        )

    def within(self, since: datetime | None, until: datetime | None) -> "Columns":
        """Those of notices that were written in the period."""
        queued = self.times["queued_at"]
        wanted = np.ones(len(self), dtype=np.bool_)
        if since is not None:
            wanted &= queued >= since.timestamp()
        if until is not None:
            wanted &= queued < until.timestamp()
        return self if wanted.all() else self.where(wanted)

    def by_platform(self) -> Iterator[tuple[str, int, Bools]]:
        """Each platform that has some: its name, its number, and which are its own; by name."""
        for name, code in self.names["platform"].in_order():
            wanted = self.words["platform"] == code
            if wanted.any():
                yield name, code, wanted

    def and_more(self, others: "Columns") -> "Columns":
        """With others of the same names after them."""
        return Columns(
            {name: np.concatenate([codes, others.words[name]]) for name, codes in self.words.items()},
            self.names,
            {name: np.concatenate([times, others.times[name]]) for name, times in self.times.items()},
            np.concatenate([self.late, others.late]),
        )

    def put(self, places: Sequence[int], others: "Columns") -> None:
        """Write others of the same names over those at these places."""
        for name, codes in others.words.items():
            self.words[name][places] = codes
        for name, times in others.times.items():
            self.times[name][places] = times
        self.late[places] = others.late


def _micros(at: datetime | None) -> int | None:
    return None if at is None else to_micros(at)
