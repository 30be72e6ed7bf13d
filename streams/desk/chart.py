"""Where things stand in the picture of a trend: numbers only, so that no text of anybody gets in. Pure.

The upper half is the share seen removed in time with its interval, the lower half how much was sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

WIDTH, HEIGHT = 720, 220
LEFT, RIGHT = 44, 10
SHARE_TOP, SHARE_BOTTOM = 12, 112
SENT_TOP, SENT_BOTTOM = 130, 198


@dataclass(frozen=True, slots=True)
class Slot:
    """One week in the picture; all in the picture's own units, from its upper left corner."""

    x: float
    """The middle."""
    sent_y: float
    late_y: float
    """Where the bars begin; they end at :data:`SENT_BOTTOM`."""
    share_y: float | None
    """``None``: nothing is old enough."""
    low_y: float | None
    high_y: float | None


@dataclass(frozen=True, slots=True)
class Chart:
    """The picture."""

    slots: tuple[Slot, ...]
    bar: float
    """How wide a bar is."""
    lines: tuple[str, ...]
    """Points of each stretch of weeks that have a share, as SVG writes them."""
    most: int
    """What the highest bar stands for."""
    first: date
    last: date


def by_week(weeks: Sequence[Mapping[str, Any]]) -> Chart | None:
    """The picture of a report's ``weeks``; ``None``: fewer than two, which show no trend."""
    if len(weeks) < 2:
        return None
    mondays = [date.fromisoformat(week["monday"]) for week in weeks]
    step = (WIDTH - LEFT - RIGHT) / ((mondays[-1] - mondays[0]).days // 7 + 1)
    most = max(1, *(week["sent"] for week in weeks))
    slots = tuple(
        _slot(week, LEFT + step * ((monday - mondays[0]).days // 7 + 0.5), most)
        for week, monday in zip(weeks, mondays, strict=True)
    )
    return Chart(
        slots, round(min(28.0, step * 0.7), 1), _lines(mondays, slots), most, mondays[0], mondays[-1]
    )


def _slot(week: Mapping[str, Any], x: float, most: int) -> Slot:
    one = week["removed_seen_24h"]
    share, low, high = (
        None if one[name] is None else round(SHARE_BOTTOM - one[name] * (SHARE_BOTTOM - SHARE_TOP), 1)
        for name in ("share", "low", "high")
    )

    def top(count: int) -> float:
        return round(SENT_BOTTOM - min(count, most) / most * (SENT_BOTTOM - SENT_TOP), 1)

    return Slot(round(x, 1), top(week["sent"]), top(week["late"]), share, low, high)


def _lines(mondays: Sequence[date], slots: Sequence[Slot]) -> tuple[str, ...]:
    """A line joins weeks that follow each other, and no others."""
    found: list[list[str]] = []
    before: date | None = None
    for monday, slot in zip(mondays, slots, strict=True):
        if slot.share_y is None:
            continue
        if before is None or (monday - before).days > 7:
            found.append([])
        found[-1].append(f"{slot.x},{slot.share_y}")
        before = monday
    return tuple(" ".join(points) for points in found if len(points) > 1)
