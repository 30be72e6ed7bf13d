"""Connections for HTTP: opened where egress allows, for one exchange at a time, kept for the next one."""

import asyncio
import ssl
import time
from dataclasses import dataclass

from connectors.egress import GuardedBackend
from connectors.errors import PlatformUnavailable
from connectors.http_message import Answer
from connectors.streams import Stream

KEPT_S = 3.0
"""For which an idle connection is kept: shorter than the 5 s after which many servers hang up, so that a
request does not start on a connection that is just being closed."""
_PIECE = 64 * 1024
"""Bytes that are read at once."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a connection leads."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Waits:
    """Bounds in seconds."""

    connect_s: float
    read_s: float
    """For each piece."""
    write_s: float
    pool_s: float
    """Until a connection is free."""


class Connection:
    """One to ``origin``."""

    def __init__(self, origin: Origin, stream: Stream, waits: Waits) -> None:
        self.origin = origin
        self.peer = stream.peer
        self._stream = stream
        self._waits = waits
        self._answer: Answer | None = None
        self._cut = False
        self._idle_since = 0.0
        self.until = 0.0
        """When the exchange is to be over, by the monotonic clock."""

    async def send(self, method: str, request: bytes, until: float) -> Answer:
        """Send a request; its answer, of which nothing came yet. ``until``: see :attr:`until`.

        Raises:
            PlatformUnavailable: ``timeout`` or ``reset``.
        """
        self.until = until
        answer = self._answer = Answer(method)
        try:
            await self._stream.write(request, self._within(self._waits.write_s))
        except PlatformUnavailable as error:
            # Some servers say what they dislike, and hang up before they have read all of it.
            if error.reason != "reset":
                raise
            self._cut = True
        return answer

    async def read_on(self, answer: Answer) -> None:
        """Wait for the next piece of an answer that is not complete.

        Raises:
            PlatformUnavailable: ``timeout``, ``reset`` or ``bad_reply``.
        """
        piece = await self._stream.read(_PIECE, self._within(self._waits.read_s))
        if piece:
            answer.feed(piece)
        else:
            answer.end()
        if not answer.is_complete:
            # A server that is always faster than we are may not keep others from their turn.
            await asyncio.sleep(0)

    def _within(self, seconds: float) -> float:
        left = self.until - time.monotonic()
        if left <= 0:
            raise PlatformUnavailable("timeout", "no time is left")
        return min(seconds, left)

    def is_kept(self) -> bool:
        """Whether it may serve another exchange after the one that is over; it is idle from then on."""
        self._idle_since = time.monotonic()
        return self._answer is not None and self._answer.keeps_connection and not self._cut

    def is_stale(self) -> bool:
        """Whether it was idle for too long, or the server hung up or said something unasked."""
        return time.monotonic() - self._idle_since > KEPT_S or self._stream.is_readable

    async def aclose(self) -> None:
        """Hang up."""
        await self._stream.aclose()


class Connections:
    """At most so many, each for one exchange at a time."""

    def __init__(
        self, backend: GuardedBackend, context: ssl.SSLContext, waits: Waits, *, connections: int
    ) -> None:
        self._backend = backend
        self._context = context
        self._waits = waits
        self._connections = connections
        self._turns = asyncio.Semaphore(connections)
        self._in_use = 0
        self._closed = False
        self._idle: list[Connection] = []
        """The one used last at the end."""

    async def take(self, origin: Origin, until: float) -> Connection:
        """One for an exchange with ``origin``, to be given back afterwards; ``until``: of the same clock.

        Raises:
            EgressRefused: it leads where we do not go.
            PlatformUnavailable: every one was in use for too long, or none could be opened.
        """
        await self._turn(until)
        self._in_use += 1
        try:
            return await self._kept(origin) or await self._opened(origin, until)
        except BaseException:
            self._release()
            raise

    async def give_back(self, connection: Connection) -> None:
        """Keep it where its exchange left it fit for another."""
        try:
            if connection.is_kept() and not self._closed:
                self._idle.append(connection)
            else:
                await connection.aclose()
        finally:
            self._release()

    def _release(self) -> None:
        self._in_use -= 1
        self._turns.release()

    async def _turn(self, until: float) -> None:
        if not self._turns.locked():
            await self._turns.acquire()  # at once
            return
        try:
            async with asyncio.timeout(min(self._waits.pool_s, until - time.monotonic())):
                await self._turns.acquire()
        except TimeoutError as error:
            within = f"{self._waits.pool_s:g} s"
            raise PlatformUnavailable("timeout", f"no connection was free in {within}") from error

    async def _kept(self, origin: Origin) -> Connection | None:
        gone = [one for one in self._idle if one.is_stale()]
        for one in gone:
            self._idle.remove(one)
            await one.aclose()
        for one in reversed(self._idle):
            if one.origin == origin:
                self._idle.remove(one)
                return one
        return None

    async def _opened(self, origin: Origin, until: float) -> Connection:
        if self._idle and self._in_use + len(self._idle) > self._connections:
            await self._idle.pop(0).aclose()
        within_s = self._waits.connect_s
        try:
            async with asyncio.timeout(until - time.monotonic()):
                plain = await self._backend.connect_tcp(origin.host, origin.port, within_s)
                if origin.scheme == "http":
                    return Connection(origin, plain, self._waits)
                secure = await plain.start_tls(self._context, origin.host, within_s)
        except TimeoutError as error:
            raise PlatformUnavailable("timeout", "no connection was there in time") from error
        return Connection(origin, secure, self._waits)

    async def aclose(self) -> None:
        """Close those that nobody uses, and those in use as soon as they are given back."""
        self._closed = True
        while self._idle:
            await self._idle.pop().aclose()
