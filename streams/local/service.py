"""What a service of the supervisor is, in which order services start, and when one starts again."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 60.0
QUIET_S = 60.0
"""A service that ran this long has recovered: its next restart is quick again."""


@dataclass(frozen=True, slots=True)
class Service:
    """One child process as the supervisor runs it."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables in addition to ours."""
    ready: str | Callable[[], Awaitable[bool]] | None = None
    """How to know that it serves: a URL that answers 200, or a question that does not raise;
    absent: as soon as it is started, and with ``once`` when its work is done."""
    needs: tuple[str, ...] = ()
    """Services that must be ready before this one starts, and that stop after it."""
    ready_within_s: float = 60.0
    """From its start; a service that is not ready by then stops the start of all."""
    frozen_after_s: float | None = None
    """A service with a URL that answers nothing at all for so long is killed and started again. An answer
    that it is not well is an answer: it may be waiting for Kafka, which a restart would not mend."""
    once: bool = False
    """It ends by itself with code 0 when its work is done; any other end is a failure."""


def layers(services: Sequence[Service]) -> tuple[tuple[Service, ...], ...]:
    """Services in the order in which to start them; those of one layer can start together.

    Raises:
        ValueError: two have one name, a need is not among them, or needs go round in a circle.
    """
    names = {service.name for service in services}
    if len(names) != len(services):
        raise ValueError("two services have the same name")
    for service in services:
        if unknown := set(service.needs) - names:
            raise ValueError(f"{service.name} needs {', '.join(sorted(unknown))}, which is no service")
    done: set[str] = set()
    found: list[tuple[Service, ...]] = []
    while len(done) < len(services):
        layer = tuple(s for s in services if s.name not in done and done.issuperset(s.needs))
        if not layer:
            raise ValueError(f"needs go round in a circle: {', '.join(sorted(names - done))}")
        found.append(layer)
        done.update(service.name for service in layer)
    return tuple(found)


def restart_delay(failures: int) -> float:
    """Seconds until the next start after so many failures in a row: 1, 2, 4 … 60."""
    return float(min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** min(max(failures, 1) - 1, 10)))


def failures_after(failures: int, *, ran_s: float) -> int:
    """The failures in a row, counting one that came after ``ran_s`` seconds."""
    return 1 if ran_s >= QUIET_S else failures + 1
