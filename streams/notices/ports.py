"""What the notice service needs of the outside, as it sees it.

:mod:`streams.notices.bridge` implements it over ``connectors``; nothing else here knows them.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pydantic import SecretStr

from schemas.notice import Notice
from schemas.response import PlatformResponse
from streams.notices.casebook.inbox import Received
from streams.notices.casebook.looks import LookDue
from streams.notices.casebook.outbox import AttemptResult, Leased
from streams.notices.handlers import Accepted
from streams.notices.item import Look
from streams.notices.warc import Capture


@dataclass(frozen=True, slots=True)
class Answer:
    """An authenticated answer, not yet stored."""

    platform: str
    channel: str
    source_id: str
    received_at: datetime
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Seen:
    """One look with what is kept of it."""

    look: Look
    http_status: int | None
    body_sha256: str | None
    capture: Capture | None = None
    """The exchange itself; absent when nothing came back."""


class Forged(Exception):
    """An incoming answer that is not the platform's; ``reason`` is from a closed set."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Unreadable(Exception):
    """A genuine answer that no mapping reads; never guessed."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class NoAnswer(Exception):
    """The platform could not be asked now."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a platform is notified now, where its own people changed it at the desk."""

    address: str | None
    """``None``: as the operator configured it."""
    secrets: tuple[SecretStr, ...]
    """Each signs."""
    configured: bool
    """The configured secrets sign, too."""


Ways = Callable[[str], Awaitable[Way | None]]
"""The way to a platform at this moment; ``None``: as configured."""


class Outside(Protocol):
    """All configured platforms."""

    def render(self, notice: Notice) -> tuple[bytes, str]:
        """Body and content type for the notice's platform: pure."""

    def render_fallback(self, notice: Notice) -> tuple[bytes, str] | None:
        """The same for the platform's other channel; ``None``: it has none, or no room for this notice."""

    async def deliver(self, leased: Leased, timeout_s: float) -> tuple[AttemptResult, Accepted | None]:
        """One attempt; never raises for what the outside does."""

    async def look(self, due: LookDue) -> Seen:
        """One look at a listing; never raises for what the outside does."""

    async def ask(self, platform: str, idempotency_key: str) -> Answer | None:
        """Where a notice stands; ``None``: the platform does not know it.

        Raises:
            NoAnswer: it could not be asked.
        """

    def can_be_asked(self, platform: str) -> bool:
        """Whether the platform can be polled."""

    def authenticate(self, platform: str, headers: Mapping[str, str], body: bytes, now: datetime) -> Answer:
        """Check an incoming webhook.

        Raises:
            Forged, KeyError (no such platform)
        """

    def read(self, received: Received) -> tuple[PlatformResponse, ...]:
        """What a stored answer says.

        Raises:
            Unreadable, KeyError (no such platform)
        """
