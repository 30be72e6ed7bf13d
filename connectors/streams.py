"""TCP and TLS for httpcore on asyncio alone.

httpcore's own way goes through anyio, which turns the event loop several times for each read and write: of a
short exchange over a kept connection that was a quarter (``tests/bench/sources.py``, a page at a time).
"""

import asyncio
import select
import socket
import ssl
from collections.abc import Iterable
from types import TracebackType
from typing import Any

import httpcore


class TcpStream(httpcore.AsyncNetworkStream):
    """A connected socket. Closing it waits for nothing."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._peer = sock.getpeername()
        self._loop = asyncio.get_running_loop()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """At most so many bytes; none: the other side has ended.

        Raises:
            httpcore.ReadTimeout, httpcore.ReadError
        """
        async with _Within(timeout, httpcore.ReadTimeout, httpcore.ReadError):
            return await self._loop.sock_recv(self._sock, max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """All of it.

        Raises:
            httpcore.WriteTimeout, httpcore.WriteError
        """
        async with _Within(timeout, httpcore.WriteTimeout, httpcore.WriteError):
            await self._loop.sock_sendall(self._sock, buffer)

    async def aclose(self) -> None:
        """Let go of the socket."""
        self._sock.close()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """The same connection with TLS; it is closed where that fails.

        Raises:
            httpcore.ConnectTimeout, httpcore.ConnectError
        """
        try:
            async with _Within(timeout, httpcore.ConnectTimeout, httpcore.ConnectError):
                reader, writer = await asyncio.open_connection(
                    sock=self._sock, ssl=ssl_context, server_hostname=server_hostname
                )
        except BaseException:
            self._sock.close()
            raise
        return TlsStream(reader, writer, self._peer)

    def get_extra_info(self, info: str) -> Any:
        """``server_addr``, ``socket`` and ``is_readable``, which means that the other side hung up."""
        match info:
            case "server_addr":
                return self._peer
            case "is_readable":
                return _is_readable(self._sock.fileno())
            case "socket":
                return self._sock
            case _:
                return None


class TlsStream(httpcore.AsyncNetworkStream):
    """A connection with TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: Any) -> None:
        self._reader = reader
        self._writer = writer
        self._peer = peer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """As :meth:`TcpStream.read`."""
        async with _Within(timeout, httpcore.ReadTimeout, httpcore.ReadError):
            return await self._reader.read(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """As :meth:`TcpStream.write`, but for what fits into the transport's buffer."""
        if not buffer:
            return
        async with _Within(timeout, httpcore.WriteTimeout, httpcore.WriteError):
            self._writer.write(buffer)
            await self._writer.drain()

    async def aclose(self) -> None:
        """Hang up without TLS's farewell, which a slow server would hold up."""
        self._writer.transport.abort()
        await asyncio.sleep(0)  # in which the transport closes its socket

    def get_extra_info(self, info: str) -> Any:
        """As of a :class:`TcpStream`, and ``ssl_object``."""
        match info:
            case "server_addr":
                return self._peer
            case "is_readable":
                ended = self._reader.at_eof() or self._writer.transport.is_closing()
                return ended or _is_readable(self._writer.get_extra_info("socket").fileno())
            case "socket" | "ssl_object":
                return self._writer.get_extra_info(info)
            case _:
                return None


async def connect(
    address: str,
    port: int,
    timeout: float | None = None,
    *,
    local_address: str | None = None,
    socket_options: Iterable[Any] | None = None,
) -> TcpStream:
    """A connection to an IP address.

    Raises:
        httpcore.ConnectTimeout, httpcore.ConnectError
    """
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    async with _Within(timeout, httpcore.ConnectTimeout, httpcore.ConnectError):
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for option in socket_options or ():
                sock.setsockopt(*option)
            if local_address is not None:
                sock.bind((local_address, 0))
            await loop.sock_connect(sock, (address, port))
            return TcpStream(sock)
        except BaseException:
            sock.close()
            raise


class _Within:
    """An operation's time, and what it is called when it fails or takes longer."""

    __slots__ = ("_failed", "_timeout", "_too_late")

    def __init__(self, timeout: float | None, too_late: type[Exception], failed: type[Exception]) -> None:
        self._timeout = asyncio.timeout(timeout)
        self._too_late = too_late
        self._failed = failed

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, traceback)
        except TimeoutError as late:
            raise self._too_late(str(late) or "no longer waited for") from error
        if isinstance(error, TimeoutError):  # the kernel's own
            raise self._too_late(str(error)) from error
        if isinstance(error, OSError):  # ssl.SSLError is one
            raise self._failed(str(error)) from error


def _is_readable(descriptor: int) -> bool:
    if descriptor < 0:  # closed
        return True
    asked = select.poll()
    asked.register(descriptor, select.POLLIN)
    return bool(asked.poll(0))
