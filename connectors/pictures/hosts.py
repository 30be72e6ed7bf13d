"""The manners towards the servers that pictures lie on: a pace for each, few at once, and rest for one that
does not answer."""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable

from connectors.pace import Pace

KNOWN = 2_000
"""Hosts that are remembered; the one that was asked longest ago is forgotten first."""
AT_ONCE = 2
FAILURES = 3
"""Failures in a row after which a host is left alone."""
REST_S = 60.0


class HostRests(Exception):
    """The host did not answer several times in a row, or asked to be left alone: not asked now."""


class _Host:
    def __init__(self, rate_per_s: float) -> None:
        self.pace = Pace(rate_per_s)
        self.turns = asyncio.Semaphore(AT_ONCE)
        self.failures = 0
        self.rests_until = float("-inf")


class Hosts:
    """Hands out turns. For one event loop."""

    def __init__(self, rate_per_s: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate_per_s
        self._monotonic = monotonic
        self._hosts: OrderedDict[str, _Host] = OrderedDict()

    def _of(self, name: str) -> _Host:
        host = self._hosts.setdefault(name, _Host(self._rate))
        self._hosts.move_to_end(name)
        while len(self._hosts) > KNOWN:
            self._hosts.popitem(last=False)
        return host

    @contextlib.asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Wait for one's turn at this host.

        Raises:
            HostRests
        """
        host = self._of(name)
        self._check(host)
        async with host.turns:
            self._check(host)
            await host.pace.turn()
            # Others had their turns meanwhile, and it may have stopped answering.
            self._check(host)
            yield

    def _check(self, host: _Host) -> None:
        if host.rests_until > self._monotonic():
            raise HostRests

    def answered(self, name: str) -> None:
        """It did, whatever it said."""
        self._of(name).failures = 0

    def failed(self, name: str, *, rest_s: float | None = None) -> None:
        """It did not, or it said for how long it wants to be left alone."""
        host = self._of(name)
        host.failures += 1
        if rest_s is not None or host.failures >= FAILURES:
            host.rests_until = self._monotonic() + max(rest_s or 0.0, REST_S)
