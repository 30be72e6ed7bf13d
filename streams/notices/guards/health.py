"""How well a channel works, as one number from 0 (not at all) to 1. Pure.

The product of three shares: of the tries that ended in an answer (Laplace's rule, so that one
failure among few does not condemn it), of speed, and of freshness of what waits.
"""

from datetime import timedelta

QUICK_S = 2.0
"""A mean duration up to this costs nothing."""
SLOW_S = 30.0
"""From this on speed counts half; it never counts less: slow is not dead."""
FRESH = timedelta(minutes=5)
STALE = timedelta(hours=24)
"""What has waited for so long makes the channel worth nothing, whatever its tries look like."""


def score(*, good: int, bad: int, mean_s: float, oldest: timedelta) -> float:
    """The health score."""
    answered = (good + 1) / (good + bad + 1)
    over = min(max((mean_s - QUICK_S) / (SLOW_S - QUICK_S), 0.0), 1.0)
    aged = min(max((oldest - FRESH) / (STALE - FRESH), 0.0), 1.0)
    return round(answered * (1 - over / 2) * (1 - aged), 4)
