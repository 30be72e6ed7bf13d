"""The Faust agent of screening: take a batch, decide, publish, wait for the acknowledgements, done."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from schemas.errors import OperatorError
from streams.screening.decision import Decision, Desk, Reckoning, Record, decide, set_aside
from streams.screening.decode import Rejected
from streams.screening.lossless.app import LosslessApp
from streams.screening.lossless.batch import Batch
from streams.screening.metrics import ScreeningMetrics
from streams.screening.output import Output
from streams.screening.progress import Tally
from streams.screening.verdict import Screener

log = structlog.get_logger(__name__)

SLICE_S = 0.02
"""How long deciding may hold the loop, on which the heartbeats run too."""

Ack = Awaitable[Any]
Outputs = list[tuple[Record, Output]]
"""Each with the record it came from."""
Pending = tuple[Record, Ack]
"""A record whose output is on its way."""


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
    """Decides batches in the order they come; several may wait for acknowledgements at once.

    Outputs of one key stay in order, because deciding and queueing never overlap. ``flooded`` is
    called once, after which :meth:`take` never returns. ``watched`` is told of each batch that is done.
    """

    def __init__(
        self,
        desk: Desk,
        screener: Callable[[], Screener],
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
        self._sender = sender
        self._metrics = metrics
        self._flood_limit = flood_limit
        self._flooded = flooded
        self._watched = watched
        self._now = now
        self._rule_failures = 0
        self._stopped = False
        self._waiting: set[asyncio.Task[None]] = set()

    async def take(self, batch: Batch) -> None:
        """Decide a batch and queue its outputs; returns before they are acknowledged."""
        if batch.stale:
            return
        batch.take()
        started = time.monotonic()
        try:
            screener = self._screener()
            reckoning, outputs = await self._decide(batch, screener)
            if self._stopped:
                batch.give_up()
                await asyncio.Event().wait()  # until the process ends: the line stands
            if reckoning.decided < len(batch.records):
                return  # taken away meanwhile; nothing of it was sent
            pending = await self._send(outputs)
        except Exception as error:
            batch.failed(type(error).__name__)
            return
        waiting = asyncio.create_task(self._finish(batch, reckoning, pending, screener.version, started))
        self._waiting.add(waiting)
        waiting.add_done_callback(self._waiting.discard)

    async def _decide(self, batch: Batch, screener: Screener) -> tuple[Reckoning, Outputs]:
        """A decision per record, and their outputs; fewer when it is no use to go on."""
        reckoning, outputs, desk = Reckoning(), Outputs(), self._desk
        now, slice_began = self._now(), time.monotonic()
        for record in batch.records:
            decision = decide(record, screener, now, desk)
            if (decision.reason is not None or self._rule_failures) and self._is_flood(decision):
                break
            reckoning.add(decision)
            if decision.output is not None:
                outputs.append((record, decision.output))
            if time.monotonic() - slice_began > SLICE_S:
                await asyncio.sleep(0)
                if batch.stale:
                    break
                now, slice_began = self._now(), time.monotonic()
        return reckoning, outputs

    def _is_flood(self, decision: Decision) -> bool:
        if decision.reason == "rule_failed":
            self._rule_failures += 1
        elif decision.reason is None:
            self._rule_failures = 0
        if self._rule_failures < self._flood_limit:
            return False
        self._stopped = True
        self._flooded(RuleFlood(self._rule_failures))
        return True

    async def _send(self, outputs: Outputs) -> list[Pending]:
        return [(record, await self._sender.send(output)) for record, output in outputs]

    async def _finish(
        self, batch: Batch, reckoning: Reckoning, pending: list[Pending], version: str, started: float
    ) -> None:
        """Declare the batch done when every output is acknowledged, else let it be delivered again."""
        answers = await asyncio.gather(*(ack for _, ack in pending), return_exceptions=True)
        failures = [
            (record, error)
            for (record, _), error in zip(pending, answers, strict=True)
            if isinstance(error, BaseException)
        ]
        try:
            for record, error in failures:
                if not isinstance(error, MessageSizeTooLargeError):
                    raise error
                await self._refuse_large(record)
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

    async def _refuse_large(self, record: Record) -> None:
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
