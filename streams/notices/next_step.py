"""What the ladder does next about a listing that is late. Pure.

It is read from what is written down: a step's deadline says when, the agreement what it does. A step that
nothing carries became a person's task when its time came, and waits there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from streams.notices.casebook.overdue import Overdue
from streams.notices.policy import Step
from streams.notices.timing import DUTIES, ESCALATION

Means = Literal["channel", "letter", "person", "unknown"]
Stand = Literal["waits", "stands", "decided", "ended", "none"]


@dataclass(frozen=True, slots=True)
class NextStep:
    """Where the ladder stands."""

    stand: Stand
    """``waits``: a step has its time. ``stands``: its clock is stopped, as that of the duty is. ``decided``:
    the platform answered, so there is nothing to press for but what we see. ``ended``: every step was taken.
    ``none``: there is no ladder."""
    step: str | None = None
    at: datetime | None = None
    means: Means = "unknown"
    """What carries the step: the platform's channel, a letter, a person; unknown without an agreement."""
    to: str | None = None
    """Where a letter goes."""
    taken: tuple[tuple[str, datetime], ...] = ()
    """Steps that were taken, and when."""
    following: tuple[str, ...] = ()
    """Steps after the next one, in order."""


def missed_duties(one: Overdue) -> tuple[tuple[str, datetime], ...]:
    """Which duties passed unmet, and when."""
    return tuple(
        (clock.kind, clock.due_at) for clock in one.clocks if clock.kind in DUTIES and clock.state == "missed"
    )


def next_step(one: Overdue, ladder: Sequence[Step]) -> NextStep:
    """The step that comes next; ``ladder`` is the platform's, as agreed now."""
    rungs = [clock for clock in one.clocks if clock.kind.startswith(ESCALATION)]
    names = [step.name for step in sorted(ladder, key=lambda step: step.at)]
    taken = tuple(
        (clock.kind.removeprefix(ESCALATION), clock.fired_at or clock.due_at)
        for clock in rungs
        if clock.state == "done"
    )
    coming = next((clock for clock in rungs if clock.state in ("pending", "paused")), None)
    if one.decided_at is not None:
        return NextStep("decided", taken=taken)
    if coming is None:
        return NextStep("ended" if rungs else "none", taken=taken)
    name = coming.kind.removeprefix(ESCALATION)
    step = next((step for step in ladder if step.name == name), None)
    return NextStep(
        "waits" if coming.state == "pending" else "stands",
        step=name,
        at=coming.due_at if coming.state == "pending" else None,
        means=_means(step),
        to=None if step is None or step.by_channel else step.to,
        taken=taken,
        following=tuple(names[names.index(name) + 1 :]) if name in names else (),
    )


def _means(step: Step | None) -> Means:
    if step is None:
        return "unknown"
    if step.by_channel:
        return "channel"
    return "letter" if step.to is not None else "person"
