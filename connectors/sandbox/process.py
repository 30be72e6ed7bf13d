"""The sandbox as a process: prints its addresses, runs until a signal."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from connectors.sandbox.scenario import Scenario
from connectors.sandbox.service import Sandbox
from schemas.errors import OperatorError


async def run(
    scenario: Scenario,
    *,
    stock: Path | None,
    state_dir: Path | None,
    log: Path | None,
    host: str,
    ports_file: Path | None,
) -> None:
    """Serve until SIGTERM or SIGINT, then return.

    Raises:
        OperatorError: it could not start.
        OSError: the disk of the journal is full.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if ports_file is not None:
        forget_ports(ports_file)
    async with Sandbox(scenario, stock, state_dir=state_dir, log=log, host=host) as sandbox:
        _announce(sandbox)
        if ports_file is not None:
            write_ports(ports_file, sandbox.base_urls)
        stopping = asyncio.create_task(stop.wait())
        failing = asyncio.create_task(sandbox.failed())
        await asyncio.wait({stopping, failing}, return_when=asyncio.FIRST_COMPLETED)
        for task in (stopping, failing):
            task.cancel()
        await asyncio.gather(stopping, failing, return_exceptions=True)


def _announce(sandbox: Sandbox) -> None:
    width = max(len(name) for name in sandbox.base_urls)
    lines = [
        f"{name:{width}}  {url}  {sandbox.platforms[name].config.description}".rstrip()
        for name, url in sandbox.base_urls.items()
    ]
    shown = sum(len(platform.state.offers) for platform in sandbox.platforms.values())
    lines.append(f"{shown} listings on {len(lines)} platforms; log: {sandbox.journal_path}")
    for aside in sandbox.set_aside[:3]:
        lines.append(f"stock line {aside.line} left out: {aside.reason}")
    if len(sandbox.set_aside) > 3:
        lines.append(f"… {len(sandbox.set_aside)} lines of the stock left out")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def forget_ports(path: Path) -> None:
    """Take the file of an earlier run away: a supervisor that waits for it would be misled."""
    path.unlink(missing_ok=True)


def write_ports(path: Path, base_urls: dict[str, str]) -> None:
    """Write ``{platform: address}`` as JSON, so that a reader sees all of it or no file.

    Raises:
        OperatorError: the file cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(json.dumps(base_urls, indent=1) + "\n", encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise OperatorError(
            f"The ports file {path} cannot be written ({error.strerror}): name another."
        ) from error
