"""When a limit falls due, and how it stands: pure functions of recorded facts and ``now``.

Nothing here is stored. A deadline's row keeps the instant that :func:`due` returned when the clock
started or when a recorded clock event changed it; every other figure is derived.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from streams.sla.calendar import Amount, Calendar, Unit

NeedInfo = Literal["restart", "pause", "run"]
"""What a platform's question to us does. ``restart``: the limit runs anew, whole, once it has our
information (Regulation (EU) 2021/784, Article 3(8)). ``pause``: it stands meanwhile. ``run``: nothing."""

ClockEventKind = Literal[
    "information_requested",
    "information_given",
    "request_dropped",
    "extended",
    "hold_set",
    "hold_lifted",
]
"""``request_dropped``: the platform went on without our information. ``hold_set``: the police asked
that it be left online, so no deadline runs until ``hold_lifted``; then the limit runs anew, whole."""

_ORDER = {
    "hold_set": 0,
    "information_requested": 1,
    "extended": 2,
    "request_dropped": 3,
    "information_given": 4,
    "hold_lifted": 5,
}
"""For events at the same instant, so that the order in which they are read changes nothing."""

DUE_SOON = 0.75
AT_RISK = 0.9

SlaState = Literal["none", "on_track", "due_soon", "at_risk", "breached", "met", "paused", "exempt"]


@dataclass(frozen=True, slots=True)
class Extension:
    """One ground on which a limit may be extended, and by how much at most in all."""

    ground: str
    at_most: Amount
    """In the limit's unit."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How long one duty may take and what stops its clock."""

    amount: Amount
    unit: Unit = "hours"
    need_info: NeedInfo = "run"
    extensions: tuple[Extension, ...] = ()


@dataclass(frozen=True, slots=True)
class ClockEvent:
    """A recorded fact that may change a deadline."""

    kind: ClockEventKind
    at: datetime
    ground: str = ""
    """Of an extension: one of the limit's grounds."""
    amount: Amount = 0
    """Of an extension, in the limit's unit."""


@dataclass(frozen=True, slots=True)
class Due:
    """A deadline as recorded facts make it."""

    first_started_at: datetime
    """When the duty began; raw time is counted from here, whatever stopped the clock."""
    started_at: datetime
    """When the count in force began: later than the first where it was restarted."""
    due_at: datetime | None
    """``None`` while the clock stands."""
    why: str
    """What set it last: ``started``, ``paused``, ``resumed``, ``restarted``, ``extended`` or ``exempt``."""
    stood: timedelta = timedelta(0)
    """Time within the count in force during which the clock stood."""
    stopped_at: datetime | None = None
    """Since when it stands."""
    edition: str = ""
    """Zone, calendar and the editions of both that it was computed with."""

    def elapsed(self, now: datetime) -> timedelta:
        """Raw time since the duty began; no rule shortens it."""
        return now - self.first_started_at


@dataclass(frozen=True, slots=True)
class _Count:
    """A fold over clock events: how much is left, and from where it is counted."""

    due: Due
    counted_from: datetime
    left: Amount
    granted: tuple[tuple[str, Amount], ...] = ()
    asked: bool = False
    """The platform waits for us."""
    held: bool = False


def due(limit: Limit, started_at: datetime, events: Iterable[ClockEvent], calendar: Calendar) -> Due:
    """The deadline of ``limit`` that began at ``started_at``, after every recorded clock event.

    Events may come in any order and more than once. What happened after the deadline had passed
    changes it no more; a question already open when the duty begins stops it from the start.

    Raises:
        ValueError: an extension on a ground that the limit does not know.
    """
    first = Due(
        first_started_at=started_at,
        started_at=started_at,
        due_at=None,
        why="started",
        edition=calendar.edition,
    )
    count = _set(_Count(first, started_at, limit.amount), limit, calendar)
    for event in sorted(set(events), key=lambda e: (e.at, _ORDER[e.kind], e.ground, e.amount)):
        if count.due.due_at is not None and event.at > count.due.due_at:
            break
        count = _apply(count, replace(event, at=max(event.at, started_at)), limit, calendar)
    return count.due


def _set(count: _Count, limit: Limit, calendar: Calendar, why: str | None = None) -> _Count:
    at = calendar.reach(count.counted_from, count.left, limit.unit)
    return replace(count, due=replace(count.due, due_at=at, stopped_at=None, why=why or count.due.why))


def _apply(count: _Count, event: ClockEvent, limit: Limit, calendar: Calendar) -> _Count:
    if event.kind == "extended":
        return _extend(count, event, limit, calendar)
    if event.kind in ("information_requested", "hold_set"):
        hold = event.kind == "hold_set"
        if count.held if hold else count.asked or limit.need_info == "run":
            return count
        count = replace(count, held=True) if hold else replace(count, asked=True)
        return _stop(count, event.at, limit, calendar)
    lifted = event.kind == "hold_lifted"
    if not (count.held if lifted else count.asked):
        return count
    count = replace(count, held=False) if lifted else replace(count, asked=False)
    answered = event.kind == "information_given" and limit.need_info == "restart"
    return _go_on(count, event.at, limit, calendar, whole=lifted or answered)


def _stop(count: _Count, at: datetime, limit: Limit, calendar: Calendar) -> _Count:
    why = "exempt" if count.held else "paused"
    if count.due.stopped_at is not None:
        # It stands already, for the other reason.
        return replace(count, due=replace(count.due, why=why))
    left = count.left - calendar.spent(count.counted_from, at, limit.unit)
    return replace(count, left=left, due=replace(count.due, due_at=None, stopped_at=at, why=why))


def _go_on(count: _Count, at: datetime, limit: Limit, calendar: Calendar, *, whole: bool) -> _Count:
    """One reason to stand is gone; the clock runs when none is left."""
    stopped_at = count.due.stopped_at or at
    if whole:
        granted = sum(amount for _, amount in count.granted)
        count = replace(
            count, left=limit.amount + granted, due=replace(count.due, started_at=at, stood=timedelta(0))
        )
        stopped_at = at
    if count.asked or count.held:
        why = "exempt" if count.held else "paused"
        return replace(count, due=replace(count.due, why=why, stopped_at=stopped_at))
    if count.left <= 0:
        # Stopped at the very last instant: what is left is that instant.
        return replace(count, due=replace(count.due, due_at=at, stopped_at=None, why="resumed"))
    stood = count.due.stood + (at - stopped_at)
    count = replace(count, counted_from=at, due=replace(count.due, stood=stood))
    return _set(count, limit, calendar, "restarted" if whole else "resumed")


def _extend(count: _Count, event: ClockEvent, limit: Limit, calendar: Calendar) -> _Count:
    cap = next((one.at_most for one in limit.extensions if one.ground == event.ground), None)
    if cap is None:
        known = ", ".join(one.ground for one in limit.extensions) or "none"
        raise ValueError(f"no extension on the ground {event.ground!r}; this limit knows: {known}")
    before = sum(amount for ground, amount in count.granted if ground == event.ground)
    more = min(event.amount, cap - before)
    if more <= 0:
        return count
    count = replace(count, left=count.left + more, granted=(*count.granted, (event.ground, more)))
    return count if count.due.due_at is None else _set(count, limit, calendar, "extended")


def state(found: Due | None, now: datetime, *, met_at: datetime | None = None) -> SlaState:
    """How a deadline stands at ``now``; ``met_at``: when the duty was done, if it was.

    Done at the very instant it was due is in time. ``None``: nothing was promised.
    """
    if found is None:
        return "none"
    if found.due_at is None:
        return "met" if met_at is not None else "exempt" if found.why == "exempt" else "paused"
    if met_at is not None:
        return "met" if met_at <= found.due_at else "breached"
    if now > found.due_at:
        return "breached"
    used = share(found, now)
    return "at_risk" if used >= AT_RISK else "due_soon" if used >= DUE_SOON else "on_track"


def share(found: Due, now: datetime) -> float:
    """The share of the deadline that has run: 0 at its start, 1 when due, more after.

    Time during which the clock stood does not count; a standing clock keeps no share (0).
    """
    if found.due_at is None:
        return 0.0
    whole = found.due_at - found.started_at - found.stood
    if whole <= timedelta(0):
        return 1.0
    return 1.0 - (found.due_at - now) / whole
