"""Puts messages into Kafka and returns when Kafka has them.

At least once: after a broken connection a record may be written twice; every consumer of these topics drops
repeats by id. Nothing is given up while the broker is away; what can never be written (too large) is handed
back, one by one, with its neighbours unharmed.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import random
from types import TracebackType
from typing import Any, Self

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnsupportedVersionError,
)

from connectors.kafka_reach import NoBroker, why_no_answer
from connectors.pace import backoff_s
from schemas.dead_letter import DeadLetter, dead_letter
from schemas.envelope import cloud_event_headers
from schemas.errors import OperatorError
from schemas.kafka_access import kafka_at
from schemas.listing import Listing
from schemas.message import Message
from schemas.report import Report
from schemas.topics import DEAD_LETTERS, LISTINGS, REPORTS

log = structlog.get_logger(__name__)

MAX_RECORD_BYTES = 1_000_000
"""Key, value and headers together; below the topics' 1,048,588 for a whole batch."""
IN_FLIGHT = 500
"""Records whose acknowledgement is awaited at one time."""
REQUEST_TIMEOUT_MS = 15_000
LONGEST_PAUSE_S = 5.0
"""Between two tries to reach a broker that is away."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record to be written."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class NotWritten:
    """A record that Kafka will never take."""

    record: Record
    why: str


_HOPELESS = (
    ClusterAuthorizationFailedError,
    InvalidTopicError,
    TopicAuthorizationFailedError,
    UnsupportedVersionError,
)


class KafkaAway(Exception):
    """Kafka did not acknowledge in time. The record may still be written later."""


def cloud_event(message: Message, *, kind: str, source: str, event_id: str, at: datetime) -> Record:
    """Headers of CloudEvents 1.0 in Kafka's binary mode, without topic and key."""
    return Record(
        topic="",
        key=b"",
        value=message.to_bytes(),
        headers=tuple(
            cloud_event_headers(
                event_id=event_id,
                source=source,
                event_type=f"takin.{kind}.v{message.schema_version}",
                at=at,
            )
        ),
    )


def _at(topic: str, key: str, event: Record) -> Record:
    return Record(topic, key.encode("utf-8", "replace"), event.value, event.headers)


def listing_record(listing: Listing, topic: str = LISTINGS.name) -> Record:
    """A listing as it is written. The event's id is the same when the same run writes it again."""
    event = cloud_event(
        listing,
        kind="listing",
        source=f"takin/connectors/{listing.connector}",
        event_id=f"{listing.run_id}/{listing.judged}/{listing.observed_at.timestamp():.6f}",
        at=listing.observed_at,
    )
    return _at(topic, listing.key, event)


def report_record(report: Report, topic: str = REPORTS.name) -> Record:
    """A report as it is written."""
    event = cloud_event(
        report, kind="report", source="takin/intake", event_id=report.report_id, at=report.received_at
    )
    return _at(topic, report.report_id, event)


def dead_letter_record(letter: DeadLetter, topic: str = DEAD_LETTERS.name) -> Record:
    """A dead letter as it is written."""
    event = cloud_event(
        letter,
        kind="dead-letter",
        source=f"takin/{letter.stage}",
        event_id=letter.dead_letter_id,
        at=letter.set_aside_at,
    )
    return _at(topic, letter.dead_letter_id, event)


@dataclass(frozen=True, slots=True)
class TopicNames:
    """Where the publisher writes; other names are for tests that share a broker."""

    listings: str = LISTINGS.name
    reports: str = REPORTS.name
    dead_letters: str = DEAD_LETTERS.name


class _LargerThanOurLimit(Exception):
    """Refused before it was sent, so it is certain which record is to blame."""


class _Connection:
    """One producer's life. Whoever waits for it learns when it was given up."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.producer = producer
        self.lost = asyncio.Event()

    async def give_up(self, *, within_s: float = 5.0) -> None:
        """Write what is buffered if the broker still takes it, and disconnect."""
        stopping = asyncio.ensure_future(self.producer.stop())
        done, _ = await asyncio.wait({stopping}, timeout=within_s)
        self.lost.set()
        if not done:
            # aiokafka's own stop waits for ever while the broker is away, and offers no other way out.
            stopping.cancel()
            self.producer._message_accumulator.fail_all(KafkaAway("the connection was given up"))
            sending = self.producer._sender.sender_task
            if sending is not None:
                sending.cancel()
            await self.producer.client.close()
            await asyncio.wait({stopping, *({sending} if sending else ())}, timeout=within_s)


class Publisher:
    """One producer: ``acks=all``, idempotent, for one event loop."""

    def __init__(
        self,
        bootstrap: str,
        *,
        now: Callable[[], datetime],
        topics: TopicNames = TopicNames(),
        worker: str | None = None,
    ) -> None:
        self._bootstrap = bootstrap
        self._now = now
        self._topics = topics
        self._worker = worker
        self._connection: _Connection | None = None
        self._renewal = asyncio.Lock()
        self._closed = False

    async def start(self, *, within_s: float = 10.0, patient: bool = False) -> None:
        """Connect and check that the topics exist. ``patient``: wait for a broker, however long none answers.

        Raises:
            OperatorError: no broker answers, or none that lets us in, or a topic is missing.
        """
        failures = 0
        while True:
            try:
                return await self._start(within_s)
            except NoBroker as error:
                if not patient:
                    raise
                failures += 1
                wait = _pause_s(failures)
                log.warning("kafka_away", error=str(error), again_in_s=round(wait, 1))
                await asyncio.sleep(wait)

    async def _start(self, within_s: float) -> None:
        try:
            async with asyncio.timeout(within_s):
                await self._check_topics()
                self._connection = await self._connected()
        except (KafkaError, OSError, TimeoutError, ValueError) as error:
            raise await why_no_answer(self._bootstrap) from error

    async def _check_topics(self) -> None:
        admin = AIOKafkaAdminClient(**kafka_at(self._bootstrap), request_timeout_ms=REQUEST_TIMEOUT_MS)
        try:
            await admin.start()
            there = set(await admin.list_topics())
        finally:
            await admin.close()
        missing = {self._topics.listings, self._topics.reports, self._topics.dead_letters} - there
        if missing:
            raise OperatorError(
                f"Kafka at {self._bootstrap} has no topic {', '.join(sorted(missing))}: "
                f"run takin topics apply, and see that this account may use it (takin topics acls)."
            )

    async def _connected(self) -> _Connection:
        producer = AIOKafkaProducer(
            **kafka_at(self._bootstrap),
            client_id="takin-connectors",
            acks="all",
            enable_idempotence=True,
            linger_ms=5,
            max_batch_size=256 * 1024,
            max_request_size=MAX_RECORD_BYTES,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return _Connection(producer)

    async def publish(self, listings: Sequence[Listing]) -> tuple[DeadLetter, ...]:
        """Write listings and wait for Kafka's word, however long the broker is away.

        Returns those that can never be written, as dead letters that are not yet written themselves.
        """
        refused = await self.write([listing_record(one, self._topics.listings) for one in listings])
        return tuple(self._letter(one) for one in refused)

    async def set_aside(self, letters: Iterable[DeadLetter]) -> None:
        """Write dead letters and wait for Kafka's word."""
        refused = await self.write([dead_letter_record(one, self._topics.dead_letters) for one in letters])
        for one in refused:
            # Its value is already cut to fit; only odd topic settings lead here.
            log.error("dead_letter_not_written", key=one.record.key.decode(), why=one.why)

    async def accept(
        self,
        *,
        listings: Sequence[Listing] = (),
        reports: Sequence[Report] = (),
        letters: Sequence[DeadLetter] = (),
        within_s: float,
    ) -> tuple[DeadLetter, ...]:
        """As :meth:`publish`, for a sender who waits for an answer.

        Raises:
            KafkaAway: not everything was acknowledged within ``within_s``.
        """
        records = [
            *(listing_record(one, self._topics.listings) for one in listings),
            *(report_record(one, self._topics.reports) for one in reports),
            *(dead_letter_record(one, self._topics.dead_letters) for one in letters),
        ]
        try:
            async with asyncio.timeout(within_s):
                refused = await self.write(records)
        except TimeoutError as error:
            raise KafkaAway(f"no acknowledgement within {within_s:g} s") from error
        return tuple(self._letter(one) for one in refused)

    async def write(self, records: Sequence[Record]) -> tuple[NotWritten, ...]:
        """Write records of any topic and wait for Kafka's word, however long the broker is away.

        Records of one key keep their order as long as no write fails. Returns those that can never
        be written.

        Raises:
            OperatorError: Kafka does not let us write there at all.
        """
        refused: list[NotWritten] = []
        for start in range(0, len(records), IN_FLIGHT):
            refused += await self._deliver_some(list(records[start : start + IN_FLIGHT]))
        return tuple(refused)

    def _letter(self, refused: NotWritten) -> DeadLetter:
        record = refused.record
        return dead_letter(
            stage="connector",
            reason="too_large",
            detail=f"The record has {len(record.value)} bytes and Kafka takes at most {MAX_RECORD_BYTES}: "
            f"{refused.why}",
            value=record.value,
            now=self._now(),
            topic=record.topic,
            key=record.key,
            worker=self._worker,
        )

    async def _deliver_some(self, records: list[Record]) -> list[NotWritten]:
        """Try until every record is written or known to be impossible."""
        refused: list[NotWritten] = []
        failures = 0
        while records:
            used = self._connection
            outcomes = await self._attempt(used, records)
            suspects: list[Record] = []
            again: list[Record] = []
            for record, error in zip(records, outcomes, strict=True):
                if isinstance(error, _LargerThanOurLimit):
                    refused.append(NotWritten(record, str(error)[:300]))
                elif _is_too_large(error):
                    suspects.append(record)
                elif error is not None:
                    self._check_hope(record, error)
                    again.append(record)
            if suspects:
                # The broker refuses a batch as a whole, and leaves a gap in the producer's numbering.
                await self._renew(used)
                refused += await self._one_by_one(suspects)
            if again:
                failures += 1
                log.warning("kafka_not_acknowledged", records=len(again), failures=failures)
                await asyncio.sleep(_pause_s(failures))
                await self._renew(used)
            records = again
        return refused

    async def _one_by_one(self, suspects: Sequence[Record]) -> list[NotWritten]:
        """Find those that Kafka refuses, on a connection that nobody else's records share."""
        refused: list[NotWritten] = []
        connection: _Connection | None = None
        failures = 0
        try:
            for record in suspects:
                while True:
                    connection = connection or await self._patiently_connected()
                    (error,) = await self._attempt(connection, [record])
                    if error is None:
                        break
                    await connection.give_up()
                    connection = None
                    if _is_too_large(error):
                        refused.append(NotWritten(record, str(error)[:300]))
                        break
                    self._check_hope(record, error)
                    failures += 1
                    await asyncio.sleep(_pause_s(failures))
        finally:
            if connection is not None:
                await connection.give_up()
        return refused

    def _check_hope(self, record: Record, error: BaseException) -> None:
        if isinstance(error, _HOPELESS):
            raise OperatorError(
                f"Kafka at {self._bootstrap} does not let us write to {record.topic}: {error}."
            ) from error

    async def _attempt(
        self, connection: _Connection | None, records: Sequence[Record]
    ) -> list[BaseException | None]:
        """Write each once; for each ``None`` or what went wrong."""
        outcomes: list[BaseException | None] = [KafkaAway("not acknowledged")] * len(records)
        if connection is None:
            return outcomes
        waiting: dict[asyncio.Future[Any], int] = {}
        lost = asyncio.ensure_future(connection.lost.wait())
        try:
            for place, record in enumerate(records):
                try:
                    sent = await connection.producer.send(
                        record.topic, value=record.value, key=record.key, headers=list(record.headers)
                    )
                except MessageSizeTooLargeError as error:
                    outcomes[place] = _LargerThanOurLimit(str(error))
                except KafkaError as error:
                    outcomes[place] = error
                else:
                    waiting[sent] = place
            await _answered(waiting, lost)
        finally:
            lost.cancel()
            for sent in waiting:
                # Nobody may ask any more; a late failure must not be reported as forgotten.
                if sent.done():
                    _looked_at(sent)
                else:
                    sent.add_done_callback(_looked_at)
        for sent, place in waiting.items():
            if sent.done() and not sent.cancelled():
                outcomes[place] = sent.exception()
        return outcomes

    async def _renew(self, used: _Connection | None) -> None:
        """Replace a connection that failed, once, however many callers noticed."""
        async with self._renewal:
            if self._connection is not used or self._closed:
                return
            self._connection = None
            if used is not None:
                await used.give_up()
            self._connection = await self._patiently_connected()

    async def _patiently_connected(self) -> _Connection:
        failures = 0
        while True:
            try:
                return await self._connected()
            except (KafkaError, OSError) as error:
                failures += 1
                wait = _pause_s(failures)
                log.warning("kafka_away", error=type(error).__name__, again_in_s=round(wait, 1))
                await asyncio.sleep(wait)

    async def reachable(self, *, within_s: float = 5.0) -> bool:
        """Whether a broker answers now."""
        connection = self._connection
        if connection is None:
            return False
        try:
            async with asyncio.timeout(within_s):
                return bool(await connection.producer.client.force_metadata_update())
        except (TimeoutError, KafkaError, OSError):
            return False

    async def aclose(self) -> None:
        """Write what is buffered, for at most a few seconds, and disconnect."""
        self._closed = True
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.give_up()

    async def __aenter__(self) -> Self:
        """Start with the default patience."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        await self.aclose()


async def _answered(waiting: Iterable[asyncio.Future[Any]], lost: asyncio.Future[Any]) -> None:
    """Until Kafka has said something of each, or the connection is lost."""
    for sent in waiting:
        # Those of one batch are answered together, so few are waited for.
        if not sent.done() and not lost.done():
            await asyncio.wait({sent, lost}, return_when=asyncio.FIRST_COMPLETED)


def _looked_at(done: "asyncio.Future[Any]") -> None:
    if not done.cancelled():
        done.exception()


def _pause_s(failures: int) -> float:
    return min(backoff_s(failures, chance=random()), LONGEST_PAUSE_S)  # noqa: S311 - spreads load, no secret


def _is_too_large(error: BaseException | None) -> bool:
    return isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError)
