"""Tries packs and entries in a process of its own, so that no page waits and none is held.

What comes of it stands in the casebook, where every process that serves the desk sees it.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from schemas.errors import OperatorError
from streams.local import die_with_parent
from streams.notices.casebook import list_changes
from streams.notices.casebook.database import Casebook, CasebookUnavailable
from streams.screening.topics import ScreeningTopics

log = structlog.get_logger()

CHECK_S = 60.0
"""A pack that is not checked after so long is refused."""
TRIAL_S = 600.0
"""A back-test ends itself after so long, with what it has …"""
GRACE_S = 30.0
"""… and is ended, if it does not."""
BEAT_S = 1.0
"""How often the casebook is told how far it is."""
SILENT = timedelta(seconds=20)
"""After so long without a word a back-test counts as broken off."""
LINE_BYTES = 4 * 1024 * 1024
AT_ONCE = 1


@dataclass(slots=True)
class Trials:
    """Starts them, one after the other."""

    bootstrap: str
    topics: ScreeningTopics = field(default_factory=ScreeningTopics)
    trial_s: float = TRIAL_S
    _running: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)
    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def check(self, name: str, text: str, *, shadow: bool = False) -> dict[str, Any]:
        """Whether workers would take a pack: its facts, or ``problems``, each with file, line and reason.

        Raises:
            OperatorError: Kafka does not answer, or it took too long.
        """
        wish = {"what": "check", "name": name, "text": text, "shadow": shadow}
        try:
            async with asyncio.timeout(CHECK_S):
                async for line in self._lines(wish):
                    if "result" in line:
                        return dict(line["result"])
                    if "refused" in line:
                        raise OperatorError(str(line["refused"]))
        except TimeoutError:
            return {"problems": [f"{name}:1: not checked within {CHECK_S:.0f} s: make it smaller"]}
        raise OperatorError("The check broke off: try again, and look at the desk's log if it does so again.")

    async def start(self, casebook: Casebook, change_id: str, wish: Mapping[str, Any], *, base: str) -> None:
        """Begin a back-test of a change, or a new one in place of it; returns at once.

        ``base`` is a digest of the packs in force; it stands beside what came of the trial.
        """
        old = self._running.pop(change_id, None)
        if old is not None:
            old.cancel()
            await asyncio.gather(old, return_exceptions=True)
        now = datetime.now(UTC).isoformat()
        report = {"state": "waiting", "since": wish.get("since"), "began": now, "beat": now}
        await casebook.run(list_changes.tried, change_id, report=json.dumps(report), base=base)
        task = asyncio.create_task(self._follow(casebook, change_id, dict(wish), report))
        self._running[change_id] = task
        task.add_done_callback(lambda done: self._forget(change_id, done))

    def _forget(self, change_id: str, task: "asyncio.Task[None]") -> None:
        if self._running.get(change_id) is task:
            del self._running[change_id]

    async def _follow(
        self, casebook: Casebook, change_id: str, wish: dict[str, Any], report: dict[str, Any]
    ) -> None:
        async def tell() -> None:
            if report["state"] in ("waiting", "running"):
                # What has ended stays as it is: somebody may have been shown it already.
                report["beat"] = datetime.now(UTC).isoformat()
            # A casebook that is away loses no trial: the next word says more.
            with contextlib.suppress(CasebookUnavailable):
                await casebook.run(list_changes.tried, change_id, report=json.dumps(report))

        beating = asyncio.create_task(_every(BEAT_S, tell))
        rows: list[dict[str, Any]] = []
        try:
            async with self._turn, asyncio.timeout(self.trial_s + GRACE_S):
                report["state"] = "running"
                async for line in self._lines({**wish, "within_s": self.trial_s}):
                    if "changed" in line:
                        rows.append(line["changed"])
                    elif "read" in line:
                        report |= line
                    elif "result" in line:
                        report |= {"state": "done", "summary": line["result"], "changed": rows}
                    elif "refused" in line:
                        report |= {"state": "failed", "problem": line["refused"]}
            if report["state"] == "running":
                report |= {"state": "failed", "problem": "The back-test broke off: run it again."}
        except TimeoutError:
            report |= {"state": "failed", "problem": "The back-test did not end in time and was ended."}
        except asyncio.CancelledError:
            report |= {"state": "failed", "problem": "The back-test was stopped with the desk: run it again."}
            raise
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            await tell()

    async def _lines(self, wish: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """What a process that tries this says, line by line; it ends with the caller."""
        told = {
            "bootstrap": self.bootstrap,
            "watchlist": self.topics.watchlist,
            "listings": self.topics.listings,
            **wish,
        }
        process = await asyncio.create_subprocess_exec(
            *die_with_parent.command([sys.executable, "-m", "streams.screening.trial"]),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with contextlib.suppress(ConnectionError):
                process.stdin.write(json.dumps(told).encode())
                await process.stdin.drain()
            process.stdin.close()
            async for line in process.stdout:
                yield json.loads(line)
            code = await process.wait()
            if code:
                log.warning("trial_broke_off", code=code)
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    async def aclose(self) -> None:
        """End what runs."""
        running = tuple(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _every(seconds: float, act: Any) -> None:
    while True:
        await asyncio.sleep(seconds)
        await act()


def read_report(text: str | None, now: datetime) -> dict[str, Any] | None:
    """What came of a trial so far; one of which nothing was heard for a while counts as failed."""
    if text is None:
        return None
    report: dict[str, Any] = json.loads(text)
    if report["state"] in ("waiting", "running") and now - datetime.fromisoformat(report["beat"]) > SILENT:
        report |= {"state": "failed", "problem": "The back-test broke off with its desk: run it again."}
    return report


def is_tried(text: str | None, now: datetime) -> bool:
    """Whether a trial has come to an end, so that somebody may decide on it."""
    report = read_report(text, now)
    return report is not None and report["state"] == "done"
