"""TCP and TLS on asyncio's own sockets: connections that are read and written in turn, in bounded time.

Every failure is a :class:`connectors.errors.PlatformUnavailable`: ``connect`` before there is a connection,
``reset`` after, ``timeout`` where it took too long.
"""

import asyncio
import select
import socket
import ssl
from types import TracebackType
from typing import Any, Protocol

from connectors.errors import PlatformUnavailable


class Stream(Protocol):
    """A connection."""

    @property
    def peer(self) -> str:
        """The address of the other end."""

    @property
    def is_readable(self) -> bool:
        """Whether something came that was not read: where nothing was asked for, the other side hung up."""

    async def read(self, max_bytes: int, timeout: float) -> bytes:
        """At most so many bytes; none: the other side has ended.

        Raises:
            PlatformUnavailable
        """

    async def write(self, buffer: bytes, timeout: float) -> None:
        """All of it.

        Raises:
            PlatformUnavailable
        """

    async def aclose(self) -> None:
        """Hang up. Nothing is waited for."""


class TcpStream:
    """A connected socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.peer = str(sock.getpeername()[0])
        self._loop = asyncio.get_running_loop()

    @property
    def is_readable(self) -> bool:
        """As of a :class:`Stream`."""
        return _is_readable(self._sock)

    async def read(self, max_bytes: int, timeout: float) -> bytes:
        """As of a :class:`Stream`."""
        # What is there already needs no clock.
        try:
            return self._sock.recv(max_bytes)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            raise PlatformUnavailable("reset", _said(error)) from error
        async with _Within(timeout, "reading"):
            return await self._loop.sock_recv(self._sock, max_bytes)

    async def write(self, buffer: bytes, timeout: float) -> None:
        """As of a :class:`Stream`."""
        # Most requests fit into the kernel's buffer, and need no clock.
        try:
            sent = self._sock.send(buffer)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            raise PlatformUnavailable("reset", _said(error)) from error
        if sent < len(buffer):
            async with _Within(timeout, "writing"):
                await self._loop.sock_sendall(self._sock, memoryview(buffer)[sent:])

    async def aclose(self) -> None:
        """As of a :class:`Stream`."""
        self._sock.close()

    async def start_tls(self, context: ssl.SSLContext, hostname: str, timeout: float) -> "TlsStream":
        """The same connection with TLS; it is closed where that fails.

        Raises:
            PlatformUnavailable
        """
        try:
            async with _Within(timeout, "connecting", failed="connect"):
                reader, writer = await asyncio.open_connection(
                    sock=self._sock, ssl=context, server_hostname=hostname
                )
        except BaseException:
            self._sock.close()
            raise
        return TlsStream(reader, writer, self.peer)

    def detach(self) -> socket.socket:
        """The socket, for somebody else to use and to close."""
        return self._sock


class TlsStream:
    """A connection with TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str) -> None:
        self._reader = reader
        self._writer = writer
        self.peer = peer

    @property
    def is_readable(self) -> bool:
        """As of a :class:`Stream`."""
        ended = self._reader.at_eof() or self._writer.transport.is_closing()
        return ended or _is_readable(self._writer.get_extra_info("socket"))

    async def read(self, max_bytes: int, timeout: float) -> bytes:
        """As of a :class:`Stream`."""
        async with _Within(timeout, "reading"):
            return await self._reader.read(max_bytes)

    async def write(self, buffer: bytes, timeout: float) -> None:
        """As of a :class:`Stream`, but for what fits into the transport's buffer."""
        async with _Within(timeout, "writing"):
            self._writer.write(buffer)
            await self._writer.drain()

    async def aclose(self) -> None:
        """Hang up without TLS's farewell, which a slow server would hold up."""
        self._writer.transport.abort()
        await asyncio.sleep(0)  # in which the transport closes its socket


async def connect(address: str, port: int, timeout: float) -> TcpStream:
    """A connection to an IP address.

    Raises:
        PlatformUnavailable
    """
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    async with _Within(timeout, "connecting", failed="connect"):
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(sock, (address, port))
            return TcpStream(sock)
        except BaseException:
            sock.close()
            raise


class _Within:
    """An operation's time, and what it is called when it fails or takes longer."""

    __slots__ = ("_doing", "_failed", "_timeout")

    def __init__(self, timeout: float, doing: str, *, failed: str = "reset") -> None:
        self._timeout = asyncio.timeout(timeout)
        self._doing = doing
        self._failed = failed

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, traceback)
        except TimeoutError as late:
            raise PlatformUnavailable("timeout", f"{self._doing} took too long") from late
        if isinstance(error, TimeoutError):  # the kernel's own
            raise PlatformUnavailable("timeout", _said(error)) from error
        if isinstance(error, OSError):  # ssl.SSLError is one
            raise PlatformUnavailable(self._failed, _said(error)) from error


def _said(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:300]


def _is_readable(sock: Any) -> bool:
    descriptor = sock.fileno()
    if descriptor < 0:  # closed
        return True
    asked = select.poll()
    asked.register(descriptor, select.POLLIN)
    return bool(asked.poll(0))
