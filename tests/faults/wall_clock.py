"""A wall clock of some processes that can be set wrong while they run, before they start, and right again.

libfaketime was used before. It also changes waits by the monotonic clock, even when told to leave that alone:
in a process that starts by a wrong clock, ``time.sleep`` fails (``EINVAL``) and threads spin, so that much of
what such a run showed was the tool. The library here (``wall_clock.c``) changes readings and nothing else.
"""

import mmap
import shutil
import struct
import subprocess
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from schemas.errors import OperatorError

SOURCE = Path(__file__).with_suffix(".c")
_NANOSECONDS = struct.Struct("=q")


class WallClock:
    """Needs Linux and a C compiler (``deploy/ci/compiler.sh`` installs Debian's)."""

    def __init__(self, folder: Path) -> None:
        """Make the library, and the file that says by how much the clock is wrong.

        Raises:
            OperatorError: there is no C compiler.
        """
        compiler = shutil.which("cc")
        if compiler is None:
            raise OperatorError("a clock that can be set needs a C compiler: run deploy/ci/compiler.sh")
        self._library, file = folder / "wall_clock.so", folder / "wall_clock"
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", self._library, SOURCE], check=True
        )
        file.write_bytes(bytes(_NANOSECONDS.size))
        self._file = file
        with file.open("r+b") as opened:
            self._shared = mmap.mmap(opened.fileno(), _NANOSECONDS.size)

    @property
    def environment(self) -> Mapping[str, str]:
        """For the processes that live by this clock."""
        return {"LD_PRELOAD": str(self._library), "TAKIN_TEST_WALL_CLOCK": str(self._file)}

    def set(self, ahead: timedelta = timedelta(0)) -> None:
        """From now on the clock is so much ahead; less than nothing: behind."""
        self._shared[:] = _NANOSECONDS.pack(ahead // timedelta(microseconds=1) * 1_000)
