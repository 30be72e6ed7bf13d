"""No address that is not public is connected to, however it is written."""

import socket

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.egress import _PLAIN, EgressPolicy, EgressRefused, GuardedBackend, is_public, read_address
from connectors.errors import PlatformUnavailable

ANYWHERE = EgressPolicy(origins=None, plain_http=True)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "10.1.2.3",
        "172.31.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "192.0.0.192",
        "198.18.0.1",
        "203.0.113.5",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::a00:1",
        "2002:7f00:1::",
        "2001:0:1::",
        "2001:db8::1",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "100::1",
        "5f00::1",
        "not an address",
    ],
)
def test_a_special_address_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::1"])
def test_an_ordinary_address_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("port", [65_536, 99_999])
def test_a_port_that_none_is_is_refused_also_where_it_was_named_by_the_operator(port: int) -> None:
    policy = EgressPolicy.for_base_url(f"http://127.0.0.1:{port}", private=True)

    with pytest.raises(EgressRefused, match=f"there is no port {port}"):
        policy.check_url(f"http://127.0.0.1:{port}/")


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_inside_an_ipv6_one_is_never_public(address: object) -> None:
    assert not is_public(f"::ffff:{address}")
    assert not is_public(f"64:ff9b::{address}")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "//example.org/",
        "example.org",
        "http://",
        "http:///path",
        "https://user:pass@example.org/",
        "https://example.org@evil.example/",
        "https://example.org:8443/",
        "https://example.org:99999/",
        "https://exa\nmple.org/",
        "https://[::1",
        "https://" + "a" * 5_000,
        "javascript:alert(1)",
        "",
    ],
)
def test_an_address_that_is_not_an_ordinary_web_address_is_refused(url: str) -> None:
    with pytest.raises(EgressRefused):
        ANYWHERE.check_url(url)


@pytest.mark.parametrize("host", ["evil.example", "desk.example.org.evil.example", "xdesk.example.org"])
def test_only_the_configured_host_is_allowed(host: str) -> None:
    policy = EgressPolicy.for_base_url("https://desk.example.org/api")

    assert policy.check_url("https://DESK.example.org./x").host
    with pytest.raises(EgressRefused):
        policy.check_url(f"https://{host}/")
    with pytest.raises(EgressRefused):
        policy.check_url("http://desk.example.org/")


def test_a_listing_host_is_allowed_for_pages_only_where_it_is_named() -> None:
    policy = EgressPolicy.for_base_url(
        "https://api.example.org", more_hosts=("www.example.org",), plain_http=True
    )

    assert policy.check_url("http://www.example.org/listing/1").host == "www.example.org"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "0", "::1", "::ffff:127.0.0.1", "localhost"],
)
async def test_loopback_is_refused_at_the_connection_however_it_is_spelled(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        backend = GuardedBackend(EgressPolicy(frozenset({(host, port)})))

        with pytest.raises((EgressRefused, PlatformUnavailable)) as refusal:
            await backend.connect_tcp(host, port, timeout=2)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
        assert refusal.type is EgressRefused or "could not be looked up" in str(refusal.value)


async def test_a_private_origin_that_the_operator_named_is_reached_and_its_neighbour_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        policy = EgressPolicy.for_base_url(f"http://127.0.0.1:{port}", private=True)
        backend = GuardedBackend(policy)

        stream = await backend.connect_tcp("127.0.0.1", port, timeout=2)
        await stream.aclose()
        with pytest.raises(EgressRefused):
            await backend.connect_tcp("127.0.0.1", port + 1 if port < 65535 else port - 1, timeout=2)


class _Names:
    """Names that lead where the test says; used in place of the system's resolver."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked = 0

    async def __call__(self, host: str, port: int, timeout: float | None) -> tuple[str, ...]:
        self.asked += 1
        return self.addresses


async def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    names = _Names("93.184.216.34", "10.0.0.1")
    backend = GuardedBackend(EgressPolicy(origins=None), resolve=names)

    with pytest.raises(EgressRefused, match=r"10\.0\.0\.1"):
        await backend.connect_tcp("rebinding.example", 443, timeout=2)
    assert names.asked == 1


async def test_a_host_that_is_not_allowed_is_not_even_looked_up() -> None:
    names = _Names("93.184.216.34")
    backend = GuardedBackend(EgressPolicy(frozenset({("desk.example.org", 443)})), resolve=names)

    for host, port in (("evil.example", 443), ("desk.example.org", 8443)):
        with pytest.raises(EgressRefused):
            await backend.connect_tcp(host, port, timeout=2)
    assert names.asked == 0


_ADDRESS_PARTS = st.tuples(
    st.sampled_from(["http", "https", "HTTP", "ftp"]),
    st.text("abx0219.-_[]:%é", min_size=1, max_size=12)
    | st.sampled_from(["a.example", "127.0.0.1", "xn--bcher-kva.example"]),
    st.sampled_from(["", ":80", ":443", ":8080", ":0", ":65535", ":70000", ":"]),
    st.text("ab/.~-%é +;", max_size=8).map(lambda path: f"/{path}") | st.just(""),
    st.text("ab=&/?#%é+", max_size=6).map(lambda query: f"?{query}") | st.just(""),
)


@given(_ADDRESS_PARTS)
@example(("http", "127.0.0.1", ":8080", "/ad/1", "?page=2"))
@example(("https", "a.example", ":443", "/a/../b", ""))
def test_an_address_is_read_as_httpx_reads_it(parts: tuple[str, str, str, str, str]) -> None:
    scheme, host, port, path, query = parts
    text = f"{scheme}://{host}{port}{path}{query}"
    try:
        read = read_address(text)
    except EgressRefused:
        return
    url = httpx.URL(text)

    assert (read.text, read.scheme, read.host.encode()) == (str(url), url.scheme, url.raw_host)
    assert (read.port, read.target.encode(), read.netloc.encode()) == (url.port, url.raw_path, url.netloc)


@given(_ADDRESS_PARTS)
@example(("http", "1.2.3.4", ":8080", "/ad/1", "?page=2"))
def test_no_address_is_refused_that_httpx_can_ask_for(parts: tuple[str, str, str, str, str]) -> None:
    scheme, host, port, path, query = parts
    text = f"{scheme}://{host}{port}{path}{query}"
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return
    if url.scheme in ("http", "https") and url.raw_host and not url.userinfo:
        assert read_address(text).host


@given(st.from_regex(_PLAIN, fullmatch=True))
def test_a_plain_address_is_what_httpx_would_ask_for(text: str) -> None:
    read, url = read_address(text), httpx.URL(text)

    assert (read.text, read.host.encode(), read.port) == (str(url), url.raw_host, url.port)
    assert (read.target.encode(), read.netloc.encode()) == (url.raw_path, url.netloc)
