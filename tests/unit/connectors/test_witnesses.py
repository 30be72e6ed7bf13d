"""What platforms' servers say the time is, over real HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from connectors.platform_config import PlatformConfig
from connectors.witnesses import Witnesses

Answer = Callable[[], bytes | None]


@asynccontextmanager
async def server(answer: Answer, asked: list[str]) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readline()).decode().strip())
        said = answer()
        if said is None:
            await reader.read()  # until they hang up
        else:
            writer.write(said)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as one:
        yield f"http://127.0.0.1:{one.sockets[0].getsockname()[1]}"


def dated(apart: timedelta, status: str = "404 Not Found") -> Answer:
    def answer() -> bytes:
        date = format_datetime(datetime.now(UTC) + apart, usegmt=True)
        return f"HTTP/1.1 {status}\r\ndate: {date}\r\ncontent-length: 0\r\n\r\n".encode()

    return answer


def platform(name: str, base_url: str) -> PlatformConfig:
    return PlatformConfig(name=name, kind="sandbox", base_url=base_url, private_address=True)


async def asking(*urls: str) -> list[float]:
    """By how many seconds each is ahead of this machine's clock."""
    there = Witnesses([platform(f"p-{n}", url) for n, url in enumerate(urls)], steady=time.monotonic)
    try:
        said = await there.ask()
    finally:
        await there.aclose()
    offset = time.time() - time.monotonic()
    return [one - offset for one in said]


async def test_each_server_is_asked_once_for_its_time_whatever_else_it_answers() -> None:
    asked: list[str] = []
    hours = timedelta(hours=2)
    async with (
        server(dated(timedelta(0)), asked) as right,
        server(dated(-hours, "500 Internal Server Error"), asked) as slow,
        server(dated(hours, "301 Moved"), asked) as fast,
    ):
        said = await asking(right, slow + "/api/", fast, right + "/other")

    assert said == pytest.approx([0, -7_200, 7_200], abs=1.5)
    assert sorted(asked) == ["HEAD / HTTP/1.1", "HEAD / HTTP/1.1", "HEAD /api/ HTTP/1.1"]


async def test_who_does_not_answer_or_tells_no_time_is_left_out() -> None:
    asked: list[str] = []
    async with server(lambda: b"", asked) as gone:
        pass
    async with (
        server(dated(timedelta(0)), asked) as right,
        server(lambda: b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", asked) as dateless,
        server(lambda: b"HTTP/1.1 200 OK\r\ndate: soon\r\ncontent-length: 0\r\n\r\n", asked) as vague,
        server(lambda: b"\x00 no HTTP", asked) as broken,
        server(lambda: None, asked) as silent,
    ):
        said = await asking(right, dateless, vague, broken, silent, gone)

    assert said == pytest.approx([0], abs=1.5)
    assert len(asked) == 5


async def test_nobody_to_ask_is_no_error() -> None:
    assert await asking() == []
