"""What each service weighs while a load runs: its memory and its share of a core, from ``/proc``."""

import asyncio
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

EVERY_S = 2.0
SETTLED_AFTER = 1 / 3
"""Share of a run after which memory should have settled; growth is judged on what follows."""
SHORTEST_S = 900.0
"""Seconds of a run from which growth by the hour says something."""
_TELLING_S = 0.95 * SHORTEST_S * (1 - SETTLED_AFTER)
"""Seconds of settled memory that such a run has at least."""


@dataclass(frozen=True, slots=True)
class Weight:
    """One look at a process."""

    at_s: float
    """Seconds on any clock that only rises."""
    rss_bytes: int
    cpu_s: float
    """User and system time since the process began."""


@dataclass(frozen=True, slots=True)
class Burden:
    """What a service was to the machine over a run."""

    cores: float
    """Share of one core, mean."""
    first_mb: float
    """Memory, median of the tenth of the looks at which it should have settled."""
    last_mb: float
    """Memory, median of the last tenth of the looks."""
    mb_per_hour: float
    """Slope of a line through the memory after it should have settled (least squares)."""
    starts: int
    """How many processes it took; more than one means that it died."""
    settled_s: float = 0.0
    """Seconds of that line."""

    @property
    def in_words(self) -> str:
        """For a person; growth by the hour only where enough of one was seen."""
        grown = (
            f", {self.mb_per_hour:+.1f} MB an hour"
            if self.settled_s >= _TELLING_S
            else f" (too short to say by the hour: below {SHORTEST_S / 60:.0f} minutes)"
        )
        return f"{self.cores:.2f} of a core, {self.first_mb:.0f} to {self.last_mb:.0f} MB{grown}"

    @classmethod
    def of(cls, looks: Sequence[Weight], starts: int = 1) -> "Burden | None":
        """``None``: fewer than ten looks say nothing."""
        if len(looks) < 10:
            return None
        settled = looks[int(len(looks) * SETTLED_AFTER) :]
        tenth = max(1, len(looks) // 10)
        memory = [look.rss_bytes / 1e6 for look in settled]
        slope = statistics.linear_regression([look.at_s for look in settled], memory).slope
        return cls(
            cores=round((looks[-1].cpu_s - looks[0].cpu_s) / (looks[-1].at_s - looks[0].at_s), 3),
            first_mb=round(statistics.median(memory[:tenth]), 1),
            last_mb=round(statistics.median(memory[-tenth:]), 1),
            mb_per_hour=round(3600 * slope, 1),
            starts=starts,
            settled_s=round(settled[-1].at_s - settled[0].at_s, 1),
        )


def weight(pid: int, at_s: float, proc: Path = Path("/proc")) -> Weight | None:
    """A look at a process and the copies that it made of itself (proc(5)); ``None`` where there is none or no
    ``/proc``.

    Of a copy's memory only what it holds for itself counts; of time also that of copies which have ended.
    """
    try:
        resident = int((proc / str(pid) / "statm").read_text("ascii").split()[1])
        copies = _children(proc / str(pid))
        own = sum(_private_bytes(proc / copy) for copy in copies)
        ticks = _ticks(proc / str(pid), ended=True) + sum(_ticks(proc / copy) for copy in copies)
    except (OSError, IndexError, ValueError):
        return None
    return Weight(at_s, resident * os.sysconf("SC_PAGE_SIZE") + own, ticks / os.sysconf("SC_CLK_TCK"))


def _children(process: Path) -> list[str]:
    """Those of its main thread; a kernel that does not tell leaves them out."""
    try:
        return (process / "task" / process.name / "children").read_text("ascii").split()
    except FileNotFoundError:
        return []


def _private_bytes(process: Path) -> int:
    rows = (row.split() for row in (process / "smaps_rollup").read_text("ascii").splitlines()[1:])
    return sum(int(row[1]) * 1024 for row in rows if row[0] in ("Private_Clean:", "Private_Dirty:"))


def _ticks(process: Path, *, ended: bool = False) -> int:
    """User and system time; with ``ended``, of children that were waited for too."""
    fields = (process / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    own, waited_for = fields[11:13], fields[13:15]
    return int(own[0]) + int(own[1]) + (sum(map(int, waited_for)) if ended else 0)


class Scales:
    """Looks at the services now and then until it is stopped."""

    def __init__(self, pids: Mapping[str, Callable[[], int | None]], every_s: float = EVERY_S) -> None:
        self._pids = pids
        self._every_s = every_s
        self._seen: dict[str, dict[int, list[Weight]]] = {name: {} for name in pids}

    async def weigh(self) -> None:
        """Look for ever; cancel to end."""
        while True:
            now = time.monotonic()
            for name, pid_of in self._pids.items():
                if (pid := pid_of()) is not None and (look := weight(pid, now)) is not None:
                    self._seen[name].setdefault(pid, []).append(look)
            await asyncio.sleep(self._every_s)

    def burdens(self) -> Mapping[str, Burden]:
        """By service; one whose last process was seen too seldom is left out."""
        found = {
            name: Burden.of(list(runs.values())[-1], len(runs)) for name, runs in self._seen.items() if runs
        }
        return {name: burden for name, burden in found.items() if burden is not None}
