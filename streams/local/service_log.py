"""A service's output on disk, bounded in size, and its last words in memory."""

import contextlib
import threading
from pathlib import Path
from typing import IO

LIMIT_BYTES = 5 * 1024 * 1024
LAST_WORDS_BYTES = 4096


class BoundedLog:
    """Appends to a file; past the limit the file becomes ``<name>.1`` and a new one begins.

    Safe to use from several threads. A disk that is full costs log lines, never the service.
    """

    def __init__(self, path: Path, *, limit: int = LIMIT_BYTES) -> None:
        self.path = path
        self._limit = limit
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = path.open("ab", buffering=0)
        self._size = path.stat().st_size

    def write(self, chunk: bytes) -> None:
        """Append, beginning a new file first if this one is full."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            if self._size + len(chunk) > self._limit:
                self._file.close()
                self.path.replace(self.path.with_name(self.path.name + ".1"))
                self._file = self.path.open("ab", buffering=0)
                self._size = 0
            self._size += self._file.write(chunk)

    def close(self) -> None:
        """Close the file; later writes are dropped."""
        with self._lock:
            self._file.close()


class Listener(threading.Thread):
    """Copies one output of a process into its log until the process closes it."""

    def __init__(self, stream: IO[bytes], log: BoundedLog) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._log = log
        self._tail = b""

    def run(self) -> None:
        """Copy; ends with the stream."""
        with self._stream, contextlib.suppress(OSError, ValueError):
            while chunk := self._stream.read1(65536):  # type: ignore[attr-defined]  # Popen's pipe is buffered
                self._log.write(chunk)
                self._tail = (self._tail + chunk)[-LAST_WORDS_BYTES:]

    def last_line(self) -> str:
        """The last line that was not empty, or an empty string."""
        lines = [line.strip() for line in self._tail.decode("utf-8", "replace").splitlines()]
        return next((line for line in reversed(lines) if line), "")
