"""What a load run came to. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from streams.load.weighing import Burden

BESIDE = frozenset({"sandbox"})
"""Services whose weight is shown and not judged: a practice platform keeps all that it was told."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What must hold for exit code 0; absent: not judged."""

    drop: float | None = None
    """Largest share of listings that may stay undecided, or of offers that may stay without a notice."""
    p99_ms: float | None = None
    """Of the time from an offer's turn to its detection."""
    notice_p99_ms: float | None = None
    """Of the time from an offer's turn to the notice at the platform."""
    mb_per_hour: float | None = None
    """By how much the memory of a service may grow once it has settled."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Quantiles of times, in milliseconds."""

    count: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Spread | None":
        """``None``: nothing was measured."""
        if not seconds:
            return None
        ordered = sorted(seconds)

        def at(share: float) -> float:
            return round(1000 * ordered[max(0, math.ceil(share * len(ordered)) - 1)], 1)

        return cls(len(ordered), at(0.5), at(0.9), at(0.99), at(1.0))


@dataclass(frozen=True, slots=True)
class Measured:
    """One run. Each time counts from the moment at which the listing was *due*, not from when it was sent:
    a sender that is held up cannot hide it."""

    rate: float
    """Listings a second that were asked for."""
    reached: float
    """Listings a second that Kafka acknowledged."""
    listings: int
    offers: int
    late_ms: float
    """How far the sender fell behind its own schedule, at worst."""
    decided: int
    """Listings that screening says it decided."""
    detected_s: Sequence[float]
    """Of offers, until their detection stood in Kafka."""
    noticed_s: Sequence[float]
    twice: int
    """Offers whose notice took effect more than once."""
    burdens: Mapping[str, Burden] = field(default_factory=dict)
    """What each service was to the machine."""

    @property
    def dropped(self) -> float:
        """The larger of the two shares that came to nothing."""
        undecided = (self.listings - self.decided) / max(1, self.listings)
        unnoticed = (self.offers - len(self.noticed_s)) / max(1, self.offers)
        return max(undecided, unnoticed)


def faults(measured: Measured, limits: Limits) -> tuple[str, ...]:
    """What does not hold, each in a sentence."""
    found = []
    detected, noticed = Spread.of(measured.detected_s), Spread.of(measured.noticed_s)
    if limits.drop is not None and measured.dropped > limits.drop:
        found.append(
            f"{measured.dropped:.2%} came to nothing, more than {limits.drop:.2%}: "
            f"{measured.listings - measured.decided} listings undecided, "
            f"{measured.offers - len(measured.noticed_s)} offers without a notice."
        )
    for what, spread, limit in (
        ("detection", detected, limits.p99_ms),
        ("notice", noticed, limits.notice_p99_ms),
    ):
        if limit is not None and spread is None:
            found.append(f"There was no {what} at all.")
        elif limit is not None and spread is not None and spread.p99_ms > limit:
            found.append(f"p99 to the {what} is {spread.p99_ms:.0f} ms, more than {limit:.0f} ms.")
    if measured.twice:
        found.append(f"{measured.twice} notices took effect twice.")
    for name, burden in measured.burdens.items():
        if burden.starts > 1:
            found.append(f"{name} was started {burden.starts} times.")
        if limits.mb_per_hour is None or name in BESIDE:
            continue
        if burden.mb_per_hour > limits.mb_per_hour:
            found.append(
                f"{name} grows by {burden.mb_per_hour:.0f} MB an hour ({burden.first_mb:.0f} to "
                f"{burden.last_mb:.0f} MB), more than {limits.mb_per_hour:.0f}."
            )
    return tuple(found)


def document(measured: Measured, found: Sequence[str]) -> Mapping[str, object]:
    """For ``--json``."""

    def quantiles(seconds: Sequence[float]) -> Mapping[str, float] | None:
        spread = Spread.of(seconds)
        return (
            None
            if spread is None
            else {
                "count": spread.count,
                "p50_ms": spread.p50_ms,
                "p90_ms": spread.p90_ms,
                "p99_ms": spread.p99_ms,
                "max_ms": spread.max_ms,
            }
        )

    return {
        "rate": measured.rate,
        "reached": round(measured.reached, 1),
        "listings": measured.listings,
        "offers": measured.offers,
        "sender_late_ms": round(measured.late_ms, 1),
        "dropped": round(measured.dropped, 6),
        "decided": measured.decided,
        "detected": quantiles(measured.detected_s),
        "noticed": quantiles(measured.noticed_s),
        "effects_twice": measured.twice,
        "services": {name: asdict(burden) for name, burden in sorted(measured.burdens.items())},
        "faults": list(found),
    }
