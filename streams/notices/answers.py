"""Applies what the inbox holds, and asks platforms that have not said anything for a while."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import structlog

from streams.notices import desk_answer, handlers
from streams.notices.casebook import cases, inbox, looks
from streams.notices.casebook.database import Casebook, Transaction
from streams.notices.loops import Bell
from streams.notices.metrics import NoticeMetrics
from streams.notices.ports import Answer, NoAnswer, Outside, Unreadable

log = structlog.get_logger()


def store_answer(tx: Transaction, answer: Answer) -> bool:
    """Keep an authenticated answer; ``False``: it was there already."""
    return inbox.store(
        tx,
        platform=answer.platform,
        channel=answer.channel,
        source_id=answer.source_id,
        received_at=answer.received_at,
        body=answer.body,
        headers=answer.headers,
    )


class Answers:
    """Reads the inbox in order of arrival and applies each answer in one transaction."""

    def __init__(
        self,
        casebook: Casebook,
        outside: Outside,
        metrics: NoticeMetrics,
        *,
        changed: Bell,
        tick_s: float = 0.5,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._casebook = casebook
        self._outside = outside
        self._metrics = metrics
        self._changed = changed
        self._tick_s = tick_s
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self.bell = Bell()

    async def step(self) -> None:
        """Apply what is there; then wait for the bell or a tick."""
        if not await self.drain():
            await self.bell.wait(self._tick_s)

    async def drain(self, until: datetime | None = None) -> int:
        """Apply up to 200 answers (those received by ``until``); returns how many were read."""
        async with self._one_at_a_time:
            waiting = await self._casebook.look(inbox.new, limit=200, until=until)
            for received in waiting:
                await self._apply(received)
        if waiting:
            self._changed.ring()
        return len(waiting)

    async def _apply(self, received: inbox.Received) -> None:
        now = self._clock()
        try:
            # What people enter at our own desk is in our words, whichever way their platform speaks.
            if received.channel == desk_answer.CHANNEL:
                responses = desk_answer.responses(received)
            else:
                responses = self._outside.read(received)
        except (Unreadable, KeyError, desk_answer.NotReadable) as error:
            reason = getattr(error, "reason", None) or (
                "unknown_platform" if isinstance(error, KeyError) else "wrong_shape"
            )
            await self._casebook.run(
                inbox.finish,
                received.inbox_id,
                state="quarantined",
                now=now,
                reason=reason,
                detail=str(error)[:500],
            )
            self._metrics.answers.labels(received.platform, reason).inc()
            log.warning("answer_set_aside", platform=received.platform, reason=reason)
            return
        result = await self._casebook.run(
            handlers.take_inbox, received, responses, now=now, other_way=self._outside.render_fallback
        )
        self._metrics.answers.labels(received.platform, result).inc()


class Poller:
    """Asks for the status of open notices: webhooks alone lose answers."""

    def __init__(
        self,
        casebook: Casebook,
        desk: handlers.Desk,
        outside: Outside,
        *,
        answered: Bell,
        tick_s: float = 1.0,
        at_once: int = 8,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._casebook = casebook
        self._desk = desk
        self._outside = outside
        self._answered = answered
        self._tick_s = tick_s
        self._places = asyncio.Semaphore(at_once)
        self._clock = clock

    async def step(self) -> None:
        """Ask about everything that is due; then wait a tick."""
        due = await self._casebook.look(looks.polls_due, now=self._clock(), limit=200)
        await asyncio.gather(*(self._ask(one) for one in due))
        await asyncio.sleep(self._tick_s)

    async def _ask(self, due: looks.PollDue) -> None:
        policy = self._desk.platforms.get(due.platform)
        if policy is None or not self._outside.can_be_asked(due.platform):
            await self._casebook.run(_never_ask_again, due)
            return
        answer: Answer | None = None
        async with self._places:
            try:
                answer = await self._outside.ask(due.platform, due.idempotency_key)
            except NoAnswer as error:
                log.info("poll_unanswered", platform=due.platform, detail=str(error)[:200])
        planned = policy.poll.next_at(due.polls + 1, self._clock())
        await self._casebook.run(
            partial(_polled, answer=answer, due=due, next_poll_at=planned),
        )
        if answer is not None:
            self._answered.ring()


def _never_ask_again(tx: Transaction, due: looks.PollDue) -> None:
    cases.save_notice(tx, due.notice_id, next_poll_at=None)


def _polled(tx: Transaction, *, answer: Answer | None, due: looks.PollDue, next_poll_at: datetime) -> None:
    if answer is not None:
        store_answer(tx, answer)
    notice = cases.notice_by_id(tx, due.notice_id)
    if notice.next_poll_at is not None:
        cases.save_notice(tx, due.notice_id, next_poll_at=next_poll_at, polls=due.polls + 1)


def describe(received: inbox.Received) -> str:
    """One line about a stored answer, for people."""
    return json.dumps(
        {
            "inbox_id": received.inbox_id,
            "platform": received.platform,
            "channel": received.channel,
            "received_at": received.received_at.isoformat(),
            "bytes": len(received.body),
        }
    )
