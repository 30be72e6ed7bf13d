"""The Faust agent of screening: take a batch, decide, publish, wait for the acknowledgements, done."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from schemas.errors import OperatorError
from streams.screening.deciders import Decider
from streams.screening.decision import Desk, Reckoning, set_aside
from streams.screening.decode import Rejected
from streams.screening.lossless.app import LosslessApp
from streams.screening.lossless.batch import Batch
from streams.screening.metrics import ScreeningMetrics
from streams.screening.output import Output
from streams.screening.progress import Tally
from streams.screening.verdict import Screener

log = structlog.get_logger(__name__)

IN_HAND = 2
"""Batches that are being decided: one, and one that waits for it, so that nobody waits for a batch."""

Ack = Awaitable[Any]
Pending = tuple[int, Ack]
"""Place in the batch of a record whose output is on its way."""


class Sender(Protocol):
    """The part of the publisher that is used here."""

    async def send(self, output: Output) -> Ack:
        """Queue an output, in order; the result is awaited for its acknowledgement."""
        ...


class RuleFlood(OperatorError):
    """Rules fail on one listing after the other: the line stops rather than setting everything aside."""

    def __init__(self, failures: int) -> None:
        super().__init__(
            f"{failures} listings in a row failed in the rules, so screening stopped before it "
            "passed them over: mend the rule packs (takin dead-letters names the rule), then start it again.",
            exit_code=3,
        )


class BatchScreener:
    """Has batches decided, in the order in which they come; several may wait for acknowledgements at once.

    Outputs of one key stay in order, because those of a batch are queued when all before it are. ``flooded``
    is called once, after which nothing more is sent. ``watched`` is told of each batch that is done.
    """

    def __init__(
        self,
        desk: Desk,
        screener: Callable[[], Screener],
        decider: Decider,
        sender: Sender,
        metrics: ScreeningMetrics,
        *,
        flood_limit: int,
        flooded: Callable[[RuleFlood], None],
        watched: Callable[[Reckoning, datetime], Awaitable[None]] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._desk = desk
        self._screener = screener
        self._decider = decider
        self._sender = sender
        self._metrics = metrics
        self._flood_limit = flood_limit
        self._flooded = flooded
        self._watched = watched
        self._now = now
        self._rule_failures = 0
        self._stopped = False
        self._hands = asyncio.Semaphore(IN_HAND)
        self._queued: asyncio.Future[None] | None = None
        """Ends when the outputs of the last batch that was taken are queued, or never will be."""
        self._waiting: set[asyncio.Task[None]] = set()

    async def take(self, batch: Batch) -> None:
        """Hand a batch to be decided; returns as soon as another may be taken."""
        if self._stopped:
            await asyncio.Event().wait()  # until the process ends: the line stands
        if batch.stale:
            return
        batch.take()
        await self._hands.acquire()
        before, self._queued = self._queued, asyncio.get_running_loop().create_future()
        working = asyncio.create_task(self._work(batch, before, self._queued))
        self._waiting.add(working)
        working.add_done_callback(self._waiting.discard)

    async def _work(
        self, batch: Batch, before: asyncio.Future[None] | None, queued: asyncio.Future[None]
    ) -> None:
        started = time.monotonic()
        try:
            screener = self._screener()
            reckoning = await self._decider.decide(batch.records, screener)
            if before is not None:
                await before
            if batch.stale:
                return  # taken away meanwhile; nothing of it is sent
            if self._stopped or self._is_flood(reckoning):
                batch.give_up()
                return
            pending = await self._send(reckoning)
        except Exception as error:
            batch.failed(type(error).__name__)
            return
        finally:
            if before is not None:  # also of one that failed, so that none after it overtakes one before it
                await before
            queued.set_result(None)
            self._hands.release()
        await self._finish(batch, reckoning, pending, screener.version, started)

    def _is_flood(self, reckoning: Reckoning) -> bool:
        """Whether one rule failure followed the other for too long, over this batch too."""
        following = 0
        for one in reckoning.told:
            if one.place > following:  # those between were decided
                self._rule_failures = 0
            following = one.place + 1
            if one.reason == "rule_failed":
                self._rule_failures += 1
            elif one.reason is None:
                self._rule_failures = 0
            if self._rule_failures >= self._flood_limit:
                self._stopped = True
                self._flooded(RuleFlood(self._rule_failures))
                return True
        if following < reckoning.decided:
            self._rule_failures = 0
        return False

    async def _send(self, reckoning: Reckoning) -> list[Pending]:
        return [
            (one.place, await self._sender.send(one.output))
            for one in reckoning.told
            if one.output is not None
        ]

    async def _finish(
        self, batch: Batch, reckoning: Reckoning, pending: list[Pending], version: str, started: float
    ) -> None:
        """Declare the batch done when every output is acknowledged, else let it be delivered again."""
        answers = await asyncio.gather(*(ack for _, ack in pending), return_exceptions=True)
        failures = [
            (place, error)
            for (place, _), error in zip(pending, answers, strict=True)
            if isinstance(error, BaseException)
        ]
        try:
            for place, error in failures:
                if not isinstance(error, MessageSizeTooLargeError):
                    raise error
                await self._refuse_large(batch.records[place])
        except (KafkaError, TimeoutError) as error:
            batch.failed(type(error).__name__)
            return
        outcomes = ((outcome, times) for (_, outcome), times in reckoning.outcomes.items())
        batch.done(Tally.of(version, outcomes))
        self._metrics.decided(reckoning, self._now())
        self._metrics.reached(batch.partition.partition, batch.records[-1].timestamp)
        if self._watched is not None:
            await self._watched(reckoning, self._now())
        self._metrics.batch.observe(time.monotonic() - started)

    async def _refuse_large(self, record: Any) -> None:
        """The broker's own limit is below ours: a person must know, and the neighbours must go on."""
        why = Rejected(
            "too_large", "Kafka refused the detection as too large: raise the topic's limit, then replay."
        )
        letter = set_aside(record, why, self._now(), self._desk).output
        if letter is not None:
            await (await self._sender.send(letter))


def register(app: LosslessApp, screener: BatchScreener, topic: str) -> None:
    """Add the agent that screens ``topic`` to the app."""

    @app.agent(app.batches(topic), name="screen_listings")
    async def screen_listings(batches: Any) -> None:
        async for batch in batches:
            await screener.take(batch)
