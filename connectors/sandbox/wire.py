"""What can be done to a connection: answer, cut it, drip, be late, hang.

uvicorn gives an application no way to cut its connection, so :class:`WithTransport` takes the
transport from the ``send`` of its request cycle; a test holds that this still works.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from connectors.sandbox.journal import JournalBrokenError
from connectors.sandbox.replies import MAX_BODY, Reply

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_KEY = "takin.transport"


class WithTransport:
    """ASGI wrapper, the outermost: puts the connection's transport into the scope."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; the sandbox itself tells of a broken journal, once and in a sentence."""
        scope[_KEY] = getattr(getattr(send, "__self__", None), "transport", None)
        with contextlib.suppress(JournalBrokenError):
            await self._app(scope, receive, send)


class WireResponse(Response):
    """Sends a :class:`Reply` in its manner.

    When ``closing`` is set, whatever takes its time is cut off: a platform that stops does not wait.
    """

    def __init__(self, reply: Reply, closing: asyncio.Event) -> None:
        super().__init__(reply.body, status_code=reply.status, headers=reply.headers)
        if reply.body:
            self.headers["content-type"] = "application/json"
        self._reply = reply
        self._closing = closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or do not."""
        reply = self._reply
        if reply.wire == "reset":
            await cut(scope, receive, reset=True)
        elif reply.wire == "hang":
            await _first_of(_disconnected(receive), self._closing.wait(), within_s=reply.wait_s)
            await cut(scope, receive, reset=True)
        elif reply.wire == "late":
            await _first_of(self._closing.wait(), within_s=reply.wait_s)
            await super().__call__(scope, receive, send)
        elif reply.wire in ("cut", "trickle"):
            start = {"type": "http.response.start", "status": reply.status, "headers": self.raw_headers}
            await send(start)
            if reply.wire == "cut":
                half = reply.body[: len(reply.body) // 2]
                await send({"type": "http.response.body", "body": half, "more_body": True})
                await cut(scope, receive, reset=False)
            else:
                await self._trickle(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def _trickle(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = self._reply.body
        pause = self._reply.wait_s / max(1, len(body))
        for index in range(len(body)):
            await asyncio.sleep(pause)
            if self._closing.is_set():
                await cut(scope, receive, reset=False)
                return
            drop, more = body[index : index + 1], index + 1 < len(body)
            await send({"type": "http.response.body", "body": drop, "more_body": more})


async def cut(scope: Scope, receive: Receive, *, reset: bool) -> None:
    """End the connection without an answer; ``reset`` sends RST instead of FIN."""
    transport = scope.get(_KEY)
    if transport is None:
        raise RuntimeError("the server does not show its transport: connections cannot be cut")
    if reset:
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()
    await _first_of(_disconnected(receive), within_s=5.0)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _first_of(*jobs: Coroutine[Any, Any, Any], within_s: float) -> None:
    """Until one of the jobs is done or the time is over."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        await asyncio.wait(tasks, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


_DRAINED = 8 * MAX_BODY
"""Bytes of a body that is too large which are read and thrown away, so that the sender, who is still
writing, gets to read the answer."""


async def read_body(request: HttpRequest) -> bytes | None:
    """The whole body; ``None`` when it is larger than the desk takes.

    Raises:
        ClientDisconnect: the sender went away in the middle.
    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > _DRAINED:
            break
        if size <= MAX_BODY:
            chunks.append(chunk)
        else:
            chunks.clear()
    return b"".join(chunks) if size <= MAX_BODY else None


__all__ = ["ClientDisconnect", "WireResponse", "WithTransport", "cut", "read_body"]
