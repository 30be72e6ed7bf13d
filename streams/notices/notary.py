"""The part of the notice service that signs checkpoints of the audit chain.

It reads only the rows since its last checkpoint, checks each as it goes, and never signs a chain that
does not follow from what it signed before.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.checkpoint import AuditCheckpoint
from streams.notices.casebook import offsets, sealing
from streams.notices.casebook.database import Casebook, Transaction
from streams.notices.chain import GENESIS, AuditRow, Head, link
from streams.notices.checkpoints import CheckpointLog, sign, tree_of
from streams.notices.loops import Bell
from streams.notices.merkle import Frontier
from streams.notices.metrics import NoticeMetrics

log = structlog.get_logger()

Publish = Callable[[AuditCheckpoint], Awaitable[None]]
"""Writes a checkpoint to Kafka; returns when it is acknowledged."""

LEASE = timedelta(seconds=30)
AT_ONCE = 5_000
"""Rows read in one transaction."""


@dataclass(frozen=True, slots=True)
class Pace:
    """When the next checkpoint is due: after so much time with new rows, or so many rows."""

    every: timedelta = timedelta(minutes=1)
    rows: int = 1_000


class Tampered(Exception):
    """The chain does not follow from what was signed."""


@dataclass(slots=True)
class Walk:
    """How far the chain was read, and the tree over it. Pure."""

    tree: Frontier
    hash: str = GENESIS

    def take(self, rows: tuple[AuditRow, ...], head: Head | None) -> None:
        """Go on over the next rows.

        The first of ``rows`` is the last that was read before, if any was.

        Raises:
            Tampered: a row does not follow; the walk then stands before it.
        """
        if head is None or head.position < self.tree.size:
            raise Tampered(f"{self.tree.size} rows were read before and are not there any more")
        if self.tree.size:
            if not rows or rows[0].position != self.tree.size or rows[0].hash != self.hash:
                raise Tampered(f"row {self.tree.size} is another than the one that was read before")
            rows = rows[1:]
        for row in rows:
            follows = row.position == self.tree.size + 1 and row.previous == self.hash
            if not follows or row.hash != link(row.previous, row.position, row.act):
                raise Tampered(f"row {row.position} does not follow from row {self.tree.size}")
            self.tree.add(bytes.fromhex(row.hash))
            self.hash = row.hash


def read_on(tx: Transaction, size: int) -> tuple[tuple[AuditRow, ...], Head | None]:
    """The last row that was read, those after it, and the head."""
    rows = tuple(sealing.audit_rows(tx, after=max(size - 1, 0), limit=AT_ONCE))
    return rows, sealing.head(tx)


class Notary:
    """One notary signs at a time; the others stand by."""

    def __init__(
        self,
        casebook: Casebook,
        key: Ed25519PrivateKey,
        checkpoints: CheckpointLog,
        publish: Publish,
        metrics: NoticeMetrics,
        *,
        worker: str,
        pace: Pace = Pace(),
        tick_s: float = 1.0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._casebook = casebook
        self._key = key
        self._log = checkpoints
        self._publish = publish
        self._metrics = metrics
        self._worker = worker
        self._pace = pace
        self._tick_s = tick_s
        self._clock = clock
        self._last: AuditCheckpoint | None = None
        self._walk: Walk | None = None
        self._held_until: datetime | None = None
        self._published = False
        self._writing: asyncio.Future[None] | None = None
        self.bell = Bell()
        self.broken: str | None = None
        """Why nothing is signed any more; ``None``: all is well."""

    def resume(self) -> None:
        """Go on after the log's last checkpoint, which is published again: it may not have been.

        Raises:
            OperatorError: the log does not hold, or another key signed it.
        """
        self._last = self._log.resume(self._key.public_key())
        self._published = False
        self._walk = (
            Walk(Frontier.empty()) if self._last is None else Walk(tree_of(self._last), self._last.head)
        )

    async def step(self) -> None:
        """Read on; sign if a checkpoint is due; then wait for the bell or a tick."""
        if self.broken is None and await self._mine():
            if self._walk is None:
                await asyncio.to_thread(self.resume)
            await self._read_and_sign()
        await self.bell.wait(self._tick_s)

    async def flush(self) -> None:
        """At a stop: sign what is not yet signed, however young."""
        self._pace = Pace(timedelta(0), 1)
        if self.broken is None and self._walk is not None and await self._mine():
            await self._read_and_sign()

    async def _read_and_sign(self) -> None:
        walk = self._walk
        if walk is None:
            raise AssertionError("resume comes first")
        if self._writing is not None:
            # A step that was cancelled at a stop may have left it under way: its number is taken.
            await asyncio.wait([self._writing])
        while True:
            before = walk.tree.size
            rows, head = await self._casebook.look(read_on, before)
            try:
                walk.take(rows, head)
            except Tampered as error:
                self.broken = str(error)
                self._metrics.audit_broken.set(1)
                log.error("audit_chain_broken", detail=str(error))
                return
            if head is None or walk.tree.size >= head.position or walk.tree.size == before:
                break
        signed = self._last.size if self._last else 0
        self._metrics.audit_unsigned.set(walk.tree.size - signed)
        now = self._clock()
        if self._last is not None and not self._published:
            await self._tell(self._last)
        if walk.tree.size > signed and (
            walk.tree.size - signed >= self._pace.rows
            or self._last is None
            or now - self._last.at >= self._pace.every
        ):
            checkpoint = sign(
                self._key,
                walk.tree,
                head=walk.hash,
                # A clock that was set back must not make the log go back.
                at=now if self._last is None else max(now, self._last.at),
                after=self._last,
            )
            await self._append(checkpoint)
            self._metrics.audit_unsigned.set(0)
            self._metrics.audit_checkpoint_at.set(checkpoint.at.timestamp())
            await self._tell(checkpoint)

    async def _append(self, checkpoint: AuditCheckpoint) -> None:
        """Write it to the log; once begun it counts, even if this step is cancelled meanwhile."""

        def write() -> None:
            self._log.append(checkpoint)
            self._last, self._published = checkpoint, False

        self._writing = asyncio.get_running_loop().run_in_executor(None, write)
        await asyncio.shield(self._writing)

    async def _tell(self, checkpoint: AuditCheckpoint) -> None:
        await self._publish(checkpoint)
        self._published = True

    async def _mine(self) -> bool:
        now = self._clock()
        if self._held_until is not None and self._held_until - now > LEASE / 2:
            return True
        mine = await self._casebook.run(offsets.take_lease, "notary", self._worker, now=now, hold_for=LEASE)
        self._held_until = now + LEASE if mine else None
        if not mine:
            # Another one signs; its file tells where to go on if this one is asked again.
            self._walk = None
        return mine
