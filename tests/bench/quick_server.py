"""A local server whose answers are ready before they are asked for: what it does must not be measured."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl

Bodies = Callable[[Mapping[str, str], str], bytes]
"""Query and path to a body; one that begins with ``CURSOR x`` in its first line is told with that cursor."""


class _Talk(asyncio.Protocol):
    """One connection. Only requests without a body are understood."""

    def __init__(self, bodies: Bodies, headers: tuple[tuple[str, str], ...]) -> None:
        self._bodies = bodies
        self._headers = headers
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            target = self._held[: self._held.index(b"\r\n")].split(b" ")[1].decode("latin-1")
            self._held = self._held[end + 4 :]
            path, _, query = target.partition("?")
            self._transport.write(self._answer(path, dict(parse_qsl(query)) if query else {}))

    def _answer(self, path: str, query: Mapping[str, str]) -> bytes:
        body, headers = self._bodies(query, path), self._headers
        if not headers:
            cursor = query.get("since", "0")
            if body.startswith(b"CURSOR "):
                first, _, body = body.partition(b"\n")
                cursor = first.removeprefix(b"CURSOR ").decode()
            headers = (("takin-cursor", cursor),)
        lines = "".join(f"\r\n{name}: {value}" for name, value in headers)
        return f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}{lines}\r\n\r\n".encode() + body


@asynccontextmanager
async def answering(bodies: Bodies, *headers: tuple[str, str]) -> AsyncIterator[str]:
    """A server that says what ``bodies`` has, on a free loopback port; its address."""
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: _Talk(bodies, headers), "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
