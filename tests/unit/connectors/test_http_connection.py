"""Over real sockets: what a server may do to an exchange, and which connection serves the next one."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from connectors.egress import EgressPolicy
from connectors.errors import PlatformRefused, PlatformUnavailable
from connectors.http import HttpLimits, OutboundClient
from connectors.http_connection import Connection, Origin, Waits
from connectors.http_message import Answer

TWO = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"

Says = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class RawServer:
    """Gives each request to ``says`` and counts connections."""

    says: Says
    port: int = 0
    connections: int = 0
    asked: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


@asynccontextmanager
async def raw(says: Says) -> AsyncIterator[RawServer]:
    here = RawServer(says)
    busy: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        busy.add(task)
        here.connections += 1
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                here.asked.append(head)
                await here.says(head, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            busy.discard(task)
            writer.transport.abort()

    listening = await asyncio.start_server(converse, "127.0.0.1", 0)
    here.port = listening.sockets[0].getsockname()[1]
    try:
        yield here
    finally:
        listening.close()
        for task in tuple(busy):
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)


@asynccontextmanager
async def speaking(server: RawServer, **limits: float) -> AsyncIterator[OutboundClient]:
    here = frozenset({("127.0.0.1", server.port)})
    bounds = HttpLimits(**{"total_s": 20.0, **limits})  # type: ignore[arg-type]
    client = OutboundClient(EgressPolicy(here, here, plain_http=True), bounds)
    try:
        yield client
    finally:
        await client.aclose()


def at_once(answer: bytes) -> Says:
    async def says(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return says


def and_ends(answer: bytes) -> Says:
    async def says(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    return says


async def test_an_answer_may_come_byte_by_byte() -> None:
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    answer = b"HTTP/1.1 100 Continue\r\n\r\n" + chunked

    async def says(_: bytes, writer: asyncio.StreamWriter) -> None:
        for place in range(len(answer)):
            writer.write(answer[place : place + 1])
            await writer.drain()
            await asyncio.sleep(0)

    async with raw(says) as server, speaking(server) as client:
        replies = [await client.request("GET", server.url) for _ in range(2)]

    assert [(one.status, one.body, one.complete) for one in replies] == [(200, b"hi", True)] * 2
    assert server.connections == 1


async def test_a_connection_serves_one_exchange_after_the_other() -> None:
    async with raw(at_once(TWO)) as server, speaking(server) as client:
        for _ in range(5):
            assert (await client.request("GET", server.url)).body == b"hi"

    assert (server.connections, len(server.asked)) == (1, 5)


@pytest.mark.parametrize(
    "more",
    [b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwrong", b"rubbish", b"HTTP/1.1 408 Late\r\n\r\n"],
    ids=["another answer", "rubbish", "a timeout"],
)
@pytest.mark.parametrize("together", [True, False])
async def test_what_was_said_unasked_is_never_taken_for_the_next_answer(more: bytes, together: bool) -> None:
    async def says(_: bytes, writer: asyncio.StreamWriter) -> None:
        if together:
            writer.write(TWO + more)
        else:
            writer.write(TWO)
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.write(more)
        await writer.drain()

    async with raw(says) as server, speaking(server) as client:
        bodies = []
        for _ in range(4):
            bodies.append((await client.request("GET", server.url)).body)
            await asyncio.sleep(0.1)

    assert bodies == [b"hi"] * 4
    assert server.connections == 4


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    ],
    ids=["close", "HTTP/1.0", "two ways to end"],
)
async def test_a_connection_that_may_not_be_kept_is_not(answer: bytes) -> None:
    async with raw(at_once(answer)) as server, speaking(server) as client:
        for _ in range(3):
            assert (await client.request("GET", server.url)).body == b"hi"

    assert server.connections == 3


async def test_an_answer_that_was_cut_at_the_cap_leaves_no_connection_behind() -> None:
    long = b"HTTP/1.1 200 OK\r\ncontent-length: 500000\r\n\r\n" + b"x" * 500_000
    async with raw(at_once(long)) as server, speaking(server) as client:
        replies = [await client.request("GET", server.url, cap=1_000) for _ in range(2)]

    assert [(len(one.body), one.complete) for one in replies] == [(1_000, False)] * 2
    assert server.connections == 2


async def test_a_reply_without_a_length_is_read_to_the_end_of_the_connection() -> None:
    async with (
        raw(and_ends(b"HTTP/1.1 200 OK\r\n\r\n" + b"y" * 300_000)) as server,
        speaking(server) as client,
    ):
        reply = await client.request("GET", server.url, cap=1_000_000)

    assert (len(reply.body), reply.complete) == (300_000, True)
    assert reply.exchange is not None
    assert (reply.exchange.http_version, reply.exchange.reason) == ("HTTP/1.1", b"OK")
    assert reply.exchange.server == "127.0.0.1"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "reset"),
        (b"HTTP/1.1 20", "reset"),
        (b"HTTP/1.1 200 OK\r\nconte", "reset"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "reset"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nh", "reset"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nh", "reset"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n", "reset"),
        (b"HTTP/1.1 101 So be it\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "bad_reply"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "bad_reply"),
        (b"HTTP/1.1 200 OK\r\na: " + b"b" * 1_000_000, "bad_reply"),
    ],
)
async def test_what_a_server_ends_with_has_a_reason(answer: bytes, reason: str) -> None:
    async with raw(and_ends(answer)) as server, speaking(server) as client:
        with pytest.raises(PlatformUnavailable) as trouble:
            await client.request("GET", server.url)

    assert trouble.value.reason == reason


async def test_head_brings_a_length_and_no_body() -> None:
    async with (
        raw(at_once(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n")) as server,
        speaking(server) as client,
    ):
        reply = await client.request("HEAD", server.url)

    assert (reply.status, reply.headers["content-length"], reply.body, reply.complete) == (
        200,
        "500",
        b"",
        True,
    )


class Told:
    """A stream that is always ready, and whose writing may fail."""

    peer = "127.0.0.1"
    is_readable = False

    def __init__(self, *pieces: bytes, trouble: PlatformUnavailable | None = None) -> None:
        self.pieces = iter(pieces)
        self.trouble = trouble

    async def read(self, max_bytes: int, timeout: float) -> bytes:
        return next(self.pieces, b"")

    async def write(self, buffer: bytes, timeout: float) -> None:
        if self.trouble is not None:
            raise self.trouble

    async def aclose(self) -> None:
        pass


def on(stream: Told) -> Connection:
    return Connection(Origin("http", "127.0.0.1", 80), stream, Waits(1, 1, 1, 1))


async def asked(connection: Connection, method: str, within_s: float = 10.0) -> Answer:
    """An exchange, up to the end of the answer's head."""
    answer = await connection.send(method, b"x", time.monotonic() + within_s)
    while not answer.status:
        await connection.read_on(answer)
    return answer


async def test_a_server_that_answers_before_it_has_read_all_is_heard_and_asked_no_more() -> None:
    answer = b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno"
    connection = on(Told(answer, trouble=PlatformUnavailable("reset", "broken pipe")))
    found = await asked(connection, "POST")

    assert (found.status, found.take_body(), found.keeps_connection) == (413, [b"no"], True)
    assert not connection.is_kept()


async def test_a_server_that_takes_too_long_to_read_is_not_listened_to() -> None:
    connection = on(Told(TWO, trouble=PlatformUnavailable("timeout", "writing took too long")))
    with pytest.raises(PlatformUnavailable, match="writing took too long"):
        await asked(connection, "POST")


@pytest.mark.parametrize("headers", [{"host": "elsewhere.example"}, {"x": "a\r\nb: c"}, {"x": "é"}])
async def test_a_request_that_cannot_be_sent_opens_no_connection(headers: dict[str, str]) -> None:
    async with raw(at_once(TWO)) as server, speaking(server) as client:
        with pytest.raises(PlatformRefused) as refusal:
            await client.request("GET", server.url, headers=headers)

    assert refusal.value.reason == "invalid"
    assert server.connections == 0


async def test_a_server_always_faster_than_we_are_keeps_nobody_from_a_turn_nor_us_from_the_clock() -> None:
    endless = [b"HTTP/1.1 100 Continue\r\n\r\n" * 10] * 1_000_000
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    with pytest.raises(PlatformUnavailable) as trouble:
        await asked(on(Told(*endless)), "GET", within_s=0.1)
    beside.cancel()

    assert trouble.value.reason == "timeout"
    assert turns > 10


async def test_a_server_that_is_slow_in_all_is_given_up_after_the_time_for_all() -> None:
    async def says(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        for _piece in range(1_000):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with raw(says) as server, speaking(server, read_s=5.0) as client:
        began = time.monotonic()
        with pytest.raises(PlatformUnavailable, match=r"no complete answer within 0\.3 s") as trouble:
            await client.request("GET", server.url, timeout_s=0.3)

    assert trouble.value.reason == "timeout"
    assert 0.3 <= time.monotonic() - began < 5.0


async def test_an_answer_may_be_fetched_later_and_what_nobody_fetches_leaves_no_connection_behind() -> None:
    async with raw(at_once(TWO)) as server, speaking(server, connections=1) as client:
        first = await client.ask("GET", server.url, timeout_s=0.3)
        await asyncio.sleep(0.5)  # nobody waits for it
        assert (await first.reply()).body == b"hi"
        with pytest.raises(RuntimeError):
            await first.reply()

        await (await client.ask("GET", server.url)).aclose()
        assert (await client.request("GET", server.url, timeout_s=5.0)).body == b"hi"

    assert (server.connections, len(server.asked)) == (2, 3)
