"""Test mode: what would go to a platform's desk is written to a folder, and nothing leaves.

``{folder}/{platform}/{key}.body`` holds the very bytes. Listings are still looked at, as any visitor
may; the desk is neither written to nor asked.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from connectors.channels.email import EmailChannel
from connectors.channels.folder import alone_in, write_whole
from connectors.errors import ForgedAnswer, PlatformRefused, PlatformUnavailable
from connectors.platform import (
    Capabilities,
    Delivery,
    Observation,
    Page,
    Platform,
    ProbeTarget,
    RawAnswer,
    Receipt,
    RenderedNotice,
)
from schemas.follow_up import FollowUp, Information
from schemas.notice import Notice
from schemas.response import PlatformResponse


class Sink:
    """A folder that takes what a platform would have got."""

    def __init__(self, folder: Path, platform: str) -> None:
        self.folder = folder / platform

    async def take(self, delivery: Delivery) -> Receipt:
        """Write it once; the same key again is as good as once.

        Raises:
            PlatformRefused: the key cannot be a file's name.
            PlatformUnavailable: the disk is full or gone.
        """
        path = await asyncio.to_thread(self._write, delivery)
        return Receipt(None, None, False, None, path.name.encode(), acknowledged=False)

    def _write(self, delivery: Delivery) -> Path:
        if not delivery.idempotency_key.replace("_", "").isalnum():
            raise PlatformRefused("invalid", "the key cannot be a file's name")
        path = self.folder / f"{delivery.idempotency_key}.body"
        try:
            with alone_in(self.folder):
                if not path.exists():
                    write_whole(path, delivery.body)
        except OSError as error:
            raise PlatformUnavailable(
                "server_error", f"the sink cannot be written: {error.strerror}"
            ) from error
        return path


class SinkPlatform:
    """A platform whose desk is a folder; see :class:`connectors.platform.Platform`."""

    def __init__(self, real: Platform, folder: Path) -> None:
        self._real = real
        self._sink = Sink(folder, real.name)

    @property
    def name(self) -> str:
        """As configured."""
        return self._real.name

    @property
    def capabilities(self) -> Capabilities:
        """The real one's, but for what asks the desk."""
        return replace(self._real.capabilities, poll=False, webhook=False)

    def fetch(self, since: str | None) -> AsyncIterator[Page]:
        """The real platform's listings."""
        return self._real.fetch(since)

    def render(self, notice: Notice) -> RenderedNotice:
        """As the real platform takes it."""
        return self._real.render(notice)

    async def submit(self, delivery: Delivery) -> Receipt:
        """To the folder."""
        return await self._sink.take(delivery)

    def authenticate(self, headers: Mapping[str, str], body: bytes, now: datetime) -> RawAnswer:  # noqa: ARG002
        """Nothing was sent, so nothing is answered."""
        raise ForgedAnswer("no_signature", f"{self.name} is in test mode: it answers nothing")

    def parse(self, answer: RawAnswer) -> tuple[PlatformResponse, ...]:
        """Read an answer that was stored before."""
        return self._real.parse(answer)

    async def poll(self, idempotency_key: str) -> RawAnswer | None:  # noqa: ARG002 - the contract's argument
        """Nobody is asked."""
        return None

    def render_information(self, information: Information) -> RenderedNotice:
        """As the real platform takes it."""
        return self._real.render_information(information)

    async def inform(self, delivery: Delivery, notice_key: str) -> Receipt:  # noqa: ARG002 - the contract's
        """To the folder."""
        return await self._sink.take(delivery)

    def render_follow_up(self, follow_up: FollowUp) -> RenderedNotice:
        """As the real platform takes it."""
        return self._real.render_follow_up(follow_up)

    async def follow_up(self, delivery: Delivery, notice_key: str) -> Receipt:  # noqa: ARG002 - the contract's
        """To the folder."""
        return await self._sink.take(delivery)

    async def probe(self, target: ProbeTarget) -> Observation:
        """Look at the listing."""
        return await self._real.probe(target)

    async def aclose(self) -> None:
        """Close connections."""
        await self._real.aclose()


class SinkLetters:
    """Letters that go to the folder; written as the mail channel writes them."""

    def __init__(self, real: EmailChannel, folder: Path, platform: str) -> None:
        self._real = real
        self._sink = Sink(folder, platform)

    def render_follow_up(self, follow_up: FollowUp, recipient: str | None) -> RenderedNotice:
        """The whole message."""
        return self._real.render_follow_up(follow_up, recipient)

    def render_information(self, information: Information) -> RenderedNotice:
        """The whole message."""
        return self._real.render_information(information)

    async def deliver(self, delivery: Delivery, recipient: str | None = None) -> Receipt:  # noqa: ARG002
        """To the folder, whoever was to get it."""
        return await self._sink.take(delivery)
