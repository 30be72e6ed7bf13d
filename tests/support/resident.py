"""Resident memory of this process, as the kernel counts it (Linux)."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_STATUS = Path("/proc/self/status")
_FORGET_THE_PEAK = "5"
"""Written to ``clear_refs`` (proc(5)): the peak starts again from what is resident now."""


def _kilobytes(name: str) -> int:
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise AssertionError(f"{_STATUS} has no {name}")


@dataclass
class Growth:
    """How far the peak stood above the start, in bytes; known once the block has ended."""

    peak: int = 0


@contextmanager
def resident_growth() -> Iterator[Growth]:
    """Everything in this process counts, a server that a test runs beside the reader, too."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text(_FORGET_THE_PEAK, encoding="ascii")
    before, growth = _kilobytes("VmRSS"), Growth()
    try:
        yield growth
    finally:
        growth.peak = (_kilobytes("VmHWM") - before) * 1024
