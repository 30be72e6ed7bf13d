"""A real TCP server that answers HTTP the way a test tells it to, however rude."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Manners = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class RudeServer:
    """Where it listens, how it answers, and what it was asked."""

    port: int
    manners: Manners
    tls: bool = False
    asked: list[Asked] = field(default_factory=list)
    always: dict[str, Manners] = field(default_factory=dict)
    """Paths that are answered so whatever ``manners`` are, and are not counted: a login before the call."""

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def answers(
        self, status: int, body: bytes = b"", *headers: tuple[str, str], length: int | None = None
    ) -> None:
        """From now on: this answer."""
        self.manners = answer(status, body, *headers, length=length)


def answer(status: int, body: bytes = b"", *headers: tuple[str, str], length: int | None = None) -> Manners:
    """Answer and keep the connection open. ``length`` may lie."""
    lines = [
        f"HTTP/1.1 {status} Whatever",
        f"content-length: {len(body) if length is None else length}",
        *(f"{name}: {value}" for name, value in headers),
    ]

    async def manners(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return manners


async def _request(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ", 2)
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method, target, headers, body)


@asynccontextmanager
async def rude_server(context: ssl.SSLContext | None = None) -> AsyncIterator[RudeServer]:
    """Serve on a free loopback port; every connection still open at the end is dropped."""
    open_tasks: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_tasks.add(task)
        try:
            while not writer.is_closing():
                request = await _request(reader)
                if (polite := here.always.get(request.target.partition("?")[0])) is not None:
                    await polite(request, writer)
                    continue
                here.asked.append(request)
                await here.manners(request, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError, ssl.SSLError):
            pass
        finally:
            open_tasks.discard(task)
            writer.transport.abort()

    listening = await asyncio.start_server(converse, "127.0.0.1", 0, ssl=context)
    here = RudeServer(listening.sockets[0].getsockname()[1], answer(500), tls=context is not None)
    try:
        yield here
    finally:
        listening.close()
        for task in tuple(open_tasks):
            task.cancel()
        await asyncio.gather(*open_tasks, return_exceptions=True)
