"""Reading and writing entries on the watchlist topic."""

from collections.abc import Iterable
from datetime import datetime

from aiokafka.errors import KafkaError
from pydantic import ValidationError

from schemas.envelope import cloud_event_headers
from schemas.errors import OperatorError
from schemas.topics import WATCHLIST
from schemas.watchlist import (
    REFERENCE_KEY,
    ReferenceRelease,
    RulePackRelease,
    Told,
    WatchlistEntry,
    read_watchlist_message,
)
from streams.local.records import consumer_of, producer_at, up_to_now
from streams.watchlist.records import Write

TOPIC = WATCHLIST.name


async def read_entries(bootstrap: str, *, topic: str = TOPIC) -> dict[str, WatchlistEntry]:
    """The valid entries by id: the newest under each id, without those that were removed.

    A record that is no entry counts as none; the workers set it aside.

    Raises:
        OperatorError: no broker answers, or the topic is not there.
    """
    told = await _read(bootstrap, topic)
    return {key: one for key, one in told.items() if isinstance(one, WatchlistEntry)}


async def read_releases(bootstrap: str, *, topic: str = TOPIC) -> dict[str, RulePackRelease]:
    """The newest release under each key, retired ones too; whether it can be used is not looked at.

    Raises:
        OperatorError: no broker answers, or the topic is not there.
    """
    told = await _read(bootstrap, topic)
    return {key: one for key, one in told.items() if isinstance(one, RulePackRelease)}


async def read_reference(bootstrap: str, *, topic: str = TOPIC) -> ReferenceRelease | None:
    """The imported list of taxa in force, if there is one.

    Raises:
        OperatorError: no broker answers, or the topic is not there.
    """
    told = (await _read(bootstrap, topic)).get(REFERENCE_KEY)
    return told if isinstance(told, ReferenceRelease) and told.state == "active" else None


async def write_reference(bootstrap: str, release: ReferenceRelease, *, topic: str = TOPIC) -> None:
    """Put a list of taxa in force, or retire it; returns when Kafka has it.

    Raises:
        OperatorError: no broker answers, or it refused.
    """
    headers = cloud_event_headers(
        event_id=f"{release.key}/{release.version}/{release.released_at.isoformat()}",
        source="takin/reference",
        event_type="takin.reference-release.v1",
        at=release.released_at,
    )
    async with consumer_of(bootstrap, topic), producer_at(bootstrap) as producer:
        try:
            await producer.send_and_wait(
                topic, key=release.key.encode(), value=release.to_bytes(), headers=headers
            )
        except KafkaError as error:
            raise _refused(f"of the list {release.version}", error) from error


async def _read(bootstrap: str, topic: str) -> dict[str, Told]:
    told: dict[str, Told] = {}
    async with consumer_of(bootstrap, topic) as (consumer, partitions):
        async for record in up_to_now(consumer, partitions):
            entry_id = (record.key or b"").decode("utf-8", "replace")
            if not record.value:
                told.pop(entry_id, None)
                continue
            try:
                told[entry_id] = read_watchlist_message(record.value)
            except ValidationError:
                continue
    return told


async def write_release(
    bootstrap: str, release: RulePackRelease, *, key: str | None = None, topic: str = TOPIC
) -> None:
    """Release or retire a pack; returns when Kafka has it. ``key``: where a retired one stood.

    Raises:
        OperatorError: no broker answers, or it refused.
    """
    headers = cloud_event_headers(
        event_id=f"{key or release.key}/{release.released_at.isoformat()}",
        source="takin/rules",
        event_type="takin.rule-pack-release.v1",
        at=release.released_at,
    )
    async with consumer_of(bootstrap, topic), producer_at(bootstrap) as producer:
        try:
            await producer.send_and_wait(
                topic, key=(key or release.key).encode(), value=release.to_bytes(), headers=headers
            )
        except KafkaError as error:
            raise _refused(f"of pack {release.pack}", error) from error


async def write_entries(bootstrap: str, entries: Iterable[WatchlistEntry], *, topic: str = TOPIC) -> None:
    """Add entries, or replace those with the same id; returns when Kafka has them.

    Raises:
        OperatorError: no broker answers, or it refused one.
    """
    async with consumer_of(bootstrap, topic), producer_at(bootstrap) as producer:
        for entry in entries:
            headers = cloud_event_headers(
                event_id=f"{entry.entry_id}/{entry.added_at.isoformat()}",
                source="takin/watchlist",
                event_type="takin.watchlist-entry.v1",
                at=entry.added_at,
            )
            try:
                await producer.send_and_wait(
                    topic, key=entry.entry_id.encode(), value=entry.to_bytes(), headers=headers
                )
            except KafkaError as error:
                raise _refused(entry.entry_id, error) from error


async def remove_entry(bootstrap: str, entry_id: str, *, now: datetime, topic: str = TOPIC) -> None:
    """Remove an entry everywhere; returns when Kafka has it.

    Raises:
        OperatorError: there is no such entry, no broker answers, or it refused.
    """
    if entry_id not in await read_entries(bootstrap, topic=topic):
        raise OperatorError(f"The watchlist has no entry {entry_id!r}: see takin watchlist list.")
    headers = cloud_event_headers(
        event_id=f"{entry_id}/removed/{now.isoformat()}",
        source="takin/watchlist",
        event_type="takin.watchlist-entry.removed.v1",
        at=now,
    )
    async with producer_at(bootstrap) as producer:
        try:
            await producer.send_and_wait(topic, key=entry_id.encode(), value=None, headers=headers)
        except KafkaError as error:
            raise _refused(entry_id, error) from error


def _refused(entry_id: str, error: KafkaError) -> OperatorError:
    return OperatorError(
        f"The broker refused the entry {entry_id} ({type(error).__name__}): "
        "see that it runs, then do it again."
    )


async def put(
    bootstrap: str, writes: Iterable[Write], *, change_id: str, now: datetime, topic: str = TOPIC
) -> None:
    """Write the records of one change, all at once; returns when Kafka has them.

    Doing it twice does it once: the same keys hold the same values.

    Raises:
        OperatorError: no broker answers, or it refused one.
    """
    async with consumer_of(bootstrap, topic), producer_at(bootstrap) as producer:
        sent = []
        try:
            for one in writes:
                headers = cloud_event_headers(
                    event_id=f"{change_id}/{one.key}",
                    source="takin/desk",
                    event_type=_event_type(one.told),
                    at=now,
                )
                sent.append(
                    await producer.send(topic, key=one.key.encode(), value=one.value, headers=headers)
                )
            for acknowledgement in sent:
                await acknowledgement
        except KafkaError as error:
            raise _refused(f"of change {change_id}", error) from error


def _event_type(told: Told | None) -> str:
    if told is None:
        return "takin.watchlist-entry.removed.v1"
    return {
        WatchlistEntry: "takin.watchlist-entry.v1",
        RulePackRelease: "takin.rule-pack-release.v1",
        ReferenceRelease: "takin.reference-release.v1",
    }[type(told)]
