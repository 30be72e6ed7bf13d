"""Run everything on this machine, show what happens, and say at the end what came of it."""

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from schemas.errors import OperatorError
from streams.local.logins import make_logins
from streams.local.machine import Machine, Prepared, prepare
from streams.local.show import EventTail
from streams.local.standing import Standing, Watch, sentence, summary
from streams.local.supervisor import Supervisor
from streams.notices.casebook import figures
from streams.notices.casebook.database import Casebook
from streams.reports import sla

Say = Callable[[str], None]

STILL_S = 3.0
"""Nothing may have happened for this long before a run counts as settled."""
LAST_LOOK_S = 10.0
"""At the end Kafka may be busy: it is asked again for so long before there is no summary."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a run shall go and end."""

    once: bool
    """End by itself when everything that was read has been settled."""
    settle_within_s: float
    """With ``once``: end at the latest this long after the source was read."""
    report: Path | None = None
    """Write summary and SLA report here, as JSON."""
    verbose: bool = False
    """Also say what the supervisor does."""


async def run(machine: Machine, wishes: Wishes, say: Say) -> dict[str, Any]:
    """Start everything, show events, and end: by itself with ``once``, else on a signal.

    Returns:
        The document that ``report`` gets.

    Raises:
        OperatorError: a service cannot start, or ``once`` did not settle in time.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    prepared = prepare(machine)
    casebook = await asyncio.to_thread(Casebook.open, prepared.casebook_url, threads=2)
    logins = await asyncio.to_thread(make_logins, casebook, machine) if machine.logins else ()
    logs = machine.data_dir.absolute() / "logs"
    try:
        supervisor = Supervisor(
            prepared.services, log_dir=logs, say=say if wishes.verbose else _important(say)
        )
        starting = asyncio.create_task(supervisor.start())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await starting
            await supervisor.stop()
            raise OperatorError("Stopped while starting.", exit_code=130)
        await starting
        _say_where(machine, prepared, say)
        for line in logins:
            say(f"  {line}")
        running = asyncio.create_task(supervisor.run())
        try:
            return await _watch(machine, prepared, wishes, say, casebook, supervisor, running, stopping)
        finally:
            # Cancelling `running` first would take the supervisor's own watch over its children away.
            await supervisor.stop()
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError, OperatorError):
                await running
    finally:
        casebook.close()


def _say_where(machine: Machine, prepared: Prepared, say: Say) -> None:
    """Addresses a person may want while it runs."""
    if machine.scenario is not None and machine.platforms_file is None:
        shown = ", ".join(
            f"{one.name} http://127.0.0.1:{prepared.ports[f'sandbox:{one.name}']}/"
            for one in machine.scenario.platforms
        )
        say(f"practice platforms: {shown}")
    if machine.intake:
        folder = machine.data_dir.absolute()
        address = f"http://127.0.0.1:{prepared.ports['intake']}/openapi.json"
        say(f"intake: {address}  key in {folder / 'intake_key'}")
    say(
        f"metrics and health: screening http://127.0.0.1:{prepared.ports['screening']}/, "
        f"notices http://127.0.0.1:{prepared.ports['notices']}/"
    )
    made = "sign in as" if machine.logins else "accounts: takin accounts add"
    say(f"desk: http://127.0.0.1:{prepared.ports['desk']}/  {made}")


def _important(say: Say) -> Say:
    """Without ``--verbose``: readiness and trouble, not every start and stop."""

    def choose(line: str) -> None:
        if ": started (pid" not in line and not line.endswith(": stopped"):
            say(line)

    return choose


async def _watch(
    machine: Machine,
    prepared: Prepared,
    wishes: Wishes,
    say: Say,
    casebook: Casebook,
    supervisor: Supervisor,
    running: "asyncio.Task[None]",
    stopping: "asyncio.Task[Any]",
) -> dict[str, Any]:
    tail = EventTail(casebook, say)
    async with Watch(prepared.bootstrap, casebook) as watch:
        standing = await _until_end(machine, wishes, tail, watch, running, stopping, supervisor)
        await tail.step()
        document = await _document(prepared, casebook, standing or await _last_look(watch))
    say("")
    say(sla.as_table(document["rows"]))
    say("")
    say(sentence(document["summary"]))
    del document["rows"]
    if wishes.report is not None:
        wishes.report.parent.mkdir(parents=True, exist_ok=True)
        wishes.report.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
        say(f"The same as JSON: {wishes.report}")
    return document


async def _last_look(watch: Watch) -> Standing | None:
    until = time.monotonic() + LAST_LOOK_S
    while (standing := await watch.look()) is None and time.monotonic() < until:  # noqa: ASYNC110 no event
        await asyncio.sleep(0.2)
    return standing


async def _until_end(
    machine: Machine,
    wishes: Wishes,
    tail: EventTail,
    watch: Watch,
    running: "asyncio.Task[None]",
    stopping: "asyncio.Task[Any]",
    supervisor: Supervisor,
) -> Standing | None:
    """Show events until the run has settled (``once``) or somebody stops it."""
    reading = machine.source is not None and not machine.follow
    last_event = last_look = time.monotonic()
    read_at: float | None = None if reading else time.monotonic()
    while not stopping.done():
        if running.done() and running.exception() is not None:
            running.result()
        now = time.monotonic()
        if await tail.step():
            last_event = now
        if read_at is None and supervisor.is_finished("connect"):
            read_at = now
        if wishes.once and read_at is not None and now - last_look > 1.0:
            last_look = now
            standing = await watch.look()
            still = now - last_event > STILL_S
            if standing is not None and standing.settled and still:
                return standing
            if now - read_at > wishes.settle_within_s:
                raise OperatorError(_unsettled(standing, wishes.settle_within_s))
        await asyncio.sleep(0.2)
    return None


def _unsettled(standing: Standing | None, within_s: float) -> str:
    if standing is None:
        return f"Kafka did not answer for a while, so nothing settled within {within_s:.0f} s."
    totals = standing.casebook.totals
    return (
        f"Not everything settled within {within_s:.0f} s: "
        f"{standing.kafka.listings - standing.kafka.screened} listings not screened, "
        f"{totals.waiting} notices not delivered, {standing.casebook.deadlines_pending} deadlines open. "
        "See the logs folder, or give it more time with --settle-within."
    )


async def _document(prepared: Prepared, casebook: Casebook, standing: Standing | None) -> dict[str, Any]:
    now = datetime.now(UTC)
    rows = sla.report(await casebook.look(figures.item_times), now=now)
    document = sla.document(rows, now=now, period={"since": None, "until": now.isoformat()}).as_json()
    if standing is None:
        raise OperatorError("Kafka does not answer any more, so the summary cannot be made.")
    return {**document, "rows": rows, "summary": summary(standing, prepared.summary_file)}
