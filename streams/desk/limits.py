"""How often one visitor may ask: a rate for each kind of request, counted by token, account or address.

The counts live in the desk's process: a second desk beside it counts for itself, and a restart begins anew.
They hold off a program that runs away; guessing passwords and flooding the public form are counted in the
casebook (:mod:`streams.desk.login_routes`, :mod:`streams.desk.report_routes`).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from connectors.pace import reserve

MOST_VISITORS = 10_000
"""So many are remembered before those who owe nothing are forgotten."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A steady rate, and how many requests may come at once."""

    per_minute: int
    burst: int


API = "api"
LINKS = "links"
DOWNLOADS = "downloads"
TESTS = "tests"

RATES: Mapping[str, Rate] = {
    API: Rate(600, 120),
    LINKS: Rate(60, 30),
    DOWNLOADS: Rate(60, 30),
    TESTS: Rate(2, 5),
}
"""By API token; by address for reply links, where nobody is signed in; by account for files and exports; by
account or token for tests of a webhook, so that nobody searches a network with them."""


class RateLimits:
    """Who has asked how much. For one event loop."""

    def __init__(
        self, rates: Mapping[str, Rate] = RATES, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._rates = rates
        self._monotonic = monotonic
        self._full_at: dict[tuple[str, str], float] = {}

    def wait_s(self, kind: str, visitor: str) -> float:
        """0: go on, and it is counted. Otherwise the seconds after which the next is let in; not counted."""
        rate, now = self._rates[kind], self._monotonic()
        held = self._full_at.get((kind, visitor), now)
        full_at, start = reserve(held, now, interval=60 / rate.per_minute, burst=rate.burst)
        if start > now:
            return start - now
        if len(self._full_at) >= MOST_VISITORS:
            self._full_at = {who: until for who, until in self._full_at.items() if until > now}
        self._full_at[kind, visitor] = full_at
        return 0.0
