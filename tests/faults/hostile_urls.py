"""Asks our HTTP client for hundreds of addresses that it must not reach, and records every connect.

The oracle stands below everything of ours: an audit hook of the interpreter sees each ``socket.connect``,
whoever makes it, notes the address and forbids it. Names are answered by a resolver of this file in the
place of the system's. Every address is asked for twice, and a server that we may reach redirects us to each
of them, by every status that redirects and by everything of a platform that asks.
Run as a process of its own, because an audit hook cannot be taken off again.

Example: .venv/bin/python -m tests.faults.hostile_urls
"""

import asyncio
import contextlib
import ipaddress
import itertools
import json
import socket
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from connectors.egress import EgressPolicy
from connectors.errors import ConnectorError
from connectors.http import HttpLimits, OutboundClient
from connectors.platform import Delivery, ProbeTarget
from connectors.platform_config import PlatformConfig
from connectors.registry import build
from tests.bench.dispatch import SECRET
from tests.contracts.rude_server import Asked, Manners, answer, rude_server

BLOCKED_V4 = (
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255"),
    *("172.16.0.1", "172.31.255.254", "192.168.0.1", "192.168.255.1", "169.254.169.254", "169.254.170.2"),
    *("100.64.0.1", "100.100.100.200", "100.127.255.254", "192.0.0.192", "192.0.2.1", "198.18.0.1"),
    *("198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250", "255.255.255.255"),
)
BLOCKED_V6 = (
    *("::", "::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "100::1", "2001:db8::1"),
    *("2001::1", "3fff::1", "5f00::1", "64:ff9b:1::a00:1", "2001:2::1", "2001:20::1"),
)
PUBLIC = "93.184.216.34"
KNOWN_NAMES = ("localhost", "LOCALHOST.", "ip6-localhost", "metadata.google.internal", "metadata")


def spellings(address: str) -> Iterator[str]:
    """The ways in which a host field can say an IPv4 address."""
    number = int(ipaddress.IPv4Address(address))
    parts = [int(part) for part in address.split(".")]
    hexed = f"{number >> 16:x}:{number & 0xFFFF:x}"
    yield address
    yield f"{address}."
    yield str(number)
    yield hex(number)
    yield f"0{number:o}"
    yield ".".join(f"0{part:o}" for part in parts)
    yield ".".join(f"0x{part:x}" for part in parts)
    yield f"{parts[0]}.{number & 0xFFFFFF}"
    yield f"{parts[0]}.{parts[1]}.{number & 0xFFFF}"
    yield "".join(chr(ord(one) + 0xFEE0) if one.isdigit() else one for one in address)
    yield address.replace(".", "\u3002")
    yield address.replace(".", "\uff0e")
    yield address.replace(".", "%2e")
    yield f"[::ffff:{address}]"
    yield f"[::ffff:{hexed}]"
    yield f"[::{address}]"
    yield f"[64:ff9b::{hexed}]"
    yield f"[2002:{hexed}::1]"
    yield f"[::ffff:0:{hexed}]"
    yield f"[2001:0:{hexed}::1]"


def corpus() -> tuple[str, ...]:
    """Every address, each once."""
    made = []
    for scheme, address in itertools.product(("http", "https"), BLOCKED_V4):
        made += [f"{scheme}://{host}/" for host in spellings(address)]
    for address in BLOCKED_V4:
        made += [
            f"http://{PUBLIC}@{address}/",
            f"http://{PUBLIC}:80@{address}/",
            f"http://{address}\\@{PUBLIC}/",
            f"http://{PUBLIC}\\@{address}/",
            f"http://{PUBLIC}#@{address}/",
            f"http://{address}:22/",
            f"http://{address} /",
            f"http://{address}%00.example.test/",
            f"http://{address}\t/",
            f"//{address}/",
            f"http:{address}/",
            f"file://{address}/etc/passwd",
            f"gopher://{address}:6379/_INFO",
            f"http://to-{address.replace('.', '-')}.test/",
            f"http://public-and-{address.replace('.', '-')}.test/",
            f"http://later-{address.replace('.', '-')}.test/",
        ]
    for address in BLOCKED_V6:
        made += [f"http://[{address}]/", f"https://[{address}]:443/", f"http://[{address}%25eth0]/"]
    made += [f"http://{name}/" for name in KNOWN_NAMES]
    return tuple(dict.fromkeys(made))


class Names:
    """A resolver that lies: names lead where they say, some only the second time they are asked for."""

    def __init__(self) -> None:
        self.asked: set[str] = set()
        self.real = socket.getaddrinfo

    def __call__(self, host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        """Like ``socket.getaddrinfo``."""
        name = (host.decode() if isinstance(host, bytes) else str(host)).rstrip(".").lower()
        if name in {known.rstrip(".").lower() for known in KNOWN_NAMES}:
            found = ["127.0.0.1" if "local" in name else "169.254.169.254"]
        elif name.endswith(".test"):
            found = self._planned(name.removesuffix(".test"))
        else:
            # Every number that the C library would read as an address, and nothing that needs a server.
            return self.real(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    def _planned(self, name: str) -> list[str]:
        kind, _, dashed = name.rpartition("-and-") if "-and-" in name else name.partition("-")
        blocked = dashed.replace("-", ".")
        if kind == "public":
            return [PUBLIC, blocked]
        if kind == "later" and name not in self.asked:
            self.asked.add(name)
            return [PUBLIC]
        return [blocked]


def reaches_inside(address: str) -> bool:
    """Our own reading of what is inside, made with the standard library and not with ``connectors``."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    return (
        not ip.is_global
        or ip.is_multicast
        or (ip.version == 6 and ip not in ipaddress.ip_network("2000::/3"))
    )


async def ask_all(urls: tuple[str, ...]) -> dict[str, int]:
    """Each address twice, so that a name can lead elsewhere the second time."""
    client = OutboundClient(
        EgressPolicy(origins=None, plain_http=True), HttpLimits(connect_s=1.0, total_s=2.0)
    )
    ended = {"refused": 0, "answered": 0}
    for url in urls:
        for _ in range(2):
            try:
                await client.request("GET", url)
            except ConnectorError:
                ended["refused"] += 1
            else:
                ended["answered"] += 1
    await client.aclose()
    return ended


REDIRECTS = (300, 301, 302, 303, 305, 307, 308, 201, 200)
"""Statuses that name another address; the last two name one without redirecting."""


def _pointing(urls: tuple[str, ...], counts: Counter[str]) -> Manners:
    """Answers each request with the next address, in every header that may name one, and in the page."""
    numbers = itertools.count()

    async def manners(asked: Asked, writer: asyncio.StreamWriter) -> None:
        number = next(numbers)
        url, status = urls[number % len(urls)], REDIRECTS[number % len(REDIRECTS)]
        named = " ".join(url.split())
        page = f'<meta http-equiv="refresh" content="0; url={named}"><link rel="canonical" href="{named}">'
        named_in = [("location", named), ("content-location", named), ("refresh", f"0; url={named}")]
        counts["redirects"] += 1
        await answer(status, page.encode(), ("content-type", "text/html"), *named_in)(asked, writer)

    return manners


async def be_redirected(urls: tuple[str, ...], allow: Callable[[int], None]) -> dict[str, int]:
    """Our client and a whole platform, each led to every address by a server that they may reach."""
    counts: Counter[str] = Counter()
    async with rude_server() as server:
        allow(server.port)
        server.manners = _pointing(urls, counts)
        client = OutboundClient(EgressPolicy.for_base_url(server.url, private=True))
        platform = build(
            PlatformConfig(
                name="led-astray",
                kind="sandbox",
                base_url=server.url,
                private_address=True,
                dev_only=True,
                secret=(SECRET,),
                rate_per_s=10_000,
            )
        )
        target = ProbeTarget("1", f"{server.url}/listing/1", "0" * 64)
        calls: tuple[Callable[[], Awaitable[object]], ...] = (
            lambda: client.request("GET", server.url + "/"),
            lambda: platform.submit(Delivery("n1_" + "a" * 52, b"{}", "application/json", 1, 5.0)),
            lambda: platform.poll("n1_" + "a" * 52),
            lambda: platform.probe(target),
        )
        # The client to every address, and what of the platform asks to every third.
        for call in (*calls[:1] * len(urls), *calls[1:] * (len(urls) // 3)):
            with contextlib.suppress(ConnectorError):
                await call()
        await client.aclose()
        await platform.aclose()
    return dict(counts)


def main() -> None:
    """Ask, and print what was connected to."""
    connected: list[str] = []
    allowed: set[int] = set()

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "socket.connect" and isinstance(args[1], tuple):
            if args[1][0] == "127.0.0.1" and args[1][1] in allowed:
                return
            connected.append(str(args[1][0]))
            raise ConnectionRefusedError("forbidden by the oracle")

    sys.addaudithook(hook)
    socket.getaddrinfo = Names()
    urls = corpus()
    ended = asyncio.run(ask_all(urls))
    tried = len(connected)
    led = asyncio.run(be_redirected(urls, allowed.add))
    inside = [address for address in connected if reaches_inside(address)]
    told = {"urls": len(urls), **ended, "connects": tried, **led, "led_to": connected[tried:][:20]}
    print(json.dumps({**told, "inside": inside[:20]}))


if __name__ == "__main__":
    main()
