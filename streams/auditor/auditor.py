"""Reads the log of listings and what screening says it decided, and puts back what was passed over."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.errors import OperatorError
from schemas.kafka_access import kafka_at
from schemas.progress import ScreeningProgress
from schemas.topics import LISTINGS, SCREENING_PROGRESS
from streams.auditor.coverage import Coverage, Extent, Finding, Range, judge
from streams.auditor.memory import Memory
from streams.local.readiness import no_answer

log = structlog.get_logger(__name__)

RIPE_S = 60.0
"""A listing that has been in the log for longer must be decided."""
ANSWER_WITHIN_S = 10.0
REPLAY_OF = "replay-of"
"""Header of a listing that was published once more: ``topic/partition/offset``."""


@dataclass(frozen=True, slots=True)
class Look:
    """One complete look."""

    at: datetime
    findings: tuple[Finding, ...]
    oldest_s: Mapping[int, float]
    """Age of the lowest undecided record, per partition that has one."""

    @property
    def undecided(self) -> int:
        """Records that should be decided and are not."""
        return sum(finding.undecided for finding in self.findings)

    @property
    def holes(self) -> int:
        """Of them, those that were passed over."""
        return sum(finding.passed_over for finding in self.findings)


class Auditor:
    """One reader and one writer; keeps what it knows in ``memory_file``."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        producer: AIOKafkaProducer,
        memory_file: Path,
        *,
        ripe_s: float = RIPE_S,
        listings: str = LISTINGS.name,
        progress: str = SCREENING_PROGRESS.name,
    ) -> None:
        self._consumer = consumer
        self._producer = producer
        self._file = memory_file
        self._ripe_s = ripe_s
        self._listings = listings
        self._progress = progress
        self._memory = Memory.load(memory_file)
        # Asked once, while the consumer subscribes to both: later it follows one partition at a time.
        self._partitions: dict[str, set[int]] = {}
        for topic in (listings, progress):
            numbers = consumer.partitions_for_topic(topic)
            if not numbers:
                raise OperatorError(f"Kafka has no topic {topic}: create it with `takin topics apply`.")
            self._partitions[topic] = numbers

    async def look(self) -> Look:
        """Read what is new, and judge every partition.

        Raises:
            KafkaError: Kafka is away; try again.
        """
        listings = self._places(self._listings)
        now = datetime.now(UTC)
        ripe_ms = int((now.timestamp() - self._ripe_s) * 1000)
        begins = await self._consumer.beginning_offsets(listings)
        # The log's end is asked before progress is read: what is decided meanwhile is then no surplus.
        ends = await self._consumer.end_offsets(listings)
        ripe = await self._consumer.offsets_for_times(dict.fromkeys(listings, ripe_ms))
        await self._read_progress()
        findings, oldest = [], {}
        for place in listings:
            found = ripe[place]
            extent = Extent(begins[place], ends[place], ends[place] if found is None else found.offset)
            coverage = self._memory.decided.get(place.partition, Coverage())
            finding = judge(place.partition, coverage, extent)
            findings.append(finding)
            if finding.first is not None:
                at_ms = await self._time_of(place, finding.first)
                if at_ms is not None:
                    oldest[place.partition] = max(0.0, now.timestamp() - at_ms / 1000)
        self._memory.save(self._file)
        return Look(now, tuple(findings), oldest)

    async def replay(self, look: Look) -> int:
        """Publish what was passed over once more; returns how many. Repeating it does no harm.

        Raises:
            KafkaError: what was published before stays published, and will be again.
        """
        done = 0
        for finding in look.findings:
            for hole in finding.holes:
                done += await self._replay(TopicPartition(self._listings, finding.partition), hole)
                self._memory.cover(finding.partition, *hole)
                self._memory.save(self._file)
        return done

    async def _replay(self, place: TopicPartition, hole: Range) -> int:
        done = 0
        async for record in self._records(place, *hole):
            headers = [
                *record.headers,
                (REPLAY_OF, f"{place.topic}/{place.partition}/{record.offset}".encode()),
            ]
            await self._producer.send_and_wait(
                place.topic, value=record.value, key=record.key, headers=headers
            )
            log.warning("listing published once more", partition=place.partition, offset=record.offset)
            done += 1
        return done

    def _places(self, topic: str) -> list[TopicPartition]:
        return [TopicPartition(topic, number) for number in sorted(self._partitions[topic])]

    async def _read_progress(self) -> None:
        places = self._places(self._progress)
        begins = await self._consumer.beginning_offsets(places)
        ends = await self._consumer.end_offsets(places)
        for place in places:
            at = max(self._memory.read.get(place.partition, 0), begins[place])
            if at > ends[place]:
                at = begins[place]  # the topic was made anew
            async for record in self._records(place, at, ends[place]):
                self._take(record.value)
            self._memory.read[place.partition] = ends[place]

    def _take(self, value: bytes | None) -> None:
        try:
            told = ScreeningProgress.from_bytes(value or b"")
        except ValueError:
            log.warning("a record of progress cannot be read, so it proves nothing")
            return
        if told.topic == self._listings:
            self._memory.cover(told.partition, told.first_offset, told.next_offset)

    async def _time_of(self, place: TopicPartition, offset: int) -> int | None:
        async for record in self._records(place, offset, offset + 1):
            return int(record.timestamp)
        return None

    async def _records(self, place: TopicPartition, first: int, end: int) -> AsyncIterator:  # type: ignore[type-arg]
        """Records of [first, end); stops early when the log has none there."""
        if first >= end:
            return
        self._consumer.assign([place])
        self._consumer.seek(place, first)
        while await self._consumer.position(place) < end:
            fetched = await self._consumer.getmany(place, timeout_ms=5_000, max_records=500)
            if not fetched:
                return
            for record in fetched[place]:
                if record.offset >= end:
                    return
                yield record


@contextlib.asynccontextmanager
async def open_auditor(
    bootstrap: str,
    memory_file: Path,
    *,
    ripe_s: float = RIPE_S,
    listings: str = LISTINGS.name,
    progress: str = SCREENING_PROGRESS.name,
) -> AsyncIterator[Auditor]:
    """An auditor that is connected.

    Raises:
        OperatorError: no broker answers.
    """
    consumer = AIOKafkaConsumer(
        listings,
        progress,
        **kafka_at(bootstrap),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(
        **kafka_at(bootstrap), acks="all", enable_idempotence=True, max_request_size=2_600_000
    )
    try:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await consumer.start()
                await producer.start()
        except (KafkaError, OSError, TimeoutError, ValueError) as error:
            raise await no_answer(bootstrap) from error
        auditor = Auditor(
            consumer, producer, memory_file, ripe_s=ripe_s, listings=listings, progress=progress
        )
        consumer.unsubscribe()
        yield auditor
    finally:
        await consumer.stop()
        await producer.stop()
