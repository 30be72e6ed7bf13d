"""Ways to be rude: what :class:`tests.contracts.rude_server.RudeServer` can be told to do."""

import asyncio
import zlib

from tests.contracts.rude_server import Asked


async def resets_in_the_middle(_: Asked, writer: asyncio.StreamWriter) -> None:
    """As its name says."""
    writer.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 500\r\n\r\n{")
    await writer.drain()
    writer.transport.abort()


async def ends_in_the_middle(_: Asked, writer: asyncio.StreamWriter) -> None:
    """As its name says."""
    writer.write(b"HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
    await writer.drain()
    writer.close()


async def resets_before(_: Asked, writer: asyncio.StreamWriter) -> None:
    """As its name says."""
    writer.transport.abort()


async def hangs_up(_: Asked, writer: asyncio.StreamWriter) -> None:
    """As its name says."""
    writer.close()


async def never_answers(_: Asked, writer: asyncio.StreamWriter) -> None:
    """As its name says."""
    await asyncio.sleep(60)


async def trickles_the_head(_: Asked, writer: asyncio.StreamWriter) -> None:
    """As its name says."""
    writer.write(b"HTTP/1.1 202 Accepted\r\n")
    while True:
        writer.write(b"x-slow: 1\r\n")
        await writer.drain()
        await asyncio.sleep(0.2)


async def trickles_the_body(_: Asked, writer: asyncio.StreamWriter) -> None:
    """As its name says."""
    writer.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 5000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.2)


async def talks_nonsense(_: Asked, writer: asyncio.StreamWriter) -> None:
    """As its name says."""
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    await writer.drain()


async def sends_endless_headers(_: Asked, writer: asyncio.StreamWriter) -> None:
    """As its name says."""
    writer.write(b"HTTP/1.1 202 Accepted\r\n")
    for number in range(20_000):
        writer.write(b"x-%d: %s\r\n" % (number, b"y" * 100))
    await writer.drain()


async def sends_many_headers(_: Asked, writer: asyncio.StreamWriter) -> None:
    """As its name says."""
    lines = b"".join(b"x-%d: y\r\n" % number for number in range(1_000))
    writer.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n" + lines + b"\r\n{}")
    await writer.drain()


async def sends_endless_continues(_: Asked, writer: asyncio.StreamWriter) -> None:
    """As its name says."""
    while True:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
        await writer.drain()
        await asyncio.sleep(0.01)


async def sends_endless_chunks(_: Asked, writer: asyncio.StreamWriter) -> None:
    """As its name says."""
    writer.write(b"HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"2000\r\n" + b" " * 0x2000 + b"\r\n")
        await writer.drain()


def bomb(megabytes: int) -> bytes:
    """Made piece by piece, so that the test itself never holds what it inflates to."""
    press = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    piece = b" " * 1_000_000
    return b"".join(press.compress(piece) for _ in range(megabytes)) + press.flush()


BOMB = bomb(100)


async def sends_a_gigabyte(_: Asked, writer: asyncio.StreamWriter) -> None:
    """Says how long it is, and means it."""
    writer.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 1000000000\r\n\r\n")
    piece = b" " * 65_536
    while True:
        writer.write(piece)
        await writer.drain()
