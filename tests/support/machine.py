"""A whole machine of services, as `takin up` starts it, for tests that kill parts of it."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable

from streams.local.machine import Machine, Prepared, prepare
from streams.local.standing import Standing, Watch
from streams.local.supervisor import Supervisor
from streams.notices.casebook.database import Casebook


@contextlib.asynccontextmanager
async def running(
    machine: Machine, say: Callable[[str], None] = print
) -> AsyncIterator[tuple[Supervisor, Prepared, Casebook]]:
    prepared = prepare(machine)
    casebook = Casebook.open(prepared.casebook_url, threads=2)
    supervisor = Supervisor(prepared.services, log_dir=machine.data_dir / "logs", say=say)
    await supervisor.start()
    try:
        yield supervisor, prepared, casebook
    finally:
        await supervisor.stop()
        casebook.close()


async def until_sent(prepared: Prepared, casebook: Casebook, *, within_s: float) -> Standing:
    """Wait until every listing is decided and every notice is delivered."""
    async with asyncio.timeout(within_s):
        while True:
            with contextlib.suppress(Exception):
                async with Watch(prepared.bootstrap, casebook) as watch:
                    while True:
                        standing = await watch.look()
                        if (
                            standing is not None
                            and standing.caught_up
                            and standing.kafka.listings > 0
                            and standing.casebook.totals.waiting == 0
                        ):
                            return standing
                        await asyncio.sleep(0.5)
            await asyncio.sleep(0.5)


def kill(supervisor: Supervisor, name: str) -> bool:
    pid = supervisor.pid_of(name)
    if pid is None:
        return False
    os.kill(pid, signal.SIGKILL)
    return True
