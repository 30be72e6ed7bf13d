"""How a connector shows itself to a person: a bar on a terminal, plain lines elsewhere."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from schemas.dead_letter import DeadLetter
from schemas.listing import Listing

Progress = Callable[[int], None]
"""Is told the bytes read so far."""


@contextlib.contextmanager
def shown_progress(size: int | None, *, every_s: float = 10.0) -> Iterator[Progress]:
    """A bar over ``size`` bytes on a terminal; otherwise a line on stderr at most every ``every_s``."""
    if size is None:
        yield lambda _: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        with Bar(
            "reading", BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=Console(stderr=True)
        ) as bar:
            task = bar.add_task("reading", total=size)
            yield lambda read: bar.update(task, completed=read)
    else:
        yield _Lines(size, every_s)


class _Lines:
    def __init__(self, size: int, every_s: float) -> None:
        self._size = max(size, 1)
        self._every_s = every_s
        self._last = time.monotonic()

    def __call__(self, read: int) -> None:
        now = time.monotonic()
        if now - self._last >= self._every_s:
            self._last = now
            sys.stderr.write(f"takin connect: read {min(read * 100 // self._size, 100)} % of the file\n")


class DryRun:
    """Takes what would be published and prints it, one JSON line each."""

    async def publish(self, listings: Sequence[Listing]) -> tuple[DeadLetter, ...]:
        """Print listings."""
        for listing in listings:
            sys.stdout.write(listing.to_bytes().decode("utf-8", "backslashreplace") + "\n")
        return ()

    async def set_aside(self, letters: Sequence[DeadLetter]) -> None:
        """Print why, not the bytes."""
        for letter in letters:
            sys.stderr.write(f"set aside ({letter.reason}): {letter.origin}: {letter.detail}\n")
