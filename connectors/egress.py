"""Where an outgoing connection may go, decided on the address that is really connected to.

Checking a URL and connecting later is beaten by a name that resolves differently the second time
(DNS rebinding). So the check sits in the connection itself: :class:`GuardedBackend` resolves a name
once, refuses it if *any* of its addresses is not public, and connects to exactly those addresses.
TLS and ``Host`` still see the name.
"""

import asyncio
import ipaddress
import re
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import httpx

from connectors.errors import PlatformRefused, PlatformUnavailable
from connectors.socks import ask_for
from connectors.streams import TcpStream, connect

_MAX_URL = 4_096
_MAX_ADDRESSES = 4
DEFAULT_PORTS = {"http": 80, "https": 443}
LAST_PORT = 65_535

# Transition mechanisms carry an IPv4 address inside; what they lead to cannot be told from outside
# the network that operates them, so all of them are refused. So is what IANA reserves inside 2000::/3.
_REFUSED_V6 = tuple(
    ipaddress.IPv6Network(net)
    for net in (
        "2001::/23",  # IETF protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)
_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_V4 = tuple(
    ipaddress.IPv4Network(net)
    for net in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; clouds put metadata services there
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)


class EgressRefused(PlatformRefused):
    """The address is not one we connect to. Nothing was sent."""

    def __init__(self, detail: str) -> None:
        super().__init__("refused", detail)


def is_public(address: str) -> bool:
    """Whether an IP address is reachable from anywhere and belongs to no special use (IANA registries).

    >>> is_public("127.0.0.1"), is_public("::ffff:10.0.0.1"), is_public("64:ff9b::a00:1")
    (False, False, False)
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:  # also addresses with a zone that Python cannot read
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in net for net in _REFUSED_V4)
    return ip.scope_id is None and ip in _PUBLIC_V6 and not any(ip in net for net in _REFUSED_V6)


class Address(NamedTuple):
    """An http or https address as it is asked for, read as httpx reads it."""

    text: str
    scheme: str
    host: str
    """ASCII, lower case; of an IPv6 address without brackets."""
    port: int | None
    """``None``: the scheme's own."""
    target: str
    """Path and query, escaped."""

    @property
    def netloc(self) -> str:
        """What ``Host`` says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_PLAIN = re.compile(
    r"(https?)://"
    rf"((?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9]*|{_OCTET}(?:\.{_OCTET}){{3}})"
    r"(?::([1-9][0-9]{0,3}|[1-5][0-9]{4}))?"
    r"((?![^?]*/\.)/[A-Za-z0-9._~/-]*(?:\?[A-Za-z0-9._~=&-]+)?)",
    re.ASCII,
)
"""What most addresses look like: nothing in it is escaped, folded or left out when it is asked for."""


def read_address(text: str) -> Address:
    """The address that a text is.

    Raises:
        EgressRefused: unreadable, too long, another scheme, without a host or with a password.
    """
    if len(text) > _MAX_URL:
        raise EgressRefused(f"the address is longer than {_MAX_URL} characters")
    if (plain := _PLAIN.fullmatch(text)) is not None:
        port = int(plain[3]) if plain[3] else None
        if port != DEFAULT_PORTS[plain[1]]:
            return Address(text, plain[1], plain[2], port, plain[4])
    try:
        url = httpx.URL(text)
        host = url.raw_host.decode("ascii")
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise EgressRefused(f"the address cannot be read: {error}") from error
    if url.scheme not in DEFAULT_PORTS:
        raise EgressRefused("only http and https addresses are fetched")
    if not host:
        raise EgressRefused("the address names no host")
    if url.userinfo:
        raise EgressRefused("the address carries a user name or password")
    return Address(str(url), url.scheme, host, url.port, url.raw_path.decode("ascii"))


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """Which hosts may be talked to, and how."""

    origins: frozenset[tuple[str, int]] | None = frozenset()
    """Host and port pairs that are allowed; ``None``: any host with public addresses, on ports 80 and 443."""
    private_origins: frozenset[tuple[str, int]] = frozenset()
    """Host and port pairs that may resolve to loopback or private addresses and be spoken to without
    TLS: a sandbox or a development server named by the operator, never a value from outside."""
    plain_http: bool = False
    """Whether ``http`` is allowed to public hosts (reading public pages and feeds)."""
    socks: tuple[str, int] | None = None
    """Host and port of a SOCKS5 proxy, named by the operator. Everything goes through it and no name is
    looked up here; where a name leads is then the proxy's to judge."""

    @classmethod
    def for_base_url(
        cls,
        base_url: str,
        *,
        private: bool = False,
        more_hosts: Iterable[str] = (),
        plain_http: bool = False,
        socks: tuple[str, int] | None = None,
    ) -> "EgressPolicy":
        """Only the host and port of ``base_url``, and further hosts on ports 443 and 80."""
        url = httpx.URL(base_url)
        base = (normal_host(url.host), url.port or DEFAULT_PORTS.get(url.scheme, 443))
        others = {(normal_host(host), port) for host in more_hosts for port in DEFAULT_PORTS.values()}
        if private:
            return cls(frozenset({base} | others), frozenset({base}), plain_http, socks)
        usual = {(base[0], port) for port in DEFAULT_PORTS.values()} if plain_http else set()
        return cls(frozenset({base} | usual | others), frozenset(), plain_http, socks)

    def check_url(self, address: str) -> "Address":
        """Read an address and refuse what can be refused without looking it up.

        Raises:
            EgressRefused: unreadable, another scheme, with a password, or a host that is not allowed.
        """
        where = read_address(address)
        port = where.port or DEFAULT_PORTS[where.scheme]
        self.check_origin(where.host, port)
        plain_allowed = (
            self.plain_http
            or is_hidden(where.host)
            or (normal_host(where.host), port) in self.private_origins
        )
        if where.scheme == "http" and not plain_allowed:
            raise EgressRefused(f"{where.host} is only spoken to over https")
        return where

    def check_origin(self, host: str, port: int) -> None:
        """Refuse a host and port that are not allowed.

        Raises:
            EgressRefused
        """
        origin = (normal_host(host), port)
        if port > LAST_PORT:
            raise EgressRefused(f"there is no port {port}")
        if is_hidden(host) and self.socks is None:
            raise EgressRefused(f"{host[:253]} is a hidden service: it needs the platform's socks")
        if self.origins is None:
            if port in DEFAULT_PORTS.values() or origin in self.private_origins:
                return
            raise EgressRefused(f"port {port} is not one that pages are fetched from")
        if origin not in self.origins:
            raise EgressRefused(f"{host[:253]}:{port} is not on the list of allowed hosts")

    def check_addresses(self, host: str, port: int, addresses: Sequence[str]) -> None:
        """Refuse a host of which any address is not public.

        Raises:
            EgressRefused
        """
        if (normal_host(host), port) in self.private_origins:
            return
        for address in addresses:
            if not is_public(address):
                raise EgressRefused(f"{host[:253]} leads to {address}, which is not a public address")


@lru_cache(maxsize=1_024)
def normal_host(host: str) -> str:
    """A host as it is compared: lower case, without brackets or a final dot."""
    return host.strip("[]").rstrip(".").lower()


def is_hidden(host: str) -> bool:
    """Whether it is a hidden service of Tor, whose name no resolver may be asked for (RFC 7686). What is said
    to it is encrypted up to it, also without TLS."""
    return normal_host(host).endswith(".onion")


Resolver = Callable[[str, int, float], Awaitable[tuple[str, ...]]]
"""Host, port and seconds to the host's addresses."""


class GuardedBackend:
    """Opens connections, to vetted addresses only."""

    def __init__(self, policy: EgressPolicy, *, resolve: Resolver | None = None) -> None:
        self._policy = policy
        self._resolve = resolve or look_up

    async def connect_tcp(self, host: str, port: int, timeout: float) -> TcpStream:
        """Resolve once, check every address, connect to the first that answers.

        Raises:
            EgressRefused: host or address not allowed.
            PlatformUnavailable: ``connect`` or ``timeout``.
        """
        self._policy.check_origin(host, port)
        if self._policy.socks is not None:
            return await self._through(self._policy.socks, host, port, timeout)
        started = time.monotonic()
        addresses = await self._resolve(host, port, timeout)
        self._policy.check_addresses(host, port, addresses)
        return await _to_any(host, addresses, port, timeout - (time.monotonic() - started))

    async def _through(self, proxy: tuple[str, int], host: str, port: int, timeout: float) -> TcpStream:
        try:
            ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            pass  # a name: the proxy looks it up
        else:
            self._policy.check_addresses(host, port, [host.strip("[]")])
        stream = await _to_any(proxy[0], await look_up(*proxy, timeout), proxy[1], timeout)
        try:
            await ask_for(stream, host, port, timeout)
        except BaseException:
            await stream.aclose()
            raise
        return stream


async def _to_any(host: str, addresses: Sequence[str], port: int, timeout: float) -> TcpStream:
    """A connection to the first of a host's addresses that answers, within one time for all."""
    started = time.monotonic()
    failure = PlatformUnavailable("connect", f"{host} has no address")
    for address in addresses[:_MAX_ADDRESSES]:
        left = timeout - (time.monotonic() - started)
        if left <= 0:
            raise PlatformUnavailable("timeout", f"no connection to {host}:{port} in {timeout:g} s")
        try:
            return await connect(address, port, left)
        except PlatformUnavailable as error:
            failure = error
    raise failure


async def look_up(host: str, port: int, timeout: float) -> tuple[str, ...]:
    """Every address of a host, by the system's resolver.

    Raises:
        PlatformUnavailable: ``connect`` or ``timeout``.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise PlatformUnavailable("timeout", f"{host} could not be looked up in {timeout:g} s") from error
    except (OSError, UnicodeError) as error:
        raise PlatformUnavailable("connect", f"{host} could not be looked up: {error}") from error
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
