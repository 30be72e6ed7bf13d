"""How a worker ends when going on would be worse than starting again."""

import logging
import os
import sys
from typing import NoReturn

import structlog

RESTART_ME = 70
"""Exit code (``EX_SOFTWARE``): nothing is lost, the supervisor shall start the process again."""

log = structlog.get_logger(__name__)


def leave(why: str) -> NoReturn:
    """End the process at once, without any cleaning up that might hang or commit something."""
    log.critical("leaving to be started again", why=why, exit_code=RESTART_ME)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(RESTART_ME)
