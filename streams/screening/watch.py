"""Follow the watchlist topic and keep one immutable screener for its present state."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Self

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.dead_letter import dead_letter
from schemas.errors import OperatorError
from schemas.kafka_access import kafka_at
from schemas.watchlist import ReferenceRelease, RulePackRelease, WatchlistEntry
from streams.screening.decode import Rejected
from streams.screening.flood_guard import Flood
from streams.screening.metrics import ScreeningMetrics
from streams.screening.output import Output, dead_letter_output, entry_output
from streams.screening.topics import ScreeningTopics
from streams.screening.verdict import Ruleset, Screener
from streams.screening.watchlist import (
    Change,
    Removal,
    apply,
    build_what_can_be,
    in_force,
    is_pack,
    is_reference,
    logged,
    next_expiry,
    read_change,
)

log = structlog.get_logger(__name__)

QUIET_MS = 200
"""Changes that follow each other this closely are taken together …"""
GATHER_S = 1.0
"""… but never longer than this, so that a steady stream of changes still takes effect."""
RETRY_S = 1.0

Publish = Callable[[Output], Awaitable[None]]


class WatchlistFollower:
    """Reads the whole topic on entry, then :meth:`follow` keeps up with it.

    Offsets are not kept: the topic is compacted and read from its start each time. A bad entry goes
    to the dead letters (again at each start, under the same id) and what was in force before under
    its id stays in force. Faust's GlobalTable is not used: it was seen to miss updates.
    """

    def __init__(
        self,
        bootstrap: str,
        topics: ScreeningTopics,
        ruleset: Ruleset,
        publish: Publish,
        *,
        worker: str,
        metrics: ScreeningMetrics,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._consumer = AIOKafkaConsumer(
            topics.watchlist,
            **kafka_at(bootstrap),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        self._topics = topics
        self._built_in = ruleset
        self._listing = ruleset
        """Built-in packs over the list of taxa in force."""
        self._ruleset = ruleset
        self._built_with: Ruleset | None = None
        self._releases: dict[str, RulePackRelease] = {}
        self._imported: ReferenceRelease | None = None
        self._publish = publish
        self._worker = worker
        self._metrics = metrics
        self._now = now
        self._entries: dict[str, WatchlistEntry] = {}
        self._built_from: dict[str, WatchlistEntry] = {}
        self._records: dict[str, Any] = {}
        self._screener: Screener | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._consumer.start()
            await self._load()
        except BaseException:
            await self._consumer.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    @property
    def screener(self) -> Screener:
        """The screener in force; immutable, so whoever holds one may finish with it."""
        if self._screener is None:
            raise RuntimeError("the watchlist is not loaded yet")
        return self._screener

    @property
    def entries(self) -> int:
        """How many entries are in force."""
        return len(self._built_from)

    @property
    def packs(self) -> tuple[str, ...]:
        """Releases in force beside or instead of the built-in packs, ``NAME@VERSION (STATE)``."""
        return tuple(f"{one.pack}@{one.version} ({one.state})" for _, one in sorted(self._releases.items()))

    @property
    def reference(self) -> str:
        """Version of the imported list of taxa; ``built-in`` when there is none."""
        return self._imported.version if self._imported is not None else "built-in"

    async def follow(self) -> None:
        """Take changes and expiries as they come; runs until cancelled."""
        while True:
            await self._take(await self._gather())

    async def quarantine(self, flood: Flood) -> None:
        """Stop an entry that floods, everywhere: publish it as quarantined, which this worker follows too.

        Left alone are entries that lead to nothing anyway: in shadow, monitoring, negative, or gone.
        """
        entry = self._entries.get(flood.entry_id)
        if entry is None or entry.state != "active" or entry.outcome == "monitor":
            return
        if entry.kind.startswith("not_"):
            return
        now = self._now()
        stopped = entry.model_copy(update={"state": "quarantined", "state_reason": flood.sentence(now)})
        try:
            await self._publish(entry_output(stopped, self._topics.watchlist, now))
        except KafkaError as error:
            log.warning("the quarantine could not be written", entry_id=logged(entry), why=repr(error))
            return
        self._metrics.quarantined.inc()
        log.warning(
            "watchlist entry quarantined",
            entry_id=logged(entry),
            matches=flood.matches,
            decided=flood.decided,
            baseline=round(flood.baseline, 6),
        )

    async def _load(self) -> None:
        started = time.monotonic()
        partitions = self._assign_all()
        await self._consumer.seek_to_beginning(*partitions)
        ends = await self._consumer.end_offsets(partitions)
        records: list[Any] = []
        while any([await self._consumer.position(part) < end for part, end in ends.items()]):
            records += await self._read(QUIET_MS)
        await self._take(records)
        log.info(
            "watchlist loaded",
            entries=self.entries,
            ruleset=self.screener.version,
            seconds=round(time.monotonic() - started, 3),
        )

    def _assign_all(self) -> list[TopicPartition]:
        """Take every partition for good.

        A subscription would follow the metadata, which may lack the topic for a moment after a
        broker's restart, and would then read the old entries once more.
        """
        numbers = self._consumer.partitions_for_topic(self._topics.watchlist)
        if not numbers:
            raise OperatorError(
                f"Kafka does not know the topic {self._topics.watchlist} at this moment: try again, "
                "or create it with `takin topics apply`."
            )
        partitions = [TopicPartition(self._topics.watchlist, number) for number in sorted(numbers)]
        self._consumer.unsubscribe()
        self._consumer.assign(partitions)
        return partitions

    async def _gather(self) -> list[Any]:
        """The next changes, all that arrive close together; empty when an entry expires meanwhile."""
        records = await self._read(self._patience_ms())
        until = time.monotonic() + GATHER_S
        while records and time.monotonic() < until:
            more = await self._read(QUIET_MS)
            if not more:
                break
            records += more
        return records

    def _patience_ms(self) -> int:
        now = self._now()
        expiry = next_expiry(self._built_from, now)
        left_s = 1.0 if expiry is None else min(1.0, (expiry - now).total_seconds())
        return max(10, int(left_s * 1000))

    async def _read(self, timeout_ms: int) -> list[Any]:
        try:
            fetched = await self._consumer.getmany(timeout_ms=timeout_ms)
        except KafkaError as error:
            log.warning("the watchlist cannot be read", why=repr(error))
            await asyncio.sleep(RETRY_S)
            return []
        return [record for records in fetched.values() for record in records]

    async def _take(self, records: Sequence[Any]) -> None:
        changes: list[Change] = []
        packs: dict[str, list[tuple[Any, Removal | RulePackRelease]]] = {}
        lists: list[tuple[Any, Removal | ReferenceRelease]] = []
        for record in records:
            change = read_change(record.key, record.value)
            if isinstance(change, Rejected):
                await self._set_aside(record, change)
                continue
            if isinstance(change, ReferenceRelease) or (
                isinstance(change, Removal) and is_reference(record.key)
            ):
                lists.append((record, change))
                continue
            if isinstance(change, RulePackRelease) or (isinstance(change, Removal) and is_pack(record.key)):
                packs.setdefault(record.key.decode(), []).append((record, change))
                continue
            changes.append(change)
            if isinstance(change, Removal):
                self._records.pop(change.entry_id, None)
            else:
                self._records[change.entry_id] = record
        await self._take_reference(lists)
        for key, told in sorted(packs.items()):
            await self._take_pack(key, told)
        self._entries = apply(self._entries, changes)
        await self._rebuild()

    async def _take_reference(self, told: Sequence[tuple[Any, Removal | ReferenceRelease]]) -> None:
        """Put the newest of the lists in force that can be used; each one refused is set aside."""
        for record, change in reversed(told):
            wanted = change if isinstance(change, ReferenceRelease) and change.state == "active" else None
            if wanted == self._imported:
                return
            try:
                listing = await asyncio.to_thread(self._built_in.with_reference, wanted)
                ruleset = await asyncio.to_thread(listing.with_packs, self._releases)
            except Exception as error:
                why = str(error) if isinstance(error, ValueError) else type(error).__name__
                sentence = f"The list of taxa is refused: {why}. Import it again (takin reference import)."
                await self._set_aside(record, Rejected("rule_failed", sentence))
                continue
            self._listing, self._ruleset, self._imported = listing, ruleset, wanted
            return

    async def _take_pack(self, key: str, told: Sequence[tuple[Any, Removal | RulePackRelease]]) -> None:
        """Put the newest of the releases in force that can be used; each one refused is set aside."""
        for record, change in reversed(told):
            wanted = {name: one for name, one in self._releases.items() if name != key}
            if isinstance(change, RulePackRelease) and change.state != "retired":
                wanted[key] = change
            if wanted == self._releases:
                return
            try:
                ruleset = await asyncio.to_thread(self._listing.with_packs, wanted)
            except Exception as error:
                why = str(error) if isinstance(error, ValueError) else type(error).__name__
                sentence = (
                    f"The rule pack {key.partition(':')[2]} is refused: {why}. Mend it and release it again."
                )
                await self._set_aside(record, Rejected("rule_failed", sentence))
                continue
            self._ruleset, self._releases = ruleset, wanted
            return

    async def _rebuild(self) -> None:
        wanted = in_force(self._entries, self._now())
        unchanged = self._built_with is self._ruleset and wanted == self._built_from
        if self._screener is not None and unchanged:
            return
        started = time.monotonic()
        try:
            screener, used, bad = await asyncio.to_thread(
                build_what_can_be, self._ruleset.screener, self._built_from, wanted
            )
        except Exception as error:
            if self._screener is None:
                raise
            log.exception("the last good watchlist stays in force", why=type(error).__name__)
            return
        self._screener, self._built_from, self._built_with = screener, used, self._ruleset
        self._metrics.swapped(screener.version, len(used), screener.rules_in_force())
        for entry_id, why in bad.items():
            await self._leave_out(entry_id, why)
        log.info(
            "watchlist in force",
            entries=len(used),
            packs=self.packs,
            reference=self.reference,
            ruleset=screener.version,
            build_seconds=round(time.monotonic() - started, 3),
        )

    async def _leave_out(self, entry_id: str, why: str) -> None:
        """Set a well-formed entry aside that no screener can be built with."""
        self._entries.pop(entry_id)
        if entry_id in self._built_from:
            self._entries[entry_id] = self._built_from[entry_id]
        sentence = f"Watchlist entry {entry_id} cannot be matched with ({why}): mend its value or remove it."
        await self._set_aside(self._records.pop(entry_id), Rejected("rule_failed", sentence))

    async def _set_aside(self, record: Any, why: Rejected) -> None:
        letter = dead_letter(
            stage="watchlist",
            reason=why.reason,
            detail=why.sentence,
            value=record.value or b"",
            now=self._now(),
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=record.key,
            worker=self._worker,
        )
        self._metrics.set_aside("watchlist", why.reason)
        log.warning("watchlist record set aside", reason=why.reason, dead_letter_id=letter.dead_letter_id)
        try:
            await self._publish(dead_letter_output(letter, self._topics.dead_letters))
        except KafkaError as error:
            # Not lost: the topic is read again at the next start, and the record is still in it.
            log.warning("the dead letter could not be written", why=repr(error))
