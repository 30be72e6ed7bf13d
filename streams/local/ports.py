"""Ports on loopback for servers that Takin starts itself."""

import asyncio
import contextlib
import errno
import random
import socket

from schemas.errors import OperatorError

LOOPBACK = "127.0.0.1"
# Below the range from which Linux takes the ports of outgoing connections (32768-60999): otherwise
# a client's connection could sit on the broker's port just while the broker restarts.
FREE_RANGE = range(20_000, 32_000)
INNER_RANGE = range(19_000, 20_000)
"""For what is chosen anew at each start: it must not take the port of a service that is down just then."""


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((LOOPBACK, port))
            sock.listen(1)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def free_port(among: range = FREE_RANGE) -> int:
    """A loopback port that nobody listens on at this moment.

    Raises:
        OperatorError: none was found.
    """
    for port in random.sample(among, k=200):
        if is_free(port):
            return port
    raise OperatorError(
        f"No free port was found on {LOOPBACK} between {among.start} and {among.stop}: stop something there."
    )


async def answers(port: int) -> bool:
    """Whether a server accepts connections on this loopback port."""
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
