"""Looks at the listings themselves: what was seen, apart from what was said."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from streams.notices import handlers, warc
from streams.notices.casebook import cases, exhibits, looks
from streams.notices.casebook.database import Casebook, Transaction
from streams.notices.casebook.exhibits import Exhibit
from streams.notices.evidence import EvidenceStore, EvidenceTooLarge
from streams.notices.item import Happening
from streams.notices.loops import Bell
from streams.notices.metrics import NoticeMetrics
from streams.notices.ports import Outside, Seen
from streams.notices.together import Together

log = structlog.get_logger()

LEASE = timedelta(seconds=60)


MEDIA_TYPE = "application/warc"


def is_evidence(due: looks.LookDue, state: str) -> bool:
    """Whether a page is to be kept: the first that is seen, and each that says something else."""
    if not due.captured:
        return True
    if state == "online":
        return due.content != "online"
    return state == "offline" and due.content in ("unseen", "online", "offline_unconfirmed", "reappeared")


@dataclass(frozen=True, slots=True)
class Looked:
    """A look that was made."""

    due: looks.LookDue
    seen: Seen
    exhibit: Exhibit | None
    """The page that shows it, where it is kept."""


def record_looks(
    tx: Transaction, looked: Sequence[Looked], desk: handlers.Desk, *, now: datetime, observer: str
) -> tuple[tuple[Happening, ...], ...]:
    """Record each look, what follows from it, and the page that shows it."""
    cases.hold_many(tx, {one.due.case_id for one in looked})
    happened = []
    for one in looked:
        happened.append(
            handlers.take_look(
                tx,
                one.due,
                one.seen.look,
                desk,
                now=now,
                http_status=one.seen.http_status,
                body_sha256=one.seen.body_sha256,
                observer=observer,
            )
        )
        if one.exhibit is not None:
            exhibits.add(tx, one.exhibit)
    return tuple(happened)


class Verifier:
    """Makes the looks that are due, a bounded number at once."""

    def __init__(
        self,
        casebook: Casebook,
        desk: handlers.Desk,
        outside: Outside,
        metrics: NoticeMetrics,
        *,
        observer: str,
        changed: Bell,
        evidence: EvidenceStore | None = None,
        tick_s: float = 0.25,
        at_once: int = 16,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._casebook = casebook
        self._desk = desk
        self._outside = outside
        self._metrics = metrics
        self._observer = observer
        self._changed = changed
        self._evidence = evidence
        self._tick_s = tick_s
        self._at_once = at_once
        self._clock = clock
        self._under_way: set[asyncio.Task[None]] = set()
        self._recorded: Together[Looked, tuple[Happening, ...]] = Together(
            self._record, what="looks", at_once=at_once
        )
        self.bell = Bell()

    async def step(self) -> None:
        """Start what is due; then wait for the bell or a tick. One slow page delays no other."""
        for task in [task for task in self._under_way if task.done()]:
            self._under_way.discard(task)
            task.result()
        room = self._at_once - len(self._under_way)
        now = self._clock()
        if room > 0:
            at = await self._casebook.look(looks.next_look)
            if at is not None and at <= now:
                due = await self._casebook.run(looks.lease, now=now, hold_for=LEASE, limit=room)
                for one in due:
                    self._under_way.add(asyncio.create_task(self._look(one), name=f"look-{one.platform}"))
        await self.bell.wait(self._tick_s)

    async def _look(self, due: looks.LookDue) -> None:
        if due.platform not in self._desk.platforms:
            await self._casebook.run(looks.plan, due.notice_id, due.case_id, None)
            return
        seen = await self._outside.look(due)
        happened = await self._recorded.write(Looked(due, seen, await self._keep(due, seen)))
        self._metrics.looks.labels(due.platform, seen.look.state).inc()
        if happened:
            self._changed.ring()
        self.bell.ring()

    async def _record(self, looked: Sequence[Looked]) -> Sequence[tuple[Happening, ...]]:
        return await self._casebook.run(
            record_looks, looked, self._desk, now=self._clock(), observer=self._observer
        )

    async def _keep(self, due: looks.LookDue, seen: Seen) -> Exhibit | None:
        """Put the page on disk, if it is evidence. A full disk loses the page, not the look."""
        if self._evidence is None or seen.capture is None or not is_evidence(due, seen.look.state):
            return None
        content = warc.write(seen.capture)
        try:
            sha256 = await asyncio.to_thread(self._evidence.put, content)
        except (OSError, EvidenceTooLarge) as error:
            self._metrics.evidence_lost.inc()
            log.error("evidence_not_kept", notice=due.notice_id, platform=due.platform, why=str(error))
            return None
        return Exhibit(
            notice_id=due.notice_id,
            case_id=due.case_id,
            kind="listing_page",
            sha256=sha256,
            media_type=MEDIA_TYPE,
            size=len(content),
            captured_at=seen.look.at,
            captured_by=self._observer,
        )
