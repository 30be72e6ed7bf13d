"""The contract of a channel: a way to bring a notice to a platform, and what comes back by it.

A channel makes single attempts, like :class:`connectors.platform.Platform`, whose errors it raises.
:class:`connectors.channels.channelled.ChannelPlatform` makes a whole platform of it.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from connectors.platform import (
    Delivery,
    Observation,
    ProbeTarget,
    RawAnswer,
    Receipt,
    RenderedNotice,
)
from schemas.follow_up import Information
from schemas.notice import Notice
from schemas.response import PlatformResponse


@dataclass(frozen=True, slots=True)
class ChannelCapabilities:
    """What a channel can do."""

    poll: bool = False
    honours_idempotency_key: bool = True
    """False: the receiver may count a repeat as a second notice."""
    max_items: int = 1
    """Items in one notice."""


@runtime_checkable
class Informs(Protocol):
    """A channel that takes what its platform asked for about a notice."""

    def render_information(self, information: Information) -> RenderedNotice:
        """Pure, and the same bytes for the same information."""

    async def inform(self, delivery: Delivery, notice_key: str) -> Receipt:
        """Deliver it once; raises as :meth:`Channel.deliver`."""


@runtime_checkable
class Looks(Protocol):
    """A channel to a platform whose pages say nothing to a program, and whose API shows listings instead."""

    async def look(self, target: ProbeTarget) -> Observation:
        """Look once, as :meth:`connectors.platform.Platform.probe`."""


class Channel(Protocol):
    """One way to one platform."""

    @property
    def capabilities(self) -> ChannelCapabilities:
        """What it can do."""

    def render(self, notice: Notice) -> RenderedNotice:
        """The notice as this channel carries it: pure, and the same bytes for the same notice.

        Raises:
            PlatformRefused: ``invalid`` when the channel's format has no room for it.
        """

    async def deliver(self, delivery: Delivery) -> Receipt:
        """Deliver once; the same key again has no second effect.

        Raises:
            PlatformUnavailable: try the same bytes again later.
            PlatformRefused: it will not be taken like this.
            PlatformGone: the way is closed for good.
        """

    async def poll(self, idempotency_key: str) -> RawAnswer | None:
        """Ask where a notice stands; ``None`` when nothing is known or the channel cannot be asked.

        Raises:
            PlatformUnavailable, PlatformRefused
        """

    def parse(self, answer: RawAnswer) -> tuple[PlatformResponse, ...]:
        """Read an answer with this channel's mapping table: pure.

        Raises:
            UnreadableAnswer: unknown shape or word; never guessed.
        """

    async def aclose(self) -> None:
        """Close connections."""
