"""One HTTP exchange with the outside, bounded in time, size and reach.

There is nothing between it and the connection: no cookies, no redirects, no proxy settings from the
environment and no automatic decompression can happen at all.
Limits follow section 10 of the notice rules: connect 5 s, read 15 s, write 10 s, waiting for a
connection 5 s, and a total over the whole exchange.
"""

import asyncio
import email.utils
import re
import ssl
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import certifi

from connectors.egress import DEFAULT_PORTS, EgressPolicy, GuardedBackend
from connectors.errors import PlatformGone, PlatformRefused, PlatformUnavailable
from connectors.exchange import Exchange, HeaderLines
from connectors.http_connection import Connection, Connections, Origin, Waits
from connectors.http_message import Answer, request_head

RESPONSE_CAP = 64 * 1024
"""Bytes of a reply that are read unless the caller says otherwise."""
RETRY_AFTER_MIN_S = 1.0
RETRY_AFTER_MAX_S = 3_600.0
USER_AGENT = "takin/0.1 (wildlife listing notices)"
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
"""Whose length is said also where it is nothing."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Time and size bounds of exchanges with one platform, in seconds and bytes."""

    connect_s: float = 5.0
    read_s: float = 15.0
    """Between two pieces of the reply."""
    write_s: float = 10.0
    pool_s: float = 5.0
    """Waiting for one of ``connections`` to be free."""
    total_s: float = 30.0
    """From the first look-up to the last byte."""
    response_cap: int = RESPONSE_CAP
    connections: int = 4


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. Any status is a reply; see :func:`reply_error`."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case; several lines of one name are joined with commas."""
    body: bytes
    """Decoded if it came compressed; at most the cap."""
    complete: bool
    """False: the reply was longer than the cap and was cut there."""
    exchange: Exchange | None = field(default=None, repr=False)
    """The same as it went over the wire."""
    asked_at: datetime | None = field(default=None, repr=False, compare=False)
    """When it was asked for, by our clock."""


class OutboundClient:
    """Talks to the hosts that a policy allows. One per platform, so that a slow one harms no other."""

    def __init__(
        self,
        policy: EgressPolicy,
        limits: HttpLimits = HttpLimits(),
        *,
        user_agent: str = USER_AGENT,
        ca_file: str | None = None,
    ) -> None:
        self.policy = policy
        self.limits = limits
        self._user_agent = user_agent
        context = tls_context(ca_file, speaks="http/1.1")
        waits = Waits(limits.connect_s, limits.read_s, limits.write_s, limits.pool_s)
        backend = GuardedBackend(policy)
        self._connections = Connections(backend, context, waits, connections=limits.connections)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        timeout_s: float | None = None,
        cap: int | None = None,
    ) -> Reply:
        """One exchange. A compressed reply is decoded, but never beyond the cap.

        Raises:
            EgressRefused: the address is not allowed; nothing was sent.
            PlatformUnavailable: ``timeout``, ``connect``, ``reset`` or ``bad_reply``.
            PlatformRefused: ``invalid`` when the request itself cannot be sent.
        """
        asked = await self.ask(method, url, headers=headers, content=content, timeout_s=timeout_s, cap=cap)
        return await asked.reply()

    async def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        timeout_s: float | None = None,
        cap: int | None = None,
    ) -> "Pending":
        """Send a request whose answer is fetched later: see :meth:`request`, and :meth:`Pending.reply`."""
        address = self.policy.check_url(url)
        total = self.limits.total_s if timeout_s is None else timeout_s
        said = {
            "User-Agent": self._user_agent,
            "Accept-Encoding": "identity",
            "Accept": "*/*",
            **(headers or {}),
        }
        if content is not None or method in _WITH_BODY:
            said["Content-Length"] = str(len(content or b""))
        head, lines = request_head(method, address.target, (("Host", address.netloc), *said.items()))
        origin = Origin(address.scheme, address.host, address.port or DEFAULT_PORTS[address.scheme])
        until = time.monotonic() + total
        asked_at = datetime.now(UTC)
        try:
            connection = await self._connections.take(origin, until)
            try:
                answer = await connection.send(method, head + content if content else head, until)
            except BaseException:
                await self._connections.give_back(connection)
                raise
        except PlatformUnavailable as error:
            _check_late(error, until, total)
            raise
        cap = self._response_cap(cap)
        request = _Request(method, address.text, address.target, lines, cap, total, asked_at)
        return Pending(request, answer, connection, self._connections)

    def _response_cap(self, cap: int | None) -> int:
        return self.limits.response_cap if cap is None else cap

    async def aclose(self) -> None:
        """Close every connection; one that is in use, when its exchange ends."""
        await self._connections.aclose()


@dataclass(frozen=True, slots=True)
class _Request:
    """What was asked, and within which bounds."""

    method: str
    url: str
    target: str
    lines: HeaderLines
    cap: int
    total_s: float
    asked_at: datetime


class Pending:
    """A request that was sent. Its answer may come while its caller does something else."""

    def __init__(
        self, request: _Request, answer: Answer, connection: Connection, connections: Connections
    ) -> None:
        self._request = request
        self._answer = answer
        self._connection: Connection | None = connection
        self._connections = connections
        self._left_s = connection.until - time.monotonic()

    async def reply(self) -> Reply:
        """The answer, once. Time in which nobody waited for it does not count.

        Raises:
            PlatformUnavailable: as of :meth:`OutboundClient.request`.
        """
        request, answer, connection = self._request, self._answer, self._connection
        if connection is None:
            raise RuntimeError("the answer was fetched already")
        connection.until = until = time.monotonic() + self._left_s
        try:
            # Whoever has other work does it now: the answer is often there when it is done.
            await asyncio.sleep(0)
            while not answer.status:
                await connection.read_on(answer)
            told = _by_name(answer.headers)
            decode = _decoder(told.get("content-encoding", ""), answer.status)
            body, received, complete = await _read(answer, connection, decode, request.cap)
        except PlatformUnavailable as error:
            _check_late(error, until, request.total_s)
            raise
        finally:
            await self.aclose()
        exchange = Exchange(
            method=request.method,
            url=request.url,
            request_target=request.target.encode("ascii"),
            request_headers=request.lines,
            http_version=answer.http_version,
            status=answer.status,
            reason=answer.reason,
            headers=answer.headers,
            body=received[: request.cap],
            complete=complete and len(received) <= request.cap,
            server=connection.peer,
        )
        return Reply(answer.status, told, body, complete, exchange, request.asked_at)

    async def aclose(self) -> None:
        """Nobody waits for the answer any more: hang up, unless all of it came."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._connections.give_back(connection)


def _check_late(error: PlatformUnavailable, until: float, total_s: float) -> None:
    """Where all of the time went by, that is what is told."""
    if error.reason == "timeout" and time.monotonic() >= until:
        raise PlatformUnavailable("timeout", f"no complete answer within {total_s:g} s") from error


@lru_cache(maxsize=8)
def tls_context(ca_file: str | None = None, *, speaks: str | None = None) -> ssl.SSLContext:
    """Verifies certificates and names; ``ca_file`` names a platform's own authority, ``speaks`` the protocol
    that is offered (ALPN)."""
    context = ssl.create_default_context(cafile=ca_file or certifi.where())
    if speaks is not None:
        context.set_alpn_protocols([speaks])
    return context


class _Inflate:
    """Decodes gzip or deflate without ever making more than it is asked for."""

    def __init__(self) -> None:
        # 32 + window: zlib tells gzip and zlib streams apart by their first bytes.
        self._zlib = zlib.decompressobj(32 + zlib.MAX_WBITS)

    def __call__(self, piece: bytes, most: int) -> bytes:
        return self._zlib.decompress(piece, most)

    @property
    def finished(self) -> bool:
        return self._zlib.eof


class _Identity:
    finished = True

    def __call__(self, piece: bytes, most: int) -> bytes:
        return piece[:most]


def _decoder(encoding: str, status: int) -> _Inflate | _Identity:
    match encoding.strip().lower():
        case "" | "identity":
            return _Identity()
        case "gzip" | "x-gzip" | "deflate":
            return _Inflate()
        case _:
            raise PlatformUnavailable(
                "bad_reply",
                "the answer is compressed in a way that was not asked for",
                http_status=status,
            )


def _by_name(lines: HeaderLines) -> dict[str, str]:
    """Header lines by name in lower case; those of one name are joined as RFC 9110, 5.2 says."""
    found: dict[str, str] = {}
    for raw_name, raw in lines:
        name, value = raw_name.decode("latin-1").lower(), _words(raw)
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _words(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


async def _read(
    answer: Answer, connection: Connection, decode: _Inflate | _Identity, cap: int
) -> tuple[bytes, bytes, bool]:
    """At most ``cap`` bytes decoded, at most one more as received, and whether that was all. What did not
    come compressed is held once."""
    parts = bytearray()
    plain = isinstance(decode, _Identity)
    received = parts if plain else bytearray()
    any_piece = False
    while True:
        for piece in answer.take_body():
            any_piece = True
            if not plain:
                received += piece[: cap + 1 - len(received)]
            try:
                parts += decode(piece, cap + 1 - len(parts))
            except zlib.error as error:
                raise PlatformUnavailable(
                    "bad_reply", f"the compressed answer is damaged: {error}", http_status=answer.status
                ) from error
            if len(parts) > cap:
                body = bytes(memoryview(parts)[:cap])
                return body, body if plain else bytes(received), False
        if answer.is_complete:
            break
        await connection.read_on(answer)
    if not decode.finished and any_piece:
        raise PlatformUnavailable(
            "bad_reply", "the compressed answer ends too early", http_status=answer.status
        )
    body = bytes(parts)
    return body, body if plain else bytes(received), True


_SECONDS = re.compile(r"[0-9]{1,18}")


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a ``Retry-After`` header asks for (RFC 9110, 10.2.3), between 1 s and 1 h.

    Both forms are read, seconds and HTTP date; ``None`` for anything else.
    """
    if value is None:
        return None
    value = value.strip()
    if _SECONDS.fullmatch(value):
        wait = float(value)
    else:
        try:
            moment = email.utils.parsedate_to_datetime(value)
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        wait = (moment - now).total_seconds()
    return min(max(wait, RETRY_AFTER_MIN_S), RETRY_AFTER_MAX_S)


_REFUSED: Mapping[int, str] = {
    400: "invalid",
    401: "unauthorised",
    403: "unauthorised",
    404: "not_found",
    409: "conflict",
    413: "invalid",
    415: "invalid",
    422: "invalid",
}
CLOCKS_APART_S = 240.0
"""Signatures are good for 300 s either way (Standard Webhooks); a busy server's answer can be late."""
LONGEST_AGE_S = 31_536_000
_LATER: Mapping[int, str] = {408: "timeout", 425: "throttled", 429: "throttled"}


def their_time(reply: Reply) -> datetime | None:
    """When the answer was made by their clock (``Date``, RFC 9110 section 6.6.1), to the second; of one that
    was kept somewhere on its way, with its ``Age`` since then (RFC 9111 section 5.1). ``None``: not said.
    """
    kept = reply.headers.get("age", "0").strip()
    age = timedelta(seconds=min(int(kept), LONGEST_AGE_S) if _SECONDS.fullmatch(kept) else 0)
    try:
        made = email.utils.parsedate_to_datetime(reply.headers.get("date", ""))
        return made.replace(tzinfo=made.tzinfo or UTC) + age
    except (ValueError, OverflowError):
        return None


def _clocks_apart(reply: Reply, now: datetime) -> float | None:
    """Seconds by which their clock is ahead of ours, as it is or was when we asked, where that is far."""
    theirs = their_time(reply)
    if theirs is None:
        return None
    ours = (now,) if reply.asked_at is None else (now, reply.asked_at)
    apart = max(((theirs - one).total_seconds() for one in ours), key=abs)
    return apart if abs(apart) > CLOCKS_APART_S else None


def reply_error(reply: Reply, now: datetime) -> PlatformUnavailable | PlatformRefused:
    """The error that says what to do next, for a reply that the caller did not expect.

    :class:`PlatformUnavailable` for 408, 425, 429 and 5xx, with ``Retry-After`` where given;
    :class:`PlatformGone` for 410; :class:`PlatformRefused` for 3xx and any other 4xx. A login that is refused
    by a server whose clock is far from ours was most likely a signature that looked too old or too new: that
    is no refusal of what was sent, and is tried again (``clock``).
    """
    status = reply.status
    if status in (401, 403) and (apart := _clocks_apart(reply, now)) is not None:
        return PlatformUnavailable(
            "clock",
            f"HTTP {status}, and their clock is {apart:+.0f} s from ours: set this machine's clock right",
            http_status=status,
        )
    wait = retry_after(reply.headers.get("retry-after"), now)
    if status in _LATER or status >= 500:
        return PlatformUnavailable(
            _LATER.get(status, "server_error"), f"HTTP {status}", retry_after_s=wait, http_status=status
        )
    if status == 410:
        return PlatformGone("not_found", "HTTP 410: the endpoint is closed for good", http_status=status)
    if 300 <= status < 400:
        return PlatformRefused("redirect", f"HTTP {status}: redirects are not followed", http_status=status)
    if 400 <= status < 500:
        return PlatformRefused(_REFUSED.get(status, "refused"), f"HTTP {status}", http_status=status)
    return PlatformUnavailable("bad_reply", f"HTTP {status} was not expected here", http_status=status)
