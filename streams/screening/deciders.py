"""Processes that decide: copies of the worker, made anew for each state of the rules.

Screening is nearly all of a listing's cost. In a process of its own it runs beside Kafka's work; several take
as many cores. A rule that takes its time holds up no heartbeat, and a listing that kills the process which
screens it kills no member of the consumer group: it is set aside.

A copy is made by ``fork``, so that it has the very screener that is in force, compiled, in memory that is
shared until one of the two writes to it. It knows no file and no network and lives as long as the worker.
"""

import asyncio
import contextlib
import ctypes
import gc
import marshal
import os
import signal
import socket
import struct
import sys
import warnings
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn, Protocol, Self

import structlog

from streams.screening.decision import Desk, Reckoning, Record, decide, set_aside
from streams.screening.decode import Rejected
from streams.screening.metrics import ScreeningMetrics
from streams.screening.verdict import Screener

log = structlog.get_logger(__name__)

BUFFER_BYTES = 1_000_000
"""What a socket takes without its reader, where the system allows so much."""
WORTH_DIVIDING = 32
"""Records that one process decides sooner than several."""
TRIES = 2
"""How many processes a record may kill, alone, before it is set aside."""
_LENGTH = struct.Struct("<Q")
_KILLER = Rejected(
    "rule_failed",
    "The process that screened it died, twice: see the worker's log for how, mend the cause, "
    "then replay this record.",
)


class Decider(Protocol):
    """Decides records, in order."""

    async def decide(self, records: Sequence[Record], screener: Screener) -> Reckoning:
        """What became of each, by that screener."""
        ...


class DeciderDied(Exception):
    """A process ended before it had answered: nothing is known of the records that it was given."""


@dataclass(frozen=True, slots=True)
class Given:
    """A record as it reaches the process that decides."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


class Deciders:
    """So many processes for the screener in force; a batch is divided among them.

    They are made when the first batch for a screener comes; those for the one before end with their last
    answer. One that ends otherwise is counted in the metrics.
    """

    def __init__(self, desk: Desk, processes: int, metrics: ScreeningMetrics) -> None:
        self._desk = desk
        self._count = processes
        self._metrics = metrics
        self._screener: Screener | None = None
        self._processes: list[_Process] = []
        self._ending: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._let_go()
        await asyncio.gather(*self._ending)

    async def decide(self, records: Sequence[Record], screener: Screener) -> Reckoning:
        """See :class:`Decider`. Records that kill a process are tried alone, then set aside."""
        share = max(WORTH_DIVIDING, -(-len(records) // self._count))
        parts = [records[at : at + share] for at in range(0, len(records), share)]
        processes = self._least_busy(screener)[: len(parts)]
        answers = await asyncio.gather(
            *(one.ask(part) for one, part in zip(processes, parts, strict=True)), return_exceptions=True
        )
        reckoning = Reckoning()
        for part, answer in zip(parts, answers, strict=True):
            if isinstance(answer, DeciderDied):
                for record in part:
                    reckoning.extend(await self._alone(record, screener))
            elif isinstance(answer, BaseException):
                raise answer
            else:
                reckoning.extend(answer)
        return reckoning

    async def _alone(self, record: Record, screener: Screener) -> Reckoning:
        for _ in range(TRIES):
            with contextlib.suppress(DeciderDied):
                return await self._least_busy(screener)[0].ask([record])
        return Reckoning([set_aside(record, _KILLER, datetime.now(UTC), self._desk)])

    def _least_busy(self, screener: Screener) -> "list[_Process]":
        """The processes for this screener, made where there are none."""
        if screener is not self._screener or any(one.died for one in self._processes):
            self._let_go()
            self._screener = screener
        while len(self._processes) < self._count:
            self._processes.append(_Process(screener, self._desk, self._metrics))
        return sorted(self._processes, key=lambda one: one.asked)

    def _let_go(self) -> None:
        for one in self._processes:
            task = asyncio.create_task(one.end())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
        self._processes = []


class _Process:
    """One of them, as the worker sees it. Answers come in the order of the questions."""

    def __init__(self, screener: Screener, desk: Desk, metrics: ScreeningMetrics) -> None:
        ours, theirs = socket.socketpair()
        for one in (ours, theirs):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        worker = os.getpid()
        with warnings.catch_warnings():
            # The worker's other threads build rule sets; the copy takes no lock that one of them may hold.
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                self._pid = os.fork()
            except OSError:
                ours.close()
                theirs.close()
                raise
        if self._pid == 0:
            _serve(theirs, worker, screener, desk)
        theirs.close()
        ours.setblocking(False)
        self._socket = ours
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._turn = asyncio.Lock()
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self.died = False
        self._let_go = False
        self._reading = asyncio.create_task(self._read())

    @property
    def asked(self) -> int:
        """How many answers are awaited."""
        return len(self._waiting)

    async def ask(self, records: Sequence[Record]) -> Reckoning:
        """Have records of one partition decided.

        Raises:
            DeciderDied: before it answered.
        """
        answer: asyncio.Future[Any] = self._loop.create_future()
        async with self._turn:
            if self.died:
                raise DeciderDied
            self._waiting.append(answer)
            with contextlib.suppress(OSError):  # the reader sees its end too, and fails what waits
                await self._loop.sock_sendall(self._socket, _framed(_given(records)))
        return Reckoning.of_plain(await answer)

    async def end(self) -> None:
        """Let it go once it has answered all that it was asked."""
        await asyncio.gather(*self._waiting, return_exceptions=True)
        self._let_go = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        await self._reading
        self._socket.close()

    async def _read(self) -> None:
        with contextlib.suppress(OSError):
            while (answer := await self._receive()) is not None:
                if not (asked := self._waiting.popleft()).done():
                    asked.set_result(answer)
        self.died, let_go = True, self._let_go
        for one in self._waiting:
            if not one.done():
                one.set_exception(DeciderDied())
        self._waiting.clear()
        _, status = await asyncio.to_thread(os.waitpid, self._pid, 0)
        if status or not let_go:
            code = os.waitstatus_to_exitcode(status)
            log.error("a process that decides died", exit_code=code, pid=self._pid)
            self._metrics.decider_died("signal" if code < 0 else "exit")

    async def _receive(self) -> Any:
        head = await self._exactly(_LENGTH.size)
        told = head and await self._exactly(_LENGTH.unpack(head)[0])
        return told and _read_out(told)

    async def _exactly(self, size: int) -> bytearray | None:
        found = bytearray(size)
        room = memoryview(found)
        while room:
            got = await self._loop.sock_recv_into(self._socket, room)
            if not got:
                return None
            room = room[got:]
        return found


def _given(records: Sequence[Record]) -> tuple[Any, ...]:
    first = records[0]
    return (
        first.topic,
        first.partition,
        [one.offset for one in records],
        [one.key for one in records],
        [one.value for one in records],
    )


def _framed(value: tuple[Any, ...]) -> bytes:
    told = marshal.dumps(value)
    return _LENGTH.pack(len(told)) + told


def _read_out(told: bytearray) -> Any:
    return marshal.loads(told)  # noqa: S302 - from our own copy over a socket that nobody else has


# -- in the process that decides -------------------------------------------------------------------


def _serve(sock: socket.socket, worker: int, screener: Screener, desk: Desk) -> NoReturn:
    """Answer until the worker hangs up. Never returns: above stands a copy of the worker's loop."""
    code = 1
    try:
        _become_our_own(sock.fileno(), worker)
        while (told := _receive_now(sock)) is not None:
            sock.sendall(_framed(_decide_all(told, screener, desk).plain()))
        code = 0
    except ConnectionError:
        code = 0  # the worker is gone
    except BaseException as error:
        os.write(2, f"takin screening: a process that decides failed with {type(error).__name__}\n".encode())
    finally:
        os._exit(code)


def _become_our_own(own: int, worker: int) -> None:
    """Signals are the worker's to act on; its sockets would stay open for as long as the copy lives."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    os.closerange(3, own)
    os.closerange(own + 1, os.sysconf("SC_OPEN_MAX"))
    if sys.platform == "linux":  # also where it hangs in a listing and never reads that the worker is gone
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != worker:
            os._exit(0)
    gc.freeze()


_DIE_WITH_PARENT = 1
"""``PR_SET_PDEATHSIG`` of prctl(2)."""


def _decide_all(told: Any, screener: Screener, desk: Desk) -> Reckoning:
    topic, partition, offsets, keys, values = told
    return Reckoning(
        decide(Given(topic, partition, offset, key, value), screener, datetime.now(UTC), desk)
        for offset, key, value in zip(offsets, keys, values, strict=True)
    )


def _receive_now(sock: socket.socket) -> Any:
    head = _exactly_now(sock, _LENGTH.size)
    told = head and _exactly_now(sock, _LENGTH.unpack(head)[0])
    return told and _read_out(told)


def _exactly_now(sock: socket.socket, size: int) -> bytearray | None:
    found = bytearray(size)
    room = memoryview(found)
    while room:
        got = sock.recv_into(room)
        if not got:
            return None
        room = room[got:]
    return found
