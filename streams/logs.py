"""Logs: one JSON line per event on standard error."""

import logging
import sys
from typing import TextIO, cast

import structlog

NOISY = (
    *("aiokafka", "httpx", "httpcore", "uvicorn", "asyncio", "alembic", "faust", "mode"),
    *("imapclient", "aiosmtplib", "websockets", "aiohttp", "python_multipart", "joserfc"),
)
"""Libraries whose debug lines could carry addresses or secrets, and cost time."""


class _StandardError:
    """Standard error as it is when something is written: loggers outlive a stream put in its place."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure(level: str = "info") -> None:
    """Set up logging once per process."""
    threshold = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    logging.basicConfig(level=threshold, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    for name in NOISY:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _StandardError())),
        cache_logger_on_first_use=True,
    )
