"""HTTP to one receiver at its pace: who asked for silence is left alone, whoever calls."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Literal

from connectors.egress import EgressPolicy
from connectors.errors import PlatformRefused, PlatformUnavailable
from connectors.http import OutboundClient, Reply, reply_error
from connectors.pace import Pace
from connectors.platform_config import PlatformConfig


def utc_now() -> datetime:
    """The edge's clock."""
    return datetime.now(UTC)


class Caller:
    """The receiver behind ``base_url``."""

    def __init__(
        self,
        config: PlatformConfig,
        headers: Mapping[str, str],
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._base = config.base
        self._headers = {**headers, "Accept": "application/json"}
        self._now = now
        self._client = OutboundClient(
            EgressPolicy.for_base_url(config.base, private=config.private_address, socks=config.proxy),
            config.limits,
            user_agent=config.user_agent,
            ca_file=str(config.ca_file) if config.ca_file else None,
        )
        self._pace = Pace(config.rate_per_s, burst=config.concurrency)

    async def call(
        self,
        method: Literal["GET", "POST"],
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Reply:
        """One exchange.

        Raises:
            PlatformUnavailable: among others ``throttled``, without asking, while silence was asked for.
            PlatformRefused
        """
        silent = self._pace.silent_for_s
        if silent > 0:
            raise PlatformUnavailable(
                "throttled", "the platform asked to be left alone for a while", retry_after_s=max(silent, 1.0)
            )
        await self._pace.turn()
        return await self._client.request(
            method,
            self._base + path,
            headers={**self._headers, **(headers or {})},
            content=body,
            timeout_s=timeout_s,
        )

    def error(self, reply: Reply) -> PlatformUnavailable | PlatformRefused:
        """What an unexpected reply means; a ``Retry-After`` in it silences every later call."""
        error = reply_error(reply, self._now())
        if isinstance(error, PlatformUnavailable) and error.retry_after_s is not None:
            self._pace.be_silent(error.retry_after_s)
        return error

    def be_silent(self, seconds: float) -> None:
        """The receiver said that nothing is left of a window."""
        self._pace.be_silent(seconds)

    async def aclose(self) -> None:
        """Close connections."""
        await self._client.aclose()
