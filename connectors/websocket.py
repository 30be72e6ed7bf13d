"""A WebSocket to a server that the operator named, over vetted addresses, bounded in size.

The same rules as :mod:`connectors.http`: no proxy settings from the environment, no redirects, no
compression, and a connection only to the very addresses that :class:`connectors.egress.EgressPolicy`
allowed. A reader that is slow makes the sender wait (TCP), because only a few messages are kept here unread.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    PayloadTooBig,
    WebSocketException,
)

from connectors.egress import EgressPolicy, GuardedBackend
from connectors.errors import PlatformRefused, PlatformUnavailable
from connectors.http import Reply, reply_error, tls_context

UNREAD = 64
"""Messages kept here unread; then the sender waits."""
TOO_BIG = 1009
"""The WebSocket protocol's own code for a message that is too big."""


class MessageTooBig(Exception):
    """The next message is longer than is read; the connection is over."""


class Messages:
    """What comes in, message by message."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def next(self, within_s: float) -> bytes | None:
        """The next message; ``None`` when none came in that time.

        Raises:
            MessageTooBig
            PlatformUnavailable: ``reset``: the connection is over.
        """
        try:
            async with asyncio.timeout(within_s):
                data = await self._connection.recv(decode=False)
        except TimeoutError:
            return None
        except ConnectionClosed as error:
            if error.sent is not None and error.sent.code == TOO_BIG:
                raise MessageTooBig from error
            raise PlatformUnavailable("reset", f"the stream ended: {error}"[:300]) from error
        except PayloadTooBig as error:
            raise MessageTooBig from error
        return bytes(data)


@contextlib.asynccontextmanager
async def open_messages(
    url: str,
    policy: EgressPolicy,
    *,
    user_agent: str,
    longest: int,
    connect_s: float,
    ca_file: str | None = None,
) -> AsyncIterator[Messages]:
    """Connect to ``ws://`` or ``wss://`` and read.

    Raises:
        EgressRefused: the address is not allowed.
        PlatformUnavailable, PlatformRefused: as the server's answer to the handshake says.
    """
    where = policy.check_url("http" + url.removeprefix("ws"))
    port = where.port or (443 if where.scheme == "https" else 80)
    try:
        async with asyncio.timeout(connect_s):
            stream = await GuardedBackend(policy).connect_tcp(where.host, port, connect_s)
            connection = await connect(
                url,
                sock=stream.detach(),
                ssl=tls_context(ca_file) if where.scheme == "https" else None,
                compression=None,
                proxy=None,
                max_size=longest,
                max_queue=UNREAD,
                open_timeout=None,
                close_timeout=1,
                ping_interval=20,
                ping_timeout=40,
                user_agent_header=user_agent,
            )
    except InvalidStatus as error:
        headers = {name.lower(): value for name, value in error.response.headers.raw_items()}
        raise reply_error(Reply(error.response.status_code, headers, b"", True), datetime.now(UTC)) from error
    except TimeoutError as error:
        raise PlatformUnavailable("timeout", f"no stream within {connect_s:g} s") from error
    except (InvalidHandshake, WebSocketException, ValueError) as error:
        raise PlatformUnavailable("bad_reply", f"the server speaks no WebSocket: {error}"[:300]) from error
    except (ssl.SSLError, OSError) as error:
        raise PlatformUnavailable("connect", str(error)[:300]) from error
    try:
        yield Messages(connection)
    finally:
        try:
            await connection.close()
        finally:  # a farewell that is itself cut short leaves no socket behind
            connection.transport.abort()


__all__ = ["MessageTooBig", "Messages", "PlatformRefused", "open_messages"]
