"""A real Apache Kafka on this machine: one node, loopback only, data kept between runs.

    async with LocalKafka(Path(".takin/kafka")) as kafka:
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap)

For development, the demo and tests: one node, no replication; encryption, logins and rights only with a
:class:`~streams.local.kafka_config.Guard`, to try them.
"""

import asyncio
import base64
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from schemas.errors import OperatorError
from schemas.kafka_access import KafkaAccess
from streams.local import class_cache, die_with_parent
from streams.local.jars import ensure_jars
from streams.local.java import find_java
from streams.local.kafka_config import Guard, log4j_properties, server_properties
from streams.local.kafka_log import tail, why_it_stopped
from streams.local.ports import INNER_RANGE, LOOPBACK, answers, free_port, is_free
from streams.local.readiness import join_group

JVM_OPTIONS = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    # Kafka 4.1 on Java 25: what it does is allowed, so the JVM need not warn of it.
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
)
SPACE_NEEDED = 128 * 1024 * 1024
"""Bytes that must be free to start: the metadata log and one topic's index files."""
SPACE_LEFT = 1024 * 1024
"""Bytes: with less, a broker that stopped did so because the disk is full."""
LOCK_WAIT_S = 10.0
"""How long a predecessor that is just being ended may still hold the folder."""
STOP_WITHIN_S = 20.0


def new_cluster_id() -> str:
    """An id as Kafka writes them; never with a leading hyphen, which its own tool takes for an option."""
    while True:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not cluster_id.startswith("-"):
            return cluster_id


class LocalKafka:
    """The embedded broker; start it once, then stop, kill and start it again as often as needed.

    A folder belongs to one broker at a time. A broker never outlives the process that started it,
    however that one ended. Its ports stay the same over a restart.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int = 0,
        ready_within_s: float = 90.0,
        guard: Guard | None = None,
        classes_to: Path | None = None,
    ) -> None:
        """``port`` 0 takes a free one at the first start. ``guard``: absent, anybody on this machine may.

        ``classes_to``: the file to which a :mod:`~streams.local.class_cache` is written at the stop, which
        takes seconds longer then; absent, the broker starts with the cache beside the jars, if there is one.
        """
        self.data_dir = data_dir.absolute()
        self.port = port
        self._controller_port = 0
        self._ready_within_s = ready_within_s
        self._guard = guard
        self._classes_to = classes_to
        self._class_options: tuple[str, ...] = ()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None
        self._log_start = 0

    @property
    def bootstrap(self) -> str:
        """``host:port`` for clients."""
        assert self.port, "the port is known once the broker was started"
        return f"{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The broker's process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def log_file(self) -> Path:
        """What the broker logs: warnings and errors, at most three files of 8 MB."""
        return self.data_dir / "kafka.log"

    async def start(self) -> None:
        """Start the broker; returns when a consumer group can be joined.

        Raises:
            OperatorError: something is missing (Java, a jar, space, a port), the folder is in use or
                damaged, or the broker was not ready in time.
        """
        if self.pid is not None:
            return
        java = find_java()
        jars = await asyncio.to_thread(ensure_jars)
        if self._classes_to is None:
            cache = await asyncio.to_thread(class_cache.find, java, jars, JVM_OPTIONS)
            self._class_options = class_cache.reading(cache)
        try:
            await self._take_folder()
            self._prepare(java, jars)
            self._spawn(java, jars)
            await self._until_ready()
        except OSError as error:
            self._kill_now()
            raise OperatorError(
                f"The embedded Kafka cannot use the folder {self.data_dir} ({error.strerror or error}): "
                "free some space there, or choose another folder."
            ) from error
        except BaseException:
            self._kill_now()
            raise

    async def stop(self, *, within_s: float = STOP_WITHIN_S) -> None:
        """Stop in good order; after ``within_s`` seconds by force. Does nothing if it does not run."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wait(), within_s)
        self._kill_now()

    async def kill(self) -> None:
        """End it at once, as a power cut would (``kill -9``); ``start`` brings it back on its data."""
        self._kill_now()

    async def wait(self) -> int:
        """Wait until the broker has ended by itself or by :meth:`stop`; returns its exit code."""
        assert self._process is not None
        while (code := self._process.poll()) is None:  # noqa: ASYNC110
            # Polled, not awaited through the loop's child watcher: a broker may be started under one
            # event loop and stopped under another, as tests do.
            await asyncio.sleep(0.05)
        return code

    def reason(self) -> str:
        """Why a broker that ended by itself did so, in one sentence."""
        words = tail(self.data_dir / "kafka.err") + "\n" + tail(self.log_file, self._log_start)
        return self._meaning(words, self._process.poll() if self._process else None)

    def _meaning(self, words: str, exit_code: int | None) -> str:
        if shutil.disk_usage(self.data_dir).free < SPACE_LEFT:
            # Then the log that would say so could not be written either.
            return (
                f"The embedded Kafka stopped: the disk that holds {self.data_dir} is full: free some space."
            )
        return why_it_stopped(
            words, exit_code=exit_code, folder=self.data_dir, port=self.port, log_file=self.log_file
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # --- the folder ---

    async def _take_folder(self) -> None:
        """Lock the folder for us and for the broker, which inherits the lock and keeps it till its end."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.data_dir / "in-use.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        deadline = time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    holder = os.read(lock, 20).decode("ascii", "replace") or "unknown"
                    os.close(lock)
                    raise OperatorError(
                        f"{self.data_dir} is in use by another embedded Kafka (process {holder}): "
                        "stop that one or choose another folder."
                    ) from None
                await asyncio.sleep(0.1)
        self._lock = lock
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())

    def _prepare(self, java: Path, jars: Sequence[Path]) -> None:
        free = shutil.disk_usage(self.data_dir).free
        if free < SPACE_NEEDED:
            raise OperatorError(
                f"The disk that holds {self.data_dir} is full: {free // 2**20} MB are free and Kafka needs "
                f"{SPACE_NEEDED // 2**20} MB to start; free some space."
            )
        if self.port and not is_free(self.port):
            raise OperatorError(
                f"Port {self.port} is in use by another program, so the embedded Kafka cannot listen "
                "there: stop that program or choose another port."
            )
        self.port = self.port or free_port()
        if not self._controller_port or not is_free(self._controller_port):
            self._controller_port = free_port(INNER_RANGE)
        shutil.rmtree(self.data_dir / "tmp", ignore_errors=True)
        (self.data_dir / "tmp").mkdir()
        (self.data_dir / "log4j2.properties").write_text(log4j_properties(self.log_file), "utf-8")
        broker = self.data_dir / "broker"
        if not broker.exists():
            self._format(java, jars, broker)
        elif not (broker / "meta.properties").is_file():
            raise OperatorError(
                f"{broker} is no data folder of a Kafka or is damaged (it has no meta.properties): "
                "choose another folder, or delete this one if its data may go."
            )
        self._write_settings("server.properties", broker)

    def _write_settings(self, name: str, log_dir: Path) -> Path:
        text = server_properties(
            broker_port=self.port,
            controller_port=self._controller_port,
            log_dir=log_dir,
            guard=self._guard,
        )
        (self.data_dir / name).write_text(text, "utf-8")
        return self.data_dir / name

    def _format(self, java: Path, jars: Sequence[Path], broker: Path) -> None:
        """Format beside and rename, so that a format cut short leaves nothing that looks finished."""
        raw = broker.with_name("broker.new")
        shutil.rmtree(raw, ignore_errors=True)
        settings = self._write_settings("format.properties", raw)
        done = subprocess.run(
            [
                *self._java_command(java, "kafka.tools.StorageTool"),
                *("format", "--cluster-id", new_cluster_id(), "--config", str(settings)),
                *(self._guard.format_options() if self._guard else ()),
            ],
            env=self._environment(jars),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            check=False,
        )
        if done.returncode != 0:
            words = (done.stdout + done.stderr).decode("utf-8", "replace")
            raise OperatorError(self._meaning(words, done.returncode))
        raw.rename(broker)
        settings.unlink()

    # --- the process ---

    def _java_command(self, java: Path, main_class: str) -> list[str]:
        return [
            str(java),
            *JVM_OPTIONS,
            *self._class_options,
            f"-Djava.io.tmpdir={self.data_dir / 'tmp'}",
            f"-XX:ErrorFile={self.data_dir / 'jvm-crash.log'}",
            f"-Dlog4j2.configurationFile={self.data_dir / 'log4j2.properties'}",
            main_class,
        ]

    def _environment(self, jars: Sequence[Path]) -> dict[str, str]:
        """Little of ours: JAVA_TOOL_OPTIONS and KAFKA_* of some other Kafka must not reach this one."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
        return {**kept, "CLASSPATH": os.pathsep.join(map(str, jars))}

    def _spawn(self, java: Path, jars: Sequence[Path]) -> None:
        assert self._lock is not None
        self._log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        java_command = self._java_command(java, "kafka.Kafka")
        if self._classes_to is not None:
            java_command[1:1] = class_cache.writing(self._classes_to)
        command = [*java_command, str(self.data_dir / "server.properties")]
        with (self.data_dir / "kafka.err").open("wb") as words:
            self._process = subprocess.Popen(
                die_with_parent.command(command),
                env=self._environment(jars),
                cwd=self.data_dir,
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                # Ctrl-C in the terminal is for us; we then stop the broker in good order.
                start_new_session=True,
                pass_fds=(self._lock,),
            )

    async def _until_ready(self) -> None:
        """Until a group can be joined, the broker has died, or time is up."""
        joined = asyncio.create_task(self._join())
        died = asyncio.create_task(self.wait())
        try:
            await asyncio.wait(
                {joined, died}, timeout=self._ready_within_s, return_when=asyncio.FIRST_COMPLETED
            )
            if joined.done():
                joined.result()
            elif died.done():
                raise OperatorError(self.reason())
            else:
                raise OperatorError(
                    f"The embedded Kafka was not ready within {self._ready_within_s:.0f} s: the machine is "
                    f"overloaded, or see {self.log_file}."
                )
        finally:
            for task in (joined, died):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _join(self) -> None:
        # Knock on the port first: a client that is refused waits longer before it tries again.
        while not await answers(self.port):  # noqa: ASYNC110 another process's port has no event
            await asyncio.sleep(0.05)
        await join_group(self.bootstrap, self._guard.access if self._guard else KafkaAccess())

    def _kill_now(self) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                # The broker has a session of its own, so its process group is its own too.
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
