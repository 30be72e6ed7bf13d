"""One requirement that a notice does not meet, in the shape that large abuse desks answer with."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Regime = Literal["shape", "dsa", "order", "xarf", "platform"]

CLOCK_SKEW = timedelta(minutes=5)
"""How far a sender's clock may be ahead."""


@dataclass(frozen=True, slots=True)
class Unmet:
    """One requirement that a notice does not meet."""

    code: str
    """Stable, append-only."""
    path: str
    """JSON Pointer (RFC 6901) into the notice."""
    message: str
    """One sentence."""
    regime: Regime
