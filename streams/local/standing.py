"""How far everything is: what was read, screened, set aside, noticed and answered."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from connectors.kafka_reach import quiet_client
from schemas.dead_letter import DeadLetter
from schemas.kafka_access import kafka_at
from schemas.topics import DEAD_LETTERS, DETECTIONS, LISTINGS
from streams.notices.casebook import deadlines, figures, offsets
from streams.notices.casebook.database import Casebook, Transaction

SCREENING_GROUP = "screening"
CONNECT_WITHIN_S = 8.0


@dataclass(frozen=True, slots=True)
class KafkaStanding:
    """Offsets, from Kafka itself."""

    listings: int
    """Records in ``listings``."""
    screened: int
    """Of them, decided: below the committed offset of the screening group."""
    detections: int
    dead_letters: Mapping[str, int]
    """Reason to how many records were set aside for it, each once."""


@dataclass(frozen=True, slots=True)
class CasebookStanding:
    """The casebook's side."""

    totals: figures.Totals
    detections_taken: int
    deadlines_pending: int


def casebook_standing(tx: Transaction) -> CasebookStanding:
    """One consistent look."""
    return CasebookStanding(
        totals=figures.totals(tx),
        detections_taken=sum(offsets.next_offsets(tx, DETECTIONS.name).values()),
        deadlines_pending=deadlines.unresolved(tx),
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """Both sides together."""

    kafka: KafkaStanding
    casebook: CasebookStanding

    @property
    def caught_up(self) -> bool:
        """Every listing is screened and every detection is taken."""
        return (
            self.kafka.screened >= self.kafka.listings
            and self.casebook.detections_taken >= self.kafka.detections
        )

    @property
    def settled(self) -> bool:
        """Nothing is on its way, and no platform's clock is running any more."""
        return self.caught_up and self.casebook.totals.waiting == 0 and self.casebook.deadlines_pending == 0


class Watch:
    """Asks Kafka and the casebook; one consumer and one admin client for many looks.

    They connect at the first look that finds Kafka.
    """

    def __init__(self, bootstrap: str, casebook: Casebook) -> None:
        self._casebook = casebook
        self._bootstrap = bootstrap
        self._connected = False
        self._letters: dict[str, str] = {}
        self._read: dict[TopicPartition, int] = {}

    async def __aenter__(self) -> "Watch":
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._connected:
            await self._hang_up()

    async def look(self) -> Standing | None:
        """Where things stand; ``None`` while Kafka is away."""
        try:
            if not self._connected:
                await self._connect()
            kafka = await self._kafka()
        except (KafkaError, OSError):
            return None
        return Standing(kafka, await self._casebook.look(casebook_standing))

    async def _connect(self) -> None:
        self._admin = AIOKafkaAdminClient(**kafka_at(self._bootstrap))
        self._consumer = AIOKafkaConsumer(**kafka_at(self._bootstrap), enable_auto_commit=False)
        try:
            with quiet_client():
                async with asyncio.timeout(CONNECT_WITHIN_S):
                    await self._admin.start()
                    await self._consumer.start()
        except BaseException:
            await self._hang_up()
            raise
        self._connected = True

    async def _hang_up(self) -> None:
        await self._consumer.stop()
        await self._admin.close()

    async def _kafka(self) -> KafkaStanding:
        listings = await self._ends(LISTINGS.name, LISTINGS.partitions)
        detections = await self._ends(DETECTIONS.name, DETECTIONS.partitions)
        committed = await self._admin.list_consumer_group_offsets(SCREENING_GROUP)
        screened = sum(
            found.offset
            for place, found in committed.items()
            if place.topic == LISTINGS.name and found.offset > 0
        )
        await self._read_dead_letters()
        reasons: dict[str, int] = {}
        for reason in self._letters.values():
            reasons[reason] = reasons.get(reason, 0) + 1
        return KafkaStanding(sum(listings.values()), screened, sum(detections.values()), reasons)

    async def _ends(self, topic: str, partitions: int) -> dict[TopicPartition, int]:
        places = [TopicPartition(topic, number) for number in range(partitions)]
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(places)
        return ends

    async def _read_dead_letters(self) -> None:
        """Read on from the last look; an id that comes twice is one record set aside."""
        ends = await self._ends(DEAD_LETTERS.name, DEAD_LETTERS.partitions)
        if not self._read:
            self._consumer.assign(list(ends))
            for place in ends:
                self._consumer.seek(place, 0)
                self._read[place] = 0
        while any(self._read[place] < end for place, end in ends.items()):
            fetched = await self._consumer.getmany(timeout_ms=1_000, max_records=500)
            if not fetched:
                return
            for place, records in fetched.items():
                for record in records:
                    self._read[place] = record.offset + 1
                    if record.value:
                        letter = DeadLetter.from_bytes(record.value)
                        self._letters[letter.dead_letter_id] = letter.reason


def summary(standing: Standing, connect_summary: Path) -> dict[str, Any]:
    """What happened to what was read, as a document."""
    totals = standing.casebook.totals
    source = json.loads(connect_summary.read_text()) if connect_summary.exists() else None
    return {
        "read": source["read"] if source else standing.kafka.listings,
        "published": standing.kafka.listings,
        "screened": standing.kafka.screened,
        "set_aside": dict(sorted(standing.kafka.dead_letters.items())),
        "cases": totals.cases,
        "for_review": totals.review,
        "noticed": totals.notices,
        "sent": totals.sent,
        "answered": totals.answered,
        "totals": asdict(totals),
    }


def sentence(document: Mapping[str, Any]) -> str:
    """The summary as one line for people."""
    aside = sum(document["set_aside"].values())
    reasons = ", ".join(f"{count} {reason}" for reason, count in document["set_aside"].items())
    return (
        f"{document['read']} read, {document['screened']} screened, "
        f"{aside} set aside{f' ({reasons})' if reasons else ''}, {document['for_review']} for review, "
        f"{document['noticed']} noticed, {document['sent']} sent, {document['answered']} answered"
    )
