"""What the machine itself says: its clock and its disk."""

import ctypes
import errno
import os
import shutil
import tempfile
from pathlib import Path

TIME_ERROR = 5
"""What Linux answers when nobody keeps the clock in step."""
MAXERROR_AT = 3
"""Place of ``maxerror`` among the long integers of ``struct timex``; the first holds ``modes``."""


def clock() -> tuple[bool, float] | None:
    """Whether the kernel's clock is kept in step, and its largest error in seconds; ``None``: not said."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        timex = (ctypes.c_long * 64)()  # modes = 0: only asks
        state = int(libc.adjtimex(timex))
    except (OSError, AttributeError):
        return None
    if state < 0:
        return None
    return state != TIME_ERROR, timex[MAXERROR_AT] / 1e6


def disk(folder: Path) -> tuple[int | None, str | None]:
    """Free bytes where ``folder`` is or would be, and why it cannot be written, if so."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    try:
        if not place.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "it is no folder")
        with tempfile.TemporaryFile(dir=place) as probe:
            probe.write(b"takin")
        return shutil.disk_usage(place).free, None
    except OSError as error:
        return None, error.strerror or os.strerror(error.errno or errno.EIO)
