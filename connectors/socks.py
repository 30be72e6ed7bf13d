"""One connection through a SOCKS5 proxy (RFC 1928) that looks names up itself, as Tor's does."""

import socksio
from socksio.socks5 import (
    SOCKS5AuthMethod,
    SOCKS5AuthMethodsRequest,
    SOCKS5AuthReply,
    SOCKS5Command,
    SOCKS5CommandRequest,
    SOCKS5Connection,
    SOCKS5Reply,
    SOCKS5ReplyCode,
)

from connectors.errors import PlatformUnavailable
from connectors.streams import Stream


async def ask_for(stream: Stream, host: str, port: int, timeout: float) -> None:
    """Have the proxy at the other end of ``stream`` connect to a host, by its name.

    Raises:
        PlatformUnavailable: ``connect``: it does not, or does not speak SOCKS5; or as of a stream.
    """
    speaks = SOCKS5Connection()
    try:
        speaks.send(SOCKS5AuthMethodsRequest([SOCKS5AuthMethod.NO_AUTH_REQUIRED]))
        await stream.write(speaks.data_to_send(), timeout)
        chosen = speaks.receive_data(await _exactly(stream, 2, timeout))
        if not isinstance(chosen, SOCKS5AuthReply) or chosen.method != SOCKS5AuthMethod.NO_AUTH_REQUIRED:
            raise PlatformUnavailable("connect", "the SOCKS proxy wants a login")
        speaks.send(SOCKS5CommandRequest.from_address(SOCKS5Command.CONNECT, (host, port)))
        await stream.write(speaks.data_to_send(), timeout)
        said = speaks.receive_data(await _reply(stream, timeout))
    except (socksio.SOCKSError, ValueError) as error:
        raise PlatformUnavailable("connect", f"the proxy does not speak SOCKS5: {error}") from error
    if not isinstance(said, SOCKS5Reply) or said.reply_code != SOCKS5ReplyCode.SUCCEEDED:
        reason = said.reply_code.name if isinstance(said, SOCKS5Reply) else "no reply"
        raise PlatformUnavailable("connect", f"the SOCKS proxy could not connect: {reason.lower()}")


async def _reply(stream: Stream, timeout: float) -> bytes:
    """Not a byte more than the reply: what follows is the server's."""
    head = await _exactly(stream, 5, timeout)
    rest = {1: 3, 4: 15, 3: head[4]}.get(head[3])
    if rest is None:
        raise PlatformUnavailable("connect", "the proxy does not speak SOCKS5: an unknown kind of address")
    return head + await _exactly(stream, rest + 2, timeout)


async def _exactly(stream: Stream, count: int, timeout: float) -> bytes:
    found = b""
    while len(found) < count:
        piece = await stream.read(count - len(found), timeout)
        if not piece:
            raise PlatformUnavailable("connect", "the SOCKS proxy hung up")
        found += piece
    return found
