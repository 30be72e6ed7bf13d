"""Hidden services are reached through the proxy that was named, and no resolver here hears of them."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import ValidationError
from websockets.asyncio.server import ServerConnection, serve

from connectors.egress import EgressPolicy, EgressRefused
from connectors.errors import PlatformUnavailable
from connectors.http import HttpLimits, OutboundClient
from connectors.platform import ProbeTarget
from connectors.platform_config import PlatformConfig
from connectors.registry import build
from connectors.websocket import open_messages
from tests.contracts.rude_server import rude_server

HIDDEN = "a" * 56 + ".onion"
GRANTED = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50"


@dataclass
class Proxy:
    """A SOCKS5 proxy after RFC 1928 that leads every name to one local port, byte by byte."""

    leads_to: int
    port: int = 0
    asked: list[tuple[str, int]] = field(default_factory=list)
    method: bytes = b"\x05\x00"
    reply: bytes = GRANTED
    busy: set[asyncio.Task[None]] = field(default_factory=set)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.busy.add(task)
        try:
            assert await reader.readexactly(3) == b"\x05\x01\x00"
            writer.write(self.method)
            version, command, _, kind, size = await reader.readexactly(5)
            assert (version, command, kind) == (5, 1, 3), "a name, and no address"
            host = (await reader.readexactly(size)).decode()
            self.asked.append((host, int.from_bytes(await reader.readexactly(2))))
            for byte in self.reply:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0)
            if self.reply[1:2] == b"\x00":
                await self.relay(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.busy.discard(task)
            writer.transport.abort()

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.leads_to)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while piece := await source.read(65_536):
                sink.write(piece)
                await sink.drain()

        both = [asyncio.create_task(pump(*pair)) for pair in ((reader, back), (there, writer))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            back.transport.abort()


@asynccontextmanager
async def proxied(proxy: Proxy) -> AsyncIterator[Proxy]:
    listening = await asyncio.start_server(proxy, "127.0.0.1", 0)
    proxy.port = listening.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listening.close()
        for task in tuple(proxy.busy):
            task.cancel()
        await asyncio.gather(*proxy.busy, return_exceptions=True)
        await asyncio.sleep(0)


def shop(port: int, **changes: Any) -> PlatformConfig:
    return PlatformConfig.model_validate(
        {
            "name": "hidden-shop",
            "kind": "desk",
            "folder": "/nowhere",
            "base_url": f"http://{HIDDEN}",
            "socks": f"socks5://127.0.0.1:{port}",
            **changes,
        }
    )


async def test_a_hidden_service_is_looked_at_by_its_name_through_the_proxy_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_up: list[object] = []
    really = socket.getaddrinfo

    def recorded(host: Any, *rest: Any, **more: Any) -> Any:
        looked_up.append(host)
        return really(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", recorded)
    async with rude_server() as server, proxied(Proxy(server.port)) as proxy:
        server.answers(404)
        platform = build(shop(proxy.port))
        seen = await platform.probe(ProbeTarget("1", f"http://{HIDDEN}/1", "x"))
        await platform.aclose()

    assert (seen.state, seen.reason) == ("offline", "not_found")
    assert [one.headers["host"] for one in server.asked] == [HIDDEN]
    assert proxy.asked == [(HIDDEN, 80)]
    assert HIDDEN not in looked_up


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"reply": b"\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"}, "connection_refused"),
        ({"reply": b"\x05\x04\x00\x03\x01a\x00\x00"}, "host_unreachable"),
        ({"reply": b"\x05\x00\x00\x09\x00"}, "unknown kind of address"),
        ({"reply": b"\x05"}, "hung up"),
        ({"method": b"\x05\xff"}, "wants a login"),
        ({"method": b"HT"}, "speak SOCKS5"),
    ],
)
async def test_what_a_proxy_will_not_do_is_tried_again_later(changes: dict[str, bytes], says: str) -> None:
    async with proxied(Proxy(1, **changes)) as proxy:  # type: ignore[arg-type]
        policy = EgressPolicy.for_base_url(f"http://{HIDDEN}", socks=("127.0.0.1", proxy.port))
        client = OutboundClient(policy, HttpLimits(total_s=5))
        with pytest.raises(PlatformUnavailable, match=says) as trouble:
            await client.request("GET", f"http://{HIDDEN}/")
        await client.aclose()

    assert trouble.value.reason == "connect"


async def test_a_stream_comes_through_the_proxy_as_well() -> None:
    async def stream(connection: ServerConnection) -> None:
        await connection.send(b"one")
        await connection.wait_closed()

    async with serve(stream, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with proxied(Proxy(port)) as proxy:
            policy = EgressPolicy.for_base_url(f"http://{HIDDEN}", socks=("127.0.0.1", proxy.port))
            opening = open_messages(
                f"ws://{HIDDEN}/", policy, user_agent="takin", longest=100, connect_s=20.0
            )
            async with opening as messages:
                said = await messages.next(20.0)

    assert (said, proxy.asked) == (b"one", [(HIDDEN, 80)])


async def test_without_a_proxy_a_hidden_service_is_refused_before_anything_is_asked() -> None:
    client = OutboundClient(EgressPolicy(origins=None, plain_http=True))
    with pytest.raises(EgressRefused, match="hidden service"):
        await client.request("GET", f"http://{HIDDEN}/")
    await client.aclose()


async def test_a_proxy_is_no_way_to_a_private_address() -> None:
    async with proxied(Proxy(1)) as proxy:
        policy = EgressPolicy(origins=None, plain_http=True, socks=("127.0.0.1", proxy.port))
        client = OutboundClient(policy)
        for host in ("127.0.0.1", "[::1]", "169.254.169.254"):
            with pytest.raises(EgressRefused, match="not a public address"):
                await client.request("GET", f"http://{host}/")
        await client.aclose()

    assert proxy.asked == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"socks": None}, "name the proxy"),
        ({"socks": "http://127.0.0.1:1"}, "pattern"),
        ({"base_url": "http://shop.example"}, "must be https"),
    ],
)
def test_what_a_configuration_must_say(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        shop(9050, **changes)
