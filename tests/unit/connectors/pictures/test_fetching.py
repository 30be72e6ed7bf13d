"""A picture is fetched within bounds, and no server harms another's pictures."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from connectors.egress import EgressPolicy
from connectors.http import HttpLimits, OutboundClient
from connectors.pictures.fetching import Bounds, NotFetched, PictureFetcher, Reason
from connectors.pictures.hosts import FAILURES, REST_S, HostRests, Hosts
from schemas.listing import Fetched
from tests.support.pictures import PictureServer, drawn, encoded, picture_server

NOW = datetime(2026, 11, 26, tzinfo=UTC)
JPEG = encoded(drawn(1))


@asynccontextmanager
async def fetching(
    server: PictureServer, *, rate: float = 1_000, within_s: float = 5, most_bytes: int = 200_000
) -> AsyncIterator[PictureFetcher]:
    policy = EgressPolicy(
        origins=None, private_origins=frozenset({("127.0.0.1", server.port)}), plain_http=True
    )
    client = OutboundClient(policy, HttpLimits(connections=8))
    bounds = Bounds(most_bytes=most_bytes, within_s=within_s)
    fetcher = PictureFetcher(client, bounds, Hosts(rate), now=lambda: NOW, again_after_s=0.01)
    try:
        yield fetcher
    finally:
        await fetcher.aclose()


async def test_a_picture_is_known_by_its_bytes_and_not_by_what_the_server_calls_them() -> None:
    async with picture_server() as server, fetching(server) as fetcher:
        found = await fetcher.fetch(server.show("/1", JPEG, "text/html"))

    assert isinstance(found, Fetched)
    assert (found.sha256, found.size) == (hashlib.sha256(JPEG).hexdigest(), len(JPEG))
    assert (found.media_type, found.width, found.height, found.at) == ("image/jpeg", 640, 480, NOW)
    assert found.perceptual_hash is not None


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"x", 404, "not_there"),
        (b"x", 410, "not_there"),
        (b"x", 304, "not_there"),
        (b"x", 503, "unavailable"),
        (b"x", 429, "resting"),
        (b"<html>", 200, "not_a_picture"),
        (JPEG[:3_000], 200, "damaged"),
        (bytes(200_001), 200, "too_large"),
    ],
)
async def test_what_is_no_picture_has_a_reason(body: bytes, status: int, reason: Reason) -> None:
    async with picture_server() as server, fetching(server) as fetcher:
        found = await fetcher.fetch(server.show("/1", body, "image/jpeg", status))

    assert found == NotFetched(reason)


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:9/x.jpg",
        "http://localhost/x.jpg",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/x.jpg",
        "https://10.1.2.3/x.jpg",
        "https://user:word@pictures.example/x.jpg",
        "file:///etc/passwd",
        "data:image/png;base64,iVBORw0KGgo=",
        "",
    ],
)
async def test_private_addresses_and_other_schemes_are_not_fetched(address: str) -> None:
    async with picture_server() as server, fetching(server) as fetcher:
        assert await fetcher.fetch(address) == NotFetched("refused")
        # Nor by a detour.
        assert await fetcher.fetch(
            server.show("/away", b"", status=302, location=address or "http://[")
        ) == NotFetched("refused")


async def test_redirects_are_followed_and_not_without_end() -> None:
    async with picture_server() as server, fetching(server) as fetcher:
        server.show("/there", JPEG)
        once = await fetcher.fetch(server.show("/here", b"", status=301, location="/there"))
        round_and_round = await fetcher.fetch(server.show("/loop", b"", status=302, location="/loop"))

    assert isinstance(once, Fetched)
    assert round_and_round == NotFetched("not_there")
    assert server.asked.count("/loop") == 4


async def test_what_was_found_is_remembered_and_what_may_get_better_is_not() -> None:
    async with picture_server() as server, fetching(server) as fetcher:
        good, down = server.show("/good", JPEG), server.show("/down", b"", status=503)
        for _ in range(2):
            await fetcher.fetch(good)
            await fetcher.fetch(down)

    assert server.asked.count("/good") == 1
    assert server.asked.count("/down") > 1


async def test_a_host_that_hangs_is_left_alone_after_some_failures() -> None:
    async with picture_server() as server, fetching(server, within_s=0.1) as fetcher:
        server.hangs = {f"/{number}" for number in range(40)}
        started = time.monotonic()
        found = await asyncio.gather(*(fetcher.fetch(f"{server.base}/{number}") for number in range(40)))
        took = time.monotonic() - started

    assert {type(one) for one in found} == {NotFetched}
    assert len(server.asked) <= FAILURES + 1
    assert took < 2


async def test_one_host_is_asked_at_its_pace() -> None:
    async with picture_server() as server, fetching(server, rate=20) as fetcher:
        addresses = [server.show(f"/{number}", JPEG) for number in range(6)]
        started = time.monotonic()
        await asyncio.gather(*map(fetcher.fetch, addresses))

    assert time.monotonic() - started >= 5 / 20


async def test_a_host_that_rests_is_asked_again_when_it_has_rested() -> None:
    clock = [0.0]
    hosts = Hosts(1_000, monotonic=lambda: clock[0])
    for _ in range(FAILURES):
        hosts.failed("slow.example")
    with pytest.raises(HostRests):
        async with hosts.turn("slow.example"):
            pass
    async with hosts.turn("other.example"):
        pass

    clock[0] = REST_S
    async with hosts.turn("slow.example"):
        pass


async def test_a_host_that_answers_now_and_then_is_not_left_alone() -> None:
    hosts = Hosts(1_000)
    for _ in range(3 * FAILURES):
        hosts.failed("moody.example")
        hosts.answered("moody.example")

    async with hosts.turn("moody.example"):
        pass
