"""The firehose of a server that misbehaves: what is bad is set aside, and nothing beside it is lost."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from connectors.atproto.posts import Network
from connectors.egress import EgressPolicy
from connectors.errors import PlatformRefused, PlatformUnavailable
from connectors.platform import Page
from connectors.sources import firehose
from connectors.sources.firehose import FirehoseSource, Place
from tests.support.frames import DID, commit, frame, post

NETWORK = Network("net", "https://web.example", "https://img.example/{did}/{cid}", "atproto", "run-1")


class NoNames:
    def heard(self, did: str, handle: str | None) -> None:
        return None

    async def of(self, dids: Sequence[str]) -> dict[str, str]:
        return {}


class Stream:
    """A server that sends what it is told for each connection, and remembers the cursors it was asked for."""

    def __init__(self) -> None:
        self.scripts: list[list[bytes]] = []
        self.cursors: list[str | None] = []
        self.refuses: HTTPStatus | None = None
        self.stays = False

    async def __call__(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        _, _, cursor = connection.request.path.partition("cursor=")
        self.cursors.append(cursor or None)
        for one in self.scripts.pop(0) if self.scripts else []:
            await connection.send(one)
        if self.stays:
            await connection.wait_closed()

    def handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        return None if self.refuses is None else connection.respond(self.refuses, "no")


@pytest.fixture
async def stream() -> AsyncIterator[tuple[Stream, str]]:
    running = Stream()
    async with serve(running, "127.0.0.1", 0, process_request=running.handshake, max_size=None) as server:
        yield running, f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firehose, "QUIET_S", 0.2)
    monkeypatch.setattr(firehose, "LONGEST_FRAME", 20_000)


def source(url: str, **changes: Any) -> FirehoseSource:
    policy = EgressPolicy.for_base_url("http" + url.removeprefix("ws"), private=True)
    return FirehoseSource(
        url,
        NETWORK,
        **{
            "policy": policy,
            "handles": NoNames(),
            "now": lambda: datetime.now(UTC),
            "user_agent": "takin",
            "start": "oldest",
            "connect_s": 2.0,
            **changes,
        },
    )


async def read(of: FirehoseSource, since: str | None = None) -> tuple[list[Page], Exception | None]:
    """Pages until the end or the error that ended them."""
    pages: list[Page] = []
    try:
        async with asyncio.timeout(20):
            async for page in of.read(since, follow=False):
                pages.append(page)
    except (PlatformUnavailable, PlatformRefused) as error:
        return pages, error
    return pages, None


def texts(pages: Sequence[Page]) -> list[str]:
    return [one.description for page in pages for one in page.listings]


def why(pages: Sequence[Page]) -> list[str]:
    return [letter.reason for page in pages for letter in page.set_aside]


async def test_what_cannot_be_read_is_set_aside_and_its_neighbours_arrive(stream: tuple[Stream, str]) -> None:
    server, url = stream
    server.stays = True
    server.scripts = [
        [
            commit(1, post("one")),
            b"\xffgarbage",
            commit(2, {"text": 7}, post("two")),
            commit(3, post("three"), blocks=b""),
            frame("#sync", {"seq": 4, "did": DID, "time": ""}),
            frame("#invented", {"seq": 5, "did": DID, "time": ""}),
            commit(6, post("six")),
        ]
    ]

    pages, error = await read(source(url))

    assert error is None
    assert texts(pages) == ["one", "two", "six"]
    assert sorted(why(pages)) == ["undecodable", "wrong_shape", "wrong_shape"]
    assert Place.read(pages[-1].cursor) == Place(url, 6)


async def test_what_was_read_before_the_connection_broke_is_not_lost_and_the_cursor_says_how_far(
    stream: tuple[Stream, str],
) -> None:
    server, url = stream
    server.scripts = [[commit(1, post("one")), commit(2, post("two"))], [commit(3, post("three"))]]

    first, error = await read(source(url))
    second, _ = await read(source(url), first[-1].cursor)

    assert isinstance(error, PlatformUnavailable)
    assert error.reason == "reset"
    assert (texts(first), texts(second)) == (["one", "two"], ["three"])
    assert server.cursors == ["0", "2"]


async def test_a_frame_that_is_too_long_is_passed_over_and_told(stream: tuple[Stream, str]) -> None:
    server, url = stream
    server.stays = True
    server.scripts = [[commit(1, post("one")), commit(2, post("x" * 30_000))], [commit(3, post("three"))]]

    pages, error = await read(source(url))

    assert error is None
    assert texts(pages) == ["one", "three"]
    assert why(pages) == ["too_large"]
    assert server.cursors == ["0", "2"]


async def test_a_server_that_lost_its_past_says_so_and_the_gap_is_set_aside(
    stream: tuple[Stream, str],
) -> None:
    server, url = stream
    server.stays = True
    server.scripts = [[frame("#info", {"name": "OutdatedCursor"}), commit(90, post("ninety"))]]

    pages, _ = await read(source(url), str(Place(url, 5)))

    assert texts(pages) == ["ninety"]
    [letter] = [letter for page in pages for letter in page.set_aside]
    assert "posts are missing" in letter.detail


async def test_a_slow_reader_that_is_dropped_goes_on_later(stream: tuple[Stream, str]) -> None:
    server, url = stream
    server.scripts = [[frame("", {"error": "ConsumerTooSlow"}, op=-1)]]

    _, error = await read(source(url), str(Place(url, 5)))

    assert isinstance(error, PlatformUnavailable)
    assert error.reason == "throttled"


async def test_another_server_s_cursor_means_nothing_here(stream: tuple[Stream, str]) -> None:
    server, url = stream
    server.stays = True

    await read(source(url, start="now"), str(Place("ws://elsewhere.example", 5)))
    await read(source(url, start="now"), "no cursor at all")

    assert server.cursors == ["0", "0"]


async def test_pages_are_small_however_fast_posts_come(stream: tuple[Stream, str]) -> None:
    server, url = stream
    server.stays = True
    server.scripts = [[commit(n, *(post(f"{n}.{m}") for m in range(40))) for n in range(1, 60)]]

    pages, _ = await read(source(url))

    assert len(texts(pages)) == 59 * 40
    assert max(len(page.listings) for page in pages) < firehose.PAGE + 40
    assert len(pages) >= 4


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (HTTPStatus.NOT_FOUND, PlatformRefused, "not_found"),
        (HTTPStatus.FORBIDDEN, PlatformRefused, "unauthorised"),
        (HTTPStatus.TOO_MANY_REQUESTS, PlatformUnavailable, "throttled"),
        (HTTPStatus.BAD_GATEWAY, PlatformUnavailable, "server_error"),
        (HTTPStatus.MOVED_PERMANENTLY, PlatformRefused, "redirect"),
    ],
)
async def test_a_server_that_does_not_let_us_in_says_what_to_do(
    status: HTTPStatus, kind: type[Exception], reason: str, stream: tuple[Stream, str]
) -> None:
    server, url = stream
    server.refuses = status

    _, error = await read(source(url))

    assert isinstance(error, kind)
    assert getattr(error, "reason", None) == reason


async def test_nobody_there_and_nobody_answering_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and nobody speaks
        port = silent.getsockname()[1]
        _, hangs = await read(source(f"ws://127.0.0.1:{port}", connect_s=0.3))
    _, nobody = await read(source(f"ws://127.0.0.1:{port}"))

    assert getattr(hangs, "reason", None) == "timeout"
    assert getattr(nobody, "reason", None) == "connect"


async def test_an_address_that_the_operator_did_not_call_private_is_never_connected_to(
    stream: tuple[Stream, str],
) -> None:
    server, url = stream
    policy = EgressPolicy.for_base_url("https://localhost" + url.removeprefix("ws://127.0.0.1"))

    _, error = await read(source("wss://localhost" + url.removeprefix("ws://127.0.0.1"), policy=policy))

    assert getattr(error, "reason", None) == "refused"
    assert server.cursors == []
