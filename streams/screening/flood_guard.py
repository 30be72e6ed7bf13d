"""When a watchlist entry suddenly matches far more than before. Pure: the time is an argument."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

LEARNS = 0.2
"""Weight of the newest window in an entry's baseline."""


@dataclass(frozen=True, slots=True)
class FloodLimits:
    """An entry floods when all three are passed within one window."""

    window: timedelta = timedelta(minutes=1)
    matches: int = 100
    """At least so many listings."""
    share: float = 0.05
    """A greater share of the listings decided than this."""
    factor: float = 10.0
    """And so many times the entry's baseline share, where it has one."""


@dataclass(frozen=True, slots=True)
class Flood:
    """What was seen of an entry that floods."""

    entry_id: str
    matches: int
    decided: int
    baseline: float
    """Share of listings in the windows before; 0 for an entry that is new."""
    window: timedelta

    def sentence(self, at: datetime) -> str:
        """The reason that stands on the entry."""
        usual = f"{self.baseline:.2%} before" if self.baseline else "nothing known before"
        return (
            f"Quarantined by the flood guard at {at:%Y-%m-%dT%H:%M:%SZ}: it matched {self.matches} of "
            f"{self.decided} listings ({self.matches / self.decided:.1%}; {usual}) within "
            f"{self.window.total_seconds():.0f} s. Make it narrower, or set it active again."
        )


def floods(
    decided: int, matches: Mapping[str, int], baseline: Mapping[str, float], limits: FloodLimits
) -> tuple[Flood, ...]:
    """The entries that flood, given the counts of a window so far and the baseline shares."""
    found: list[Flood] = []
    for entry_id, times in sorted(matches.items()):
        usual = baseline.get(entry_id, 0.0)
        if times >= limits.matches and times / decided > max(limits.share, limits.factor * usual):
            found.append(Flood(entry_id, times, decided, usual, limits.window))
    return tuple(found)


def learned(
    decided: int, matches: Mapping[str, int], baseline: Mapping[str, float], flooding: Iterable[str]
) -> dict[str, float]:
    """The baseline after a window; what floods is not learned, or it would become the usual."""
    left_out = set(flooding)
    after = dict(baseline)
    for entry_id in baseline.keys() | matches.keys():
        if entry_id not in left_out:
            share = matches.get(entry_id, 0) / decided
            known = baseline.get(entry_id)
            after[entry_id] = share if known is None else known + LEARNS * (share - known)
    return {entry_id: share for entry_id, share in after.items() if share > 1e-9}


@dataclass
class FloodGuard:
    """Counts window after window. Each flood is told once a window, so that a lost telling is repeated."""

    limits: FloodLimits
    _began: datetime | None = None
    _decided: int = 0
    _matches: Counter[str] = field(default_factory=Counter)
    _baseline: dict[str, float] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    def count(self, decided: int, matched: Iterable[str], now: datetime) -> tuple[Flood, ...]:
        """Add listings that were decided and the entries that matched them; the floods that are new."""
        if self._began is None or now - self._began >= self.limits.window:
            if self._decided:
                self._baseline = learned(self._decided, self._matches, self._baseline, self._told)
            self._began, self._decided = now, 0
            self._matches.clear()
            self._told.clear()
        self._decided += decided
        self._matches.update(matched)
        found = floods(self._decided, self._matches, self._baseline, self.limits)
        new = tuple(one for one in found if one.entry_id not in self._told)
        self._told.update(one.entry_id for one in new)
        return new
