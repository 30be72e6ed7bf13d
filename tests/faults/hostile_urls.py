"""Asks our HTTP client for hundreds of addresses that it must not reach, and records every connect.

The oracle stands below everything of ours: an audit hook of the interpreter sees each ``socket.connect``,
whoever makes it, notes the address and forbids it. Names are answered by a resolver of this file in the
place of the system's. Run as a process of its own, because an audit hook cannot be taken off again.

Example: .venv/bin/python -m tests.faults.hostile_urls
"""

import asyncio
import ipaddress
import itertools
import json
import socket
import sys
from collections.abc import Iterator
from typing import Any

from connectors.egress import EgressPolicy
from connectors.errors import ConnectorError
from connectors.http import HttpLimits, OutboundClient

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
                await client.request("GET", url, headers={"Host": "169.254.169.254"})
            except ConnectorError:
                ended["refused"] += 1
            else:
                ended["answered"] += 1
    await client.aclose()
    return ended


def main() -> None:
    """Ask, and print what was connected to."""
    connected: list[str] = []

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "socket.connect" and isinstance(args[1], tuple):
            connected.append(str(args[1][0]))
            raise ConnectionRefusedError("forbidden by the oracle")

    sys.addaudithook(hook)
    socket.getaddrinfo = Names()
    urls = corpus()
    ended = asyncio.run(ask_all(urls))
    inside = [address for address in connected if reaches_inside(address)]
    print(json.dumps({"urls": len(urls), **ended, "connects": len(connected), "inside": inside[:20]}))


if __name__ == "__main__":
    main()
