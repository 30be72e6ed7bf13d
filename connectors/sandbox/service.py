"""The sandbox: several practice platforms in one process, each on its own port.

For tests::

    async with Sandbox(parse_scenario(text, source="test"), [{"id": "1", "title": "…"}]) as sandbox:
        url = sandbox.base_urls["sandbox-prompt"]
        …
        assert sandbox.journal.effects() == {key: 1}
"""

import asyncio
import os
import socket
import tempfile
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
import structlog

from connectors.sandbox.agenda import Agenda, wall_clock
from connectors.sandbox.application import build_application
from connectors.sandbox.journal import Journal, JournalFile, read_journal
from connectors.sandbox.practice_platform import PracticePlatform
from connectors.sandbox.records import Port, Started, Stopped
from connectors.sandbox.scenario import Down, PlatformScenario, Scenario
from connectors.sandbox.state import PlatformState
from connectors.sandbox.stock import SetAside, StockFile, read_stock, sort_rows
from connectors.sandbox.trouble import down_now, next_change
from connectors.serving import RunningServer, bind, serve
from schemas.errors import OperatorError

_log = structlog.get_logger("sandbox")


class Sandbox:
    """Runs inside ``async with``; leaving it closes every port and lets the journal go."""

    def __init__(
        self,
        scenario: Scenario,
        stock: Path | Iterable[Mapping[str, Any]] | None = None,
        *,
        state_dir: Path | None = None,
        log: Path | None = None,
        host: str = "127.0.0.1",
        clock: Callable[[], datetime] = wall_clock,
    ) -> None:
        """``stock`` is a JSONL file or rows; ``log`` is the journal, else ``state_dir``/journal.jsonl.

        Without either the journal lies in a new temporary folder and nothing is resumed. With a
        journal that exists already the sandbox carries on where that one ended, on the same ports.
        """
        self.scenario = scenario
        self.platforms: dict[str, PracticePlatform] = {}
        self._stock = stock
        self._host = host
        self._clock = clock
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._journal_path = log or (state_dir / "journal.jsonl" if state_dir else None)
        self.set_aside: tuple[SetAside, ...] = ()
        """Lines of the stock file that no platform shows."""
        self._servers: dict[str, RunningServer] = {}
        self._reserved: list[socket.socket] = []
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def base_urls(self) -> dict[str, str]:
        """Each platform's address, without a trailing slash."""
        return {name: platform.base_url for name, platform in self.platforms.items()}

    @property
    def journal_path(self) -> Path:
        """Where the journal lies; known once the sandbox runs."""
        if self._journal_path is None:
            raise RuntimeError("a sandbox without a folder has a journal only while it runs")
        return self._journal_path

    @property
    def journal(self) -> Journal:
        """What is on disk at this moment."""
        return Journal.load(self.journal_path)

    async def __aenter__(self) -> Self:
        """Read the journal, take the ports, listen.

        Raises:
            OperatorError: a port is taken, the stock or the journal cannot be read.
        """
        # Reading a large stock is done before any port answers: there is nobody to keep waiting.
        stock = self._read_stock()
        self.set_aside = tuple(stock.set_aside)
        if self._journal_path is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="takin-sandbox-")
            self._journal_path = Path(self._temporary.name) / "journal.jsonl"
        self._file = JournalFile(self._journal_path)
        try:
            await self._open(stock)
        except BaseException:
            await self._close()
            raise
        return self

    def _read_stock(self) -> StockFile:
        names = self.scenario.names
        if isinstance(self._stock, Path):
            return read_stock(self._stock, names)
        return sort_rows((orjson.dumps(dict(row)) for row in self._stock or ()), names)

    async def _open(self, stock: StockFile) -> None:
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        agenda = Agenda(self._clock)
        states = {name: PlatformState(stock.sha256, stock.rows.get(name, [])) for name in self.scenario.names}
        before = self._replay(states)
        for config in self.scenario.platforms:
            self.platforms[config.name] = PracticePlatform(
                self.scenario,
                config,
                state=states[config.name],
                journal=self._file,
                agenda=agenda,
                clock=self._clock,
                failed=self._fail,
            )
        ports = {c.name: self._reserve(c, before.ports if before else {}) for c in self.scenario.platforms}
        urls = {c.name: c.public_url or self._url(ports[c.name]) for c in self.scenario.platforms}
        started = Started(
            at=self._clock(),
            pid=os.getpid(),
            speed=self.scenario.speed,
            base_urls=urls,
            ports=ports,
            resumed=before is not None,
        )
        self._file.append(started)
        for name, platform in self.platforms.items():
            platform.state.apply(started)
            platform.open(urls[name], stock.sha256, len(stock.rows.get(name, ())))
        for name, platform in self.platforms.items():
            await self._listen(platform, ports[name])
            for down in platform.config.trouble:
                if isinstance(down, Down) and down.how == "refuse":
                    self._work(self._close_in_time(platform, down, ports[name]), f"port-of-{name}")
        self._work(agenda.run(), "agenda")

    def _replay(self, states: dict[str, PlatformState]) -> Started | None:
        last: Started | None = None
        for record in read_journal(self.journal_path):
            if isinstance(record, Started):
                last = record
                for state in states.values():
                    state.apply(record)
            elif record.platform in states:
                states[record.platform].apply(record)
        return last

    def _reserve(self, config: PlatformScenario, before: Mapping[str, int]) -> int:
        """Take the port and keep it: bound without listening, it refuses while the platform is down.

        Notices hold addresses, so a resumed sandbox wants the ports that it had.
        """
        wanted = config.port or before.get(config.name, 0)
        sock = bind(self._host, wanted, purpose=f"the platform {config.name}")
        port = int(sock.getsockname()[1])
        family = sock.family
        sock.close()
        keep = socket.socket(family, socket.SOCK_STREAM)
        keep.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            keep.bind((self._host, port))
        except OSError as error:
            keep.close()
            raise OperatorError(
                f"Port {port} was taken while {config.name} was starting: start the sandbox again."
            ) from error
        self._reserved.append(keep)
        return port

    def _url(self, port: int) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{port}"

    async def _listen(self, platform: PracticePlatform, port: int) -> None:
        name = platform.config.name
        platform.closing = asyncio.Event()
        self._servers[name] = await serve(
            build_application(platform), self._host, port, purpose=f"the platform {name}"
        )

    async def _close_in_time(self, platform: PracticePlatform, down: Down, port: int) -> None:
        """Close the port when the outage begins and open it when it ends."""
        name = platform.config.name
        while True:
            now = self._clock()
            current = down_now(self.scenario, platform.config, started_at=platform.started_at, now=now)
            closed = current is not None and current[0].how == "refuse"
            if closed and name in self._servers:
                platform.record(Port(at=now, platform=name, what="port_closed"))
                platform.closing.set()
                await self._servers.pop(name).stop(grace_s=0.5)
            elif not closed and name not in self._servers:
                await self._listen(platform, port)
                platform.record(Port(at=self._clock(), platform=name, what="port_opened"))
            change = next_change(down, self.scenario.speed, started_at=platform.started_at, now=self._clock())
            if change is None and not closed:
                return
            wait = (change - self._clock()).total_seconds() if change else 0.05
            await asyncio.sleep(min(max(wait, 0.005), 3_600.0))

    def _work(self, job: Any, name: str) -> None:
        task: asyncio.Task[None] = asyncio.create_task(job, name=name)
        task.add_done_callback(self._job_ended)
        self._tasks.append(task)

    def _job_ended(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)

    async def failed(self) -> None:
        """Wait until something breaks after which the sandbox must not go on; raises it."""
        await asyncio.shield(self._failed)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close everything; a failure in the background that nobody waited for is raised here."""
        broken = self._failed.exception() if self._failed.done() else None
        if broken is None:
            self._file.append(Stopped(at=self._clock()))
        await self._close()
        if broken is not None and error is None:
            raise broken

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for platform in self.platforms.values():
            platform.closing.set()
        await asyncio.gather(*(platform.courier.aclose() for platform in self.platforms.values()))
        await asyncio.gather(*(server.stop(grace_s=1.0) for server in self._servers.values()))
        self._servers.clear()
        for sock in self._reserved:
            sock.close()
        self._file.close()
        failed = getattr(self, "_failed", None)
        if failed is not None:
            failed.cancel()
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = self._journal_path = None
