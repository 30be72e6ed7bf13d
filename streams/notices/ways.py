"""The way to a platform at this moment, as its own people put it in force, read from the casebook."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime

import structlog
from pydantic import SecretStr

from streams.notices.casebook import webhooks
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.webhooks import Secret
from streams.notices.ports import Way

log = structlog.get_logger()

Opener = Callable[[str], str | None]
"""What was encrypted with the desk's key; ``None``: with another key."""


class LiveWays:
    """Implements :data:`streams.notices.ports.Ways`."""

    def __init__(
        self,
        casebook: Casebook,
        unseal: Opener,
        platforms: Collection[str],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """``platforms``: those whose people may set something (``self_service``)."""
        self._casebook = casebook
        self._unseal = unseal
        self._platforms = frozenset(platforms)
        self._clock = clock

    async def __call__(self, platform: str) -> Way | None:
        """The way in force; ``None``: as the operator configured it."""
        if platform not in self._platforms:
            return None
        found = await self._casebook.look(webhooks.whole, platform)
        if found.in_force is None and not found.secrets:
            return None
        now = webhooks.signing(found.secrets, self._clock())
        return Way(
            found.in_force.address if found.in_force else None,
            opened(now.secrets, self._unseal),
            now.configured,
        )


def opened(secrets: Sequence[Secret], unseal: Opener) -> tuple[SecretStr, ...]:
    """Those that can be read; of the others a line in the log says that the desk's key is another."""
    found = []
    for one in secrets:
        text = unseal(one.sealed)
        if text is None:
            log.error("webhook_secret_unreadable", platform=one.platform, mark=one.mark)
        else:
            found.append(SecretStr(text))
    return tuple(found)
