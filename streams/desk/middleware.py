"""What lies around every answer: security headers, a cap on what is read, and the time it took."""

import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.desk.gate import LARGEST_BODY, LARGEST_UPLOAD, SECURITY_HEADERS, UPLOADS
from streams.desk.metrics import DeskMetrics


class BodyTooLarge(Exception):
    """The sender goes on past the cap."""


class Wrapping:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, *, metrics: DeskMetrics, https: bool) -> None:
        self._app = app
        self._metrics = metrics
        self._headers = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
        if https:
            self._headers.append((b"strict-transport-security", b"max-age=31536000"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        most = LARGEST_UPLOAD if scope["path"].startswith(UPLOADS) else LARGEST_BODY
        read = 0
        status = 500
        started = False

        async def capped() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise BodyTooLarge
            return message

        async def with_headers(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                started = True
                status = message["status"]
                given = {name.lower() for name, _ in message.get("headers", [])}
                extra = [(name, value) for name, value in self._headers if name not in given]
                if b"cache-control" not in given:
                    extra.append((b"cache-control", b"no-store"))
                message = {**message, "headers": [*message.get("headers", []), *extra]}
            await send(message)

        try:
            await self._app(scope, capped, with_headers)
        except BodyTooLarge:
            if started:
                raise
            status = 413
            body = f"At most {most} bytes are read.\n".encode()
            await with_headers(
                {
                    "type": "http.response.start",
                    "status": 413,
                    "headers": [(b"content-type", b"text/plain; charset=utf-8")],
                }
            )
            await send({"type": "http.response.body", "body": body})
        finally:
            route: Any = scope.get("route")
            name = getattr(route, "path", "none")
            self._metrics.request_seconds.labels(name, f"{status // 100}xx").observe(
                time.perf_counter() - began
            )
