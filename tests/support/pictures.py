"""Pictures drawn here, and a server that shows them."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Answer = tuple[int, Mapping[str, str], bytes]


def drawn(number: int, height: int = 480, width: int = 640) -> NDArray[np.uint8]:
    """A picture that no other number has: waves, and boxes and discs with edges upon them."""
    random = np.random.default_rng(number)
    down, right = np.mgrid[0:height, 0:width] / max(height, width)
    pixels = np.zeros((height, width, 3))
    for _ in range(6):
        a, b, c = random.uniform(-12, 12, 3)
        pixels += np.sin(a * right + b * down + c)[..., None] * random.uniform(0, 90, 3)
    for _ in range(10):
        top, left = random.uniform(0, 0.8, 2)
        tall, wide = random.uniform(0.05, 0.4, 2)
        colour = random.uniform(-200, 200, 3)
        if random.random() < 0.5:
            inside = (down > top) & (down < top + tall) & (right > left) & (right < left + wide)
        else:
            inside = (down - top) ** 2 + (right - left) ** 2 < (tall / 2) ** 2
        pixels[inside] += colour
    low, high = pixels.min(), pixels.max()
    whole: NDArray[np.uint8] = ((pixels - low) / (high - low) * 255).astype(np.uint8)
    return whole


def encoded(pixels: NDArray[np.uint8] | Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    written = io.BytesIO()
    picture.save(written, kind, **options)
    return written.getvalue()


@dataclass
class PictureServer:
    """Answers what it was given for a path; ``hangs`` are paths on which it says nothing."""

    answers: dict[str, Answer] = field(default_factory=dict)
    hangs: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def show(
        self, path: str, body: bytes, kind: str = "text/plain", status: int = 200, **headers: str
    ) -> str:
        """Its address. The media type is wrong on purpose: nobody is to trust it."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[path] = (status, {"content-type": kind, **named}, body)
        return self.base + path

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1].decode()
                self.asked.append(path)
                if path in self.hangs:
                    await asyncio.sleep(3_600)
                status, headers, body = self.answers.get(path, (404, {}, b"no such picture"))
                lines = [f"HTTP/1.1 {status} -", f"content-length: {len(body)}"]
                lines += [f"{name}: {value}" for name, value in headers.items()]
                writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def picture_server() -> AsyncIterator[PictureServer]:
    """One on loopback, for as long as the test lasts."""
    shown = PictureServer()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await shown._serve(reader, writer)
        except asyncio.CancelledError:
            writer.close()
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    shown.port = server.sockets[0].getsockname()[1]
    try:
        yield shown
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
