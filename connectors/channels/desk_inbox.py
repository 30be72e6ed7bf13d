"""For a platform with nothing to send to: the notice stays with us, ready for whoever asks.

``{folder}/{key}.json`` holds the notice as it stands. Who telephones the platform, or shows the notice
there, reads it; what the platform then says is entered at the desk. Nothing claims that the platform
knows of it.
"""

import asyncio
from pathlib import Path

from pydantic import SecretStr

from connectors.channels.channel import ChannelCapabilities
from connectors.channels.folder import alone_in, write_whole
from connectors.errors import PlatformRefused, PlatformUnavailable, UnreadableAnswer
from connectors.platform import Delivery, RawAnswer, Receipt, RenderedNotice
from connectors.platform_config import PlatformConfig
from schemas.notice import Notice
from schemas.response import PlatformResponse

MAX_ITEMS = 300


class DeskInboxChannel:
    """See :class:`connectors.channels.channel.Channel`."""

    def __init__(
        self,
        config: PlatformConfig,
        keys: tuple[SecretStr, ...],  # noqa: ARG002 - every channel is made with them
    ) -> None:
        assert config.folder is not None, "kind: desk is checked to have it"
        self._folder = config.folder

    @property
    def capabilities(self) -> ChannelCapabilities:
        """Many items, each key once."""
        return ChannelCapabilities(max_items=MAX_ITEMS)

    def render(self, notice: Notice) -> RenderedNotice:
        """Our own notice."""
        return RenderedNotice(notice.to_bytes(), "application/json")

    async def deliver(self, delivery: Delivery) -> Receipt:
        """Lay the notice ready, once."""
        path = await asyncio.to_thread(self._lay, delivery)
        return Receipt(None, None, False, None, path.name.encode(), acknowledged=False)

    def _lay(self, delivery: Delivery) -> Path:
        if not delivery.idempotency_key.replace("_", "").isalnum():
            raise PlatformRefused("invalid", "the key cannot be a file's name")
        path = self._folder / f"{delivery.idempotency_key}.json"
        try:
            with alone_in(self._folder):
                if not path.exists():
                    write_whole(path, delivery.body)
                elif path.read_bytes() != delivery.body:
                    raise PlatformRefused("conflict", "this key lies ready with another text")
        except OSError as error:
            raise PlatformUnavailable(
                "server_error", f"the notice cannot be laid ready: {error.strerror}"
            ) from error
        return path

    async def poll(self, idempotency_key: str) -> RawAnswer | None:  # noqa: ARG002 - the contract's argument
        """Nobody can be asked."""
        return None

    def parse(self, answer: RawAnswer) -> tuple[PlatformResponse, ...]:
        """Nothing comes back by itself."""
        raise UnreadableAnswer("unmapped", f"no mapping reads an answer that came by {answer.channel}")

    async def aclose(self) -> None:
        """Nothing is kept open."""
