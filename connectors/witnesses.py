"""What others say the time is, so that nobody must believe one machine's clock alone.

Every HTTP answer tells when it was made. The platforms that notices go to are asked for their front door
(``HEAD`` of ``base_url``); whatever they answer, its time is what is wanted.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta

from connectors.egress import EgressPolicy, read_address
from connectors.errors import ConnectorError
from connectors.http import HttpLimits, OutboundClient, their_time
from connectors.platform_config import PlatformConfig

ANSWERS_WITHIN_S = 3.0
_LIMITS = HttpLimits(
    connect_s=ANSWERS_WITHIN_S,
    read_s=ANSWERS_WITHIN_S,
    write_s=ANSWERS_WITHIN_S,
    total_s=ANSWERS_WITHIN_S,
    connections=1,
)
_HALF_A_SECOND = timedelta(seconds=0.5)
"""A time to the second is on average so much older than what it tells."""


class Witnesses:
    """The servers of these platforms, each asked once whoever of them shares it."""

    def __init__(self, configs: Iterable[PlatformConfig], *, steady: Callable[[], float]) -> None:
        """``steady``: seconds of a clock that nobody can set."""
        self._steady = steady
        self._doors: dict[tuple[str, str, int | None], tuple[str, OutboundClient]] = {}
        for config in configs:
            door = read_address(config.base)
            self._doors.setdefault((door.scheme, door.host, door.port), (config.base, _client(config)))

    async def ask(self) -> tuple[float, ...]:
        """Their time, each as seconds since 1970 less the steady clock's; of those who answered in time."""
        said = await asyncio.gather(*(self._ask(url, client) for url, client in self._doors.values()))
        return tuple(one for one in said if one is not None)

    async def _ask(self, url: str, client: OutboundClient) -> float | None:
        asked = self._steady()
        with suppress(ConnectorError):
            theirs: datetime | None = their_time(await client.request("HEAD", url + "/"))
            if theirs is not None:
                return (theirs + _HALF_A_SECOND).timestamp() - (asked + self._steady()) / 2
        return None

    async def aclose(self) -> None:
        """Close connections."""
        for _, client in self._doors.values():
            await client.aclose()


def _client(config: PlatformConfig) -> OutboundClient:
    return OutboundClient(
        EgressPolicy.for_base_url(config.base, private=config.private_address, socks=config.proxy),
        _LIMITS,
        user_agent=config.user_agent,
        ca_file=str(config.ca_file) if config.ca_file else None,
    )
