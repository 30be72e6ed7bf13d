"""Several services as child processes: started in order, restarted when they die, stopped in order.

A supervisor ends only what it started: each child has a session and process group of its own, its
group is ended before its pid is given back to the system, and if the supervisor itself is killed the
kernel ends every child (see :mod:`streams.local.die_with_parent`; so run it in the main thread).
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from schemas.errors import OperatorError
from streams.local import die_with_parent
from streams.local.service import Service, failures_after, layers, restart_delay
from streams.local.service_log import BoundedLog, Listener
from streams.local.visible import visible

OPERATOR_ERROR = 2
"""Exit code of a service whose operator must mend something; its last line says what."""
STOP_WITHIN_S = 20.0
LOOK_EVERY_S = 0.05
LOOK_FOR_FROST_S = 5.0
STARTING_S = 30.0
"""A service without a readiness question counts as started after this long."""


class _Child:
    """One service and its process, if it has one now."""

    def __init__(self, service: Service, log_dir: Path) -> None:
        self.service = service
        self.log = BoundedLog(log_dir / f"{service.name}.log")
        self.process: subprocess.Popen[bytes] | None = None
        self.is_ready = False
        self.was_ready = asyncio.Event()
        self.finished = asyncio.Event()
        self.starts = 0
        self._listeners: tuple[Listener, ...] = ()

    def spawn(self) -> None:
        self.starts += 1
        self.process = subprocess.Popen(
            die_with_parent.command(self.service.argv),
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self.service.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._listeners = (Listener(self.process.stderr, self.log), Listener(self.process.stdout, self.log))
        for listener in self._listeners:
            listener.start()

    async def ended(self) -> int:
        """Wait for the end of the process; returns its code, negative for a signal."""
        assert self.process is not None
        while not _is_dead(self.process):  # noqa: ASYNC110 a death to be seen but not waited for has no event
            await asyncio.sleep(LOOK_EVERY_S)
        # While the dead leader is not yet waited for, its number cannot belong to anybody else.
        self.signal(signal.SIGKILL)
        code = self.process.wait()
        for listener in self._listeners:
            listener.join(1)
        self.process = None
        self.is_ready = False
        return code

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole process group."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def last_words(self) -> str:
        """The last line of the error output, without the command's name."""
        line = self._listeners[0].last_line() if self._listeners else ""
        return visible(line.removeprefix("takin: "))


def _is_dead(process: subprocess.Popen[bytes]) -> bool:
    """Whether the process has ended, without waiting for it: its pid stays taken."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


class Supervisor:
    """Runs services until it is told to stop.

    async with Supervisor(services, log_dir=Path(".takin/logs"), say=print) as supervisor:
        await supervisor.run()
    """

    def __init__(
        self,
        services: Sequence[Service],
        *,
        log_dir: Path,
        say: Callable[[str], None],
        stop_within_s: float = STOP_WITHIN_S,
    ) -> None:
        """``say`` gets one line per event; each service's output goes to ``log_dir/<name>.log``."""
        self._layers = layers(services)
        self._log_dir = log_dir
        self._say = say
        self._stop_within_s = stop_within_s
        self._children: dict[str, _Child] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = False

    def pid_of(self, name: str) -> int | None:
        """Process id of a service, ``None`` while it has no process."""
        process = self._children[name].process
        return process.pid if process is not None else None

    def is_ready(self, name: str) -> bool:
        """Whether the service's process runs and has said that it serves."""
        return self._children[name].is_ready

    def is_finished(self, name: str) -> bool:
        """Whether a service with ``once`` has done its work."""
        return self._children[name].finished.is_set()

    async def finished(self, name: str) -> None:
        """Wait until a service with ``once`` has done its work."""
        await self._children[name].finished.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start every service as soon as what it needs is ready; returns when all are.

        A service with ``once`` that nobody needs may still be at work then.

        Raises:
            OperatorError: a service ended with the operator's exit code (the sentence is its last
                line) or was not ready in time. Then everything is stopped again.
        """
        began = time.monotonic()
        order = [service for layer in self._layers for service in layer]
        self._children = {service.name: _Child(service, self._log_dir) for service in order}
        needed = {name for service in order for name in service.needs}
        starting = [
            asyncio.create_task(self._start(self._children[s.name], wait=not s.once or s.name in needed))
            for s in order
        ]
        try:
            await asyncio.gather(*starting)
        except BaseException:
            for task in starting:
                task.cancel()
            await asyncio.gather(*starting, return_exceptions=True)
            await self.stop()
            raise
        self._say(f"all services are ready after {time.monotonic() - began:.1f} s")

    async def run(self) -> None:
        """Keep the services running; returns when every one of them was ``once`` and is done.

        Raises:
            OperatorError: a service that had never been ready ended with the operator's exit code.
        """
        # Not gather: when run() is cancelled the services go on until stop() ends them in order.
        done, _ = await asyncio.wait(self._tasks.values(), return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()

    async def stop(self) -> None:
        """Stop everything, what depends on others first: SIGTERM, and after 20 seconds SIGKILL."""
        self._stopping = True
        for layer in reversed(self._layers):
            await asyncio.gather(
                *(self._stop(self._children[s.name]) for s in layer if s.name in self._tasks)
            )
        for child in self._children.values():
            child.log.close()

    # --- one service ---

    async def _start(self, child: _Child, *, wait: bool) -> None:
        """Start one service when what it needs is ready, and wait for it."""
        for name in child.service.needs:
            await self._children[name].was_ready.wait()
        task = asyncio.create_task(self._look_after(child), name=child.service.name)
        self._tasks[child.service.name] = task
        if wait:
            await self._await_ready(child, task)

    async def _look_after(self, child: _Child) -> None:
        """Start a service and start it again whenever it dies."""
        name, failures = child.service.name, 0
        while not self._stopping:
            began = time.monotonic()
            try:
                child.spawn()
            except OSError as error:  # no memory, process or file is left just now
                failures += 1
                delay = restart_delay(failures)
                why = error.strerror or error
                self._say(f"{name}: could not be started ({why}), is tried again in {delay:.0f} s")
                await asyncio.sleep(delay)
                continue
            self._say(f"{name}: started (pid {self.pid_of(name)})")
            asking = asyncio.create_task(self._until_ready(child, began))
            try:
                code = await child.ended()
            finally:
                asking.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await asking
            if self._stopping:
                return
            ran_s = time.monotonic() - began
            if child.service.once and code == 0:
                self._say(f"{name}: done after {ran_s:.1f} s")
                child.was_ready.set()
                child.finished.set()
                return
            if code == OPERATOR_ERROR and self._never_served(child, ran_s):
                raise OperatorError(child.last_words() or f"{name} could not start (see {child.log.path}).")
            failures = failures_after(failures, ran_s=ran_s)
            delay = restart_delay(failures)
            words = child.last_words()
            self._say(
                f"{name}: {_end(code)} after {ran_s:.1f} s, starts again in {delay:.0f} s"
                + (f" ({words[:200]})" if words else "")
            )
            await asyncio.sleep(delay)

    @staticmethod
    def _never_served(child: _Child, ran_s: float) -> bool:
        if child.service.ready is None:
            return child.starts == 1 and ran_s < STARTING_S
        return not child.was_ready.is_set()

    async def _until_ready(self, child: _Child, began: float) -> None:
        if child.service.once and child.service.ready is None:
            return  # ready when done
        while not await serves(child.service):  # noqa: ASYNC110 another process's readiness has no event
            await asyncio.sleep(0.1)
        again = " again" if child.was_ready.is_set() else ""
        child.is_ready = True
        child.was_ready.set()
        if child.service.ready is not None:
            self._say(f"{child.service.name}: ready{again} after {time.monotonic() - began:.1f} s")
        if child.service.frozen_after_s is not None:
            await self._until_frozen(child, child.service.frozen_after_s)

    async def _until_frozen(self, child: _Child, limit_s: float) -> None:
        """Kill a service that lives and answers nothing; whoever waits for its end starts it again."""
        answered = time.monotonic()
        while time.monotonic() - answered < limit_s:
            await asyncio.sleep(min(LOOK_FOR_FROST_S, limit_s / 4))
            if await _status(child.service.ready) is not None:
                answered = time.monotonic()
        self._say(f"{child.service.name}: answered nothing for {limit_s:.0f} s and was killed")
        child.signal(signal.SIGKILL)

    async def _await_ready(self, child: _Child, task: "asyncio.Task[None]") -> None:
        """Until the service is ready, its task has failed, or its time is up."""
        limit = child.service.ready_within_s
        ready = asyncio.create_task(child.was_ready.wait())
        try:
            await asyncio.wait({ready, task}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if task.done():
            task.result()  # raises what ended it
        if not child.was_ready.is_set():
            words = child.last_words()
            raise OperatorError(
                f"{child.service.name} was not ready within {limit:.0f} s"
                + (f"; its last words: {words}" if words else "")
                + f" (see {child.log.path})."
            )

    async def _stop(self, child: _Child) -> None:
        name, task = child.service.name, self._tasks[child.service.name]
        if child.process is not None:
            ended = asyncio.create_task(child.ended()) if task.done() else task
            child.signal(signal.SIGTERM)
            done, _ = await asyncio.wait({ended}, timeout=self._stop_within_s)
            if not done:
                child.signal(signal.SIGKILL)
                await asyncio.wait({ended})
            self._say(
                f"{name}: stopped"
                if done
                else f"{name}: did not stop within {self._stop_within_s:.0f} s and was killed"
            )
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, OperatorError):
            await task


async def serves(service: Service) -> bool:
    """Whether the service answers its readiness question now."""
    if service.ready is None:
        return True
    if not isinstance(service.ready, str):
        return await service.ready()
    return await _status(service.ready) == 200


async def _status(url: object) -> int | None:
    """What the URL answers now; ``None``: nothing."""
    import httpx

    try:
        async with httpx.AsyncClient(trust_env=False, timeout=2.0) as client:
            return (await client.get(str(url))).status_code
    except httpx.HTTPError:
        return None


def _end(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
