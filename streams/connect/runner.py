"""The loop of a connector: read a page, publish it, remember the cursor, go on.

The cursor is saved only after Kafka has acknowledged the page, so a kill at any point repeats at most one
page and skips none.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import random
from typing import Any, Protocol, runtime_checkable

import structlog

from connectors.cursors import CursorStore
from connectors.errors import ConnectorError, PlatformRefused, PlatformUnavailable
from connectors.metrics import ConnectorMetrics
from connectors.pace import Pace, backoff_s
from connectors.platform import Page
from connectors.run_notes import RunNotes
from schemas.dead_letter import DeadLetter
from schemas.errors import OperatorError
from schemas.listing import Listing

log = structlog.get_logger(__name__)

TRIES_ONCE = 4
"""How often an unreachable place is tried when the command is to end by itself."""
BRIEF_S = 10.0
"""A dry run sits through no longer wait that the platform asked for."""


class Source(Protocol):
    """Anything that gives pages from a cursor on."""

    def read(self, since: str | None) -> AsyncIterator[Page]:
        """Pages, each with the cursor from which to go on after it."""


@runtime_checkable
class Budgeted(Protocol):
    """A source that may ask only so often a day."""

    @property
    def calls_left(self) -> int:
        """Of today's calls, as of the last one."""


class Sink(Protocol):
    """Where listings go: Kafka, or the terminal in a dry run."""

    async def publish(self, listings: Sequence[Listing]) -> tuple[DeadLetter, ...]:
        """Returns when they are safe; what can never be written comes back."""

    async def set_aside(self, letters: Sequence[DeadLetter]) -> None:
        """Returns when they are safe."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a connector is to do."""

    connector: str
    place: str
    """Path, address or platform: with ``connector`` it names the cursor."""
    platform: str
    """For metrics: the platform's name, or ``several``."""
    follow: bool = False
    rate: float | None = None
    """Listings a second at most."""
    limit: int | None = None
    interval_s: float = 60.0
    """Between two passes when following."""
    remember: bool = True
    """False, in a dry run: nothing is kept, and a wait that is not brief is told instead of waited for."""
    since: datetime | None = None
    """What the platform dates before this is read and not published."""


@dataclass(slots=True)
class Tally:
    """What a run did."""

    read: int = 0
    published: int = 0
    too_old: int = 0
    set_aside: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=time.monotonic)

    def summary(self, assignment: Assignment) -> dict[str, Any]:
        """For ``--summary`` and the last line."""
        return {
            "source": f"{assignment.connector}:{assignment.place}",
            "read": self.read,
            "published": self.published,
            "too_old": self.too_old,
            "set_aside": dict(sorted(self.set_aside.items())),
            "fetch_failures": dict(sorted(self.failures.items())),
            "seconds": round(time.monotonic() - self.started, 3),
        }


class Runner:
    """One connector's run."""

    def __init__(
        self,
        source: Source,
        sink: Sink,
        assignment: Assignment,
        *,
        cursors: CursorStore,
        metrics: ConnectorMetrics,
        now: Callable[[], datetime],
        moved: Callable[[], None] = lambda: None,
        waits: Callable[[float], None] = lambda _: None,
        notes: RunNotes | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._source = source
        self._sink = sink
        self._to = assignment
        self._cursors = cursors
        self._metrics = metrics
        self._now = now
        self._moved = moved
        self._waits = waits
        self._notes = notes
        self._sleep = sleep
        self._pace = Pace(assignment.rate) if assignment.rate else None
        self._name = metrics.platform(assignment.platform)
        metrics.begun(assignment.connector, assignment.platform)
        self.tally = Tally()

    async def run(self) -> Tally:
        """Until the end, the limit, or for ever when following.

        A wait that the platform asked an earlier run for is sat out before it is asked again.

        Raises:
            OperatorError: the place refuses us, or cannot be reached and the run was to end by itself; or a
                dry run would have to wait.
        """
        failures = 0
        await self._sit_out()
        cursor = self._cursors.load(self._to.connector, self._to.place) if self._to.remember else None
        while True:
            try:
                async for page in self._source.read(cursor):
                    cursor = await self._take(page) or cursor
                    failures = 0
                    if page.at_end:
                        self._read_to_end()
                    if self._finished():
                        return self.tally
            except PlatformUnavailable as error:
                failures += 1
                await self._wait_for(error, failures)
                continue
            except PlatformRefused as error:
                self._failed(error)
                raise OperatorError(
                    f"{self._to.place} cannot be read: {error.detail} ({error.reason})."
                ) from error
            self._read_to_end()
            if not self._to.follow:
                return self.tally
            failures = 0
            await self._sleep(self._to.interval_s)

    def _read_to_end(self) -> None:
        self._metrics.last_success.labels(self._to.connector, self._name).set(self._now().timestamp())
        if self._notes is not None:
            self._notes.read_to_end(self._to.connector, self._to.place)
        self._moved()

    def _finished(self) -> bool:
        return self._to.limit is not None and self.tally.read >= self._to.limit

    def _count_calls(self) -> None:
        if isinstance(self._source, Budgeted):
            self._metrics.calls_left.labels(self._to.connector, self._name).set(self._source.calls_left)

    async def _take(self, page: Page) -> str | None:
        """Publish a page; its cursor once all of it is safe."""
        self._count_calls()
        listings, letters, whole = self._within_limit(page)
        wanted = [one for one in listings if not self._too_old(one)]
        self.tally.too_old += len(listings) - len(wanted)
        refused = await self._publish(wanted)
        for letter in refused:
            log.warning("listing_not_published", reason=letter.reason)
        await self._set_aside((*letters, *refused))
        self.tally.read += len(listings) + len(letters)
        self._moved()
        if not whole or page.cursor is None:
            return None
        if self._to.remember:
            self._cursors.save(self._to.connector, self._to.place, page.cursor, self._now())
        return page.cursor

    def _too_old(self, listing: Listing) -> bool:
        since = self._to.since
        return since is not None and listing.posted_at is not None and listing.posted_at < since

    def _within_limit(self, page: Page) -> tuple[tuple[Listing, ...], tuple[DeadLetter, ...], bool]:
        """What of a page the limit allows; a page that is cut leaves the cursor where it was."""
        if self._to.limit is None:
            return page.listings, page.set_aside, True
        left = self._to.limit - self.tally.read
        letters = page.set_aside[:left]
        listings = page.listings[: left - len(letters)]
        whole = len(listings) == len(page.listings) and len(letters) == len(page.set_aside)
        return listings, letters, whole

    async def _publish(self, listings: Sequence[Listing]) -> tuple[DeadLetter, ...]:
        refused: list[DeadLetter] = []
        # At a rate, small pieces: what is published each second is then near the rate, not a page at a time.
        size = len(listings) if self._pace is None else max(1, int((self._to.rate or 0) / 10))
        for start in range(0, len(listings), max(size, 1)):
            piece = listings[start : start + size]
            if self._pace is not None:
                await self._pace.turn(len(piece))
            back = await self._sink.publish(piece)
            refused += back
            self.tally.published += len(piece) - len(back)
            for platform, count in Counter(listing.platform for listing in piece).items():
                name = self._metrics.platform(platform)
                self._metrics.listings.labels(self._to.connector, name, "published").inc(count)
            self._moved()
        return tuple(refused)

    async def _set_aside(self, letters: Sequence[DeadLetter]) -> None:
        if not letters:
            return
        await self._sink.set_aside(letters)
        for letter in letters:
            self.tally.set_aside[letter.reason] += 1
            self._metrics.dead_letters.labels(letter.stage, letter.reason).inc()
            self._metrics.listings.labels(self._to.connector, self._name, "set_aside").inc()

    async def _sit_out(self) -> None:
        """The rest of a wait that is kept from an earlier run."""
        kept, now = self._cursors.wait(self._to.connector, self._to.place), self._now()
        left_s = kept.left_s(now) if kept is not None else 0.0
        if kept is None or left_s <= 0:
            return
        self._tell_instead(left_s, now)
        if now < kept.asked_at:
            # The clock was set back: counted from its new time, or each restart would begin the wait anew.
            self._keep_wait(left_s, now)
        log.warning(
            "waits_as_asked",
            connector=self._to.connector,
            seconds=round(left_s, 1),
            until=(now + timedelta(seconds=left_s)).isoformat(timespec="seconds"),
        )
        self._waits(left_s)
        await self._sleep(left_s)

    def _keep_wait(self, seconds: float, now: datetime) -> None:
        if self._to.remember:
            self._cursors.keep_wait(self._to.connector, self._to.place, seconds, now)

    def _tell_instead(self, seconds: float, now: datetime) -> None:
        """In a dry run a wait that is not brief is told."""
        if not self._to.remember and seconds > BRIEF_S:
            until = now + timedelta(seconds=seconds)
            raise OperatorError(
                f"{self._to.place} asked to be left alone until {until.isoformat(timespec='seconds')}, "
                f"{math.ceil(seconds)} s from here: a dry run does not wait; try again then."
            )

    async def _wait_for(self, error: PlatformUnavailable, failures: int) -> None:
        self._failed(error)
        if error.retry_after_s is not None:
            now = self._now()
            self._keep_wait(error.retry_after_s, now)
            self._tell_instead(error.retry_after_s, now)
        if not self._to.follow and failures >= TRIES_ONCE:
            raise OperatorError(
                f"{self._to.place} cannot be read after {failures} tries: {error.detail} ({error.reason})."
            ) from error
        spread = random()  # noqa: S311 - spreads load, no secret
        wait = backoff_s(failures, chance=spread, retry_after_s=error.retry_after_s)
        log.warning(
            "fetch_failed", connector=self._to.connector, reason=error.reason, again_in_s=round(wait, 1)
        )
        if error.retry_after_s is not None:
            self._waits(wait)
        await self._sleep(wait)

    def _failed(self, error: ConnectorError) -> None:
        self._count_calls()
        self.tally.failures[error.reason] += 1
        self._metrics.failures.labels(self._to.connector, self._name, error.reason).inc()
        if self._notes is not None:
            self._notes.failed(self._to.connector, self._to.place, error)
