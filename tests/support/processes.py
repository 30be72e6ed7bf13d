"""Looking at other processes."""

import time
from pathlib import Path

import psutil


def is_gone(pid: int, *, within_s: float = 10.0) -> bool:
    """Whether the process ends within the time (a zombie has ended)."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)


def wait_for_text(path: Path, text: str, *, within_s: float = 10.0) -> str:
    """The file's content as soon as it contains ``text``."""
    deadline = time.monotonic() + within_s
    while True:
        content = path.read_text("utf-8", "replace") if path.exists() else ""
        if text in content:
            return content
        assert time.monotonic() < deadline, f"{text!r} did not appear in {path}: {content[-500:]!r}"
        time.sleep(0.02)
