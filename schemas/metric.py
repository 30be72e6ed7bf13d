"""The one form in which a metric is declared: what it is called, counts and may be labelled with.

Pure description: a ``metrics.py`` holds declarations and makes collectors of them with :meth:`Metric.make`,
``deploy/metrics.md`` is generated from the same objects, and tests hold them to their promises.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

Kind = Literal["counter", "gauge", "histogram"]
Unit = Literal["seconds", "bytes", "records", "count", "ratio", "timestamp", "flag"]
Collector = TypeVar("Collector")

NAME = re.compile(r"takin_[a-z][a-z0-9]*(_[a-z0-9]+)*")
FORBIDDEN = frozenset(
    {"listing", "listing_id", "seller", "url", "notice", "notice_id", "case_id", "key", "text"}
)
"""No label is called so: their values have no end, and some are about people."""

ENDINGS: dict[str, str] = {
    "seconds": "_seconds",
    "bytes": "_bytes",
    "ratio": "_ratio",
    "timestamp": "_timestamp_seconds",
}
"""How the name of a metric in that unit ends."""

OTHER = "other"
"""The value of a label for everything that is not in its closed set."""


@dataclass(frozen=True, slots=True)
class Label:
    """One label. Its values are ``values``, or come from ``source`` and are at most ``at_most``."""

    name: str
    values: tuple[str, ...] = ()
    source: str = ""
    """Where the values come from when they are configured rather than written here."""
    at_most: int = 0

    def __post_init__(self) -> None:
        if self.name in FORBIDDEN:
            raise ValueError(f"a metric must not be labelled by {self.name}: its values have no end")
        if bool(self.values) == bool(self.source and self.at_most):
            raise ValueError(
                f"label {self.name}: name its values, or where they come from and how many at most"
            )

    @property
    def size(self) -> int:
        """How many values it can have."""
        return len(self.values) or self.at_most

    def allows(self, value: str) -> bool:
        """Whether the value is in the closed set; a configured set takes any."""
        return not self.values or value in self.values


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as it is declared."""

    name: str
    """As it stands in ``/metrics``, unit and ``_total`` included."""
    kind: Kind
    unit: Unit
    meaning: str
    """One or two sentences; the help text."""
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper edges of a histogram, without infinity."""

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise ValueError(f"{self.name}: {'; '.join(problems)}")

    def _problems(self) -> Iterable[str]:
        if not NAME.fullmatch(self.name):
            yield "a name is takin_ and lower-case words"
        if (self.kind == "counter") != self.name.endswith("_total"):
            yield "counters, and only they, end in _total"
        wanted = ENDINGS.get(self.unit)
        if wanted and not self.name.removesuffix("_total").endswith(wanted):
            yield f"a metric in {self.unit} ends in {wanted}"
        if (self.kind == "histogram") != bool(self.buckets) or list(self.buckets) != sorted(
            set(self.buckets)
        ):
            yield "a histogram, and only it, has rising buckets"
        if not self.meaning.endswith("."):
            yield "its meaning is a sentence"
        if len({label.name for label in self.labels}) < len(self.labels):
            yield "a label stands twice"

    @property
    def series(self) -> int:
        """The most time series that one process can make of it."""
        size = len(self.buckets) + 3 if self.kind == "histogram" else 1
        for label in self.labels:
            size *= label.size
        return size

    @property
    def samples(self) -> tuple[str, ...]:
        """Names under which its values are scraped."""
        if self.kind == "histogram":
            return (f"{self.name}_bucket", f"{self.name}_count", f"{self.name}_sum")
        return (self.name,)

    def make(
        self, collector: Callable[..., Collector], registry: Any, *, edges: Iterable[float] = ()
    ) -> Collector:
        """The collector that is declared here, on ``registry``: ``OUTBOX.make(Gauge, registry)``.

        ``edges`` are further bucket edges that only the configuration knows, such as agreed limits.
        """
        wanted = getattr(collector, "__name__", "").lower()
        if wanted != self.kind:
            raise TypeError(f"{self.name} is declared as a {self.kind}, not as a {wanted}")
        more = {"buckets": tuple(sorted({*self.buckets, *edges}))} if self.buckets else {}
        return collector(
            self.name, self.meaning, [label.name for label in self.labels], registry=registry, **more
        )


class Known:
    """Keeps the values of one configured label in bounds.

    With a set, everything outside it is ``other``; without one, the first ``at_most`` different
    values are kept and later ones are ``other``.
    """

    def __init__(self, label: Label, allowed: Iterable[str] | None = None) -> None:
        self._seen = set(allowed or ())
        self._closed = allowed is not None
        self._at_most = label.at_most - 1

    def __call__(self, value: str | None) -> str:
        """The value, or ``other``."""
        if value is None:
            return OTHER
        if value not in self._seen:
            if self._closed or len(self._seen) >= self._at_most:
                return OTHER
            self._seen.add(value)
        return value


PLATFORM = Label("platform", source="the platforms file, and other", at_most=200)
"""Shared by everything that counts per platform."""
PARTITION = Label("partition", source="the partitions of the topic", at_most=256)
