"""What our own servers put up with."""

import asyncio

from starlette.applications import Starlette

from connectors.serving import serve


async def test_a_request_whose_head_is_too_long_is_refused() -> None:
    server = await serve(Starlette(), "127.0.0.1", 0, purpose="a test")
    try:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(b"GET / HTTP/1.1\r\nhost: a.example\r\nx: " + b"a" * 200_000 + b"\r\n\r\n")
        async with asyncio.timeout(20):
            status = await reader.readline()
        writer.transport.abort()
        await asyncio.sleep(0)
    finally:
        await server.stop()

    assert status.startswith(b"HTTP/1.1 4"), status
    assert not status.startswith(b"HTTP/1.1 404"), "it was read whole"
