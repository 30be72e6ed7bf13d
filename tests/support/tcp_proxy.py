"""A TCP proxy that misbehaves on request, between our services and a practice platform."""

import asyncio
import contextlib
from types import TracebackType
from typing import Literal, Self

Mode = Literal["pass", "reset", "slow", "hole", "lose_replies"]
"""``reset``: connections are cut and new ones refused; ``slow``: each piece waits; ``hole``: taken and never
answered; ``lose_replies``: the request arrives, and the connection is cut when the reply comes."""
DELAY_S = 2.0
PIECE = 65_536


class TcpProxy:
    """Listens on ``port`` and passes on to ``target``, both on loopback."""

    def __init__(self, port: int, target: int) -> None:
        self._port, self._target = port, target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.mode: Mode = "pass"
        self.lost_replies = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self._cut()

    def behave(self, mode: Mode) -> None:
        """From now on; connections that are open feel it too."""
        self.mode = mode
        if mode in ("reset", "pass"):
            self._cut()

    def _cut(self) -> None:
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "reset":
            writer.transport.abort()
            return
        self._writers.add(writer)
        beyond: asyncio.StreamWriter | None = None
        try:
            back, beyond = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(beyond)
            await asyncio.gather(self._pump(reader, beyond), self._pump(back, writer, replies=True))
        except OSError:
            pass
        finally:
            for one in (writer, beyond):
                if one is not None:
                    self._writers.discard(one)
                    with contextlib.suppress(OSError):
                        one.close()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, replies: bool = False
    ) -> None:
        while piece := await source.read(PIECE):
            if self.mode == "slow":
                await asyncio.sleep(DELAY_S)
            elif self.mode == "hole":
                continue
            elif self.mode == "lose_replies" and replies:
                self.lost_replies += 1
                self._cut()
                return
            sink.write(piece)
            await sink.drain()
        with contextlib.suppress(OSError):
            sink.close()
