"""Asks everything that a set-up is made of; decides nothing."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from connectors.platform_config import PlatformConfig
from connectors.registry import load_platforms, resolve_secrets
from connectors.witnesses import Witnesses
from schemas.errors import OperatorError
from schemas.kafka_access import kafka_at
from schemas.topics import CATALOGUE, DETECTIONS, LISTINGS
from streams.contacts.keys import read_keys, too_open
from streams.dead_letters.store import read_ledger
from streams.doctor import system
from streams.doctor.judgement import Facts
from streams.local.jars import ensure_jars
from streams.local.java import find_java
from streams.local.readiness import admin_client
from streams.local.service import Service
from streams.local.supervisor import serves
from streams.local.topics import differences, observe
from streams.notices.casebook import contacts, offsets, table_versions
from streams.notices.casebook.database import Casebook, CasebookUnavailable, shown_address
from streams.notices.checkpoints import load_key
from streams.settings import Settings

SCREENING_GROUP = "screening"
ASK_WITHIN_S = 20.0


async def gather(settings: Settings, *, embedded: bool) -> Facts:
    """Everything that can be asked, each apart: what fails becomes a fact, never an exception."""
    free, disk_error = system.disk(settings.data_dir)
    facts = Facts(
        bootstrap=settings.kafka_bootstrap_servers,
        data_dir=str(settings.data_dir),
        disk_free=free,
        disk_error=disk_error,
        embedded=embedded,
        java_error=_java() if embedded else None,
        audit_key=str(settings.audit_key),
        audit_key_error=_key(settings.audit_key),
        cursors=_cursors(settings.data_dir / "cursors"),
    )
    facts = _contact_keys(facts, settings.contact_keys)
    if (clock := system.clock()) is not None:
        facts = replace(facts, clock_synchronised=clock[0], clock_error_s=clock[1])
    facts, configs = _platforms(facts, settings.platforms_file)
    facts = replace(facts, others_ahead_s=await _others(configs))
    facts, taken = await asyncio.to_thread(_casebook, facts, settings)
    facts = replace(facts, processes=await _processes(_text(settings.data_dir / "prometheus-targets.json")))
    return await _kafka(facts, taken)


async def _kafka(facts: Facts, taken: Mapping[int, int] | None) -> Facts:
    try:
        async with asyncio.timeout(ASK_WITHIN_S):
            async with admin_client(facts.bootstrap) as admin:
                existing = await observe(admin, CATALOGUE)
                committed = await admin.list_consumer_group_offsets(SCREENING_GROUP)
            found = {
                topic.name: differences(topic, existing[topic.name]) if topic.name in existing else None
                for topic in CATALOGUE
            }
            facts = replace(facts, topic_differences=found)
            if None in found.values():
                return facts
            screened = {place.partition: held.offset for place, held in committed.items() if held.offset > 0}
            lag = {SCREENING_GROUP: await _behind(facts.bootstrap, LISTINGS.name, screened)}
            if taken is not None:
                lag["notices"] = await _behind(facts.bootstrap, DETECTIONS.name, taken)
            ledger = await read_ledger(facts.bootstrap)
            waiting = sum(1 for entry in ledger.entries.values() if not entry.is_replayed)
            return replace(facts, lag=lag, dead_letters=waiting)
    except OperatorError as error:
        return replace(facts, kafka_error=str(error))
    except (KafkaError, OSError, TimeoutError) as error:
        why = f"Kafka at {facts.bootstrap} stopped answering ({type(error).__name__}): see whether it runs."
        return replace(facts, kafka_error=why)


async def _behind(bootstrap: str, topic: str, taken: Mapping[int, int]) -> int:
    """Records that lie above what was taken and are still in the log."""
    consumer = AIOKafkaConsumer(**kafka_at(bootstrap), enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in range(LISTINGS.partitions)]
        ends = await consumer.end_offsets(places)
        begins = await consumer.beginning_offsets(places)
        return sum(max(0, ends[p] - max(begins[p], taken.get(p.partition, 0))) for p in places)
    finally:
        await consumer.stop()


def _casebook(facts: Facts, settings: Settings) -> tuple[Facts, Mapping[int, int] | None]:
    url = settings.casebook_url
    facts = replace(facts, casebook=shown_address(url))
    path = url.removeprefix("sqlite:///") if url.startswith("sqlite:///") else None
    if path is not None and not Path(path).exists():
        return replace(facts, casebook_there=False), None
    try:
        casebook = Casebook.open(url, threads=1, migrate=False)
        try:
            with casebook.read() as tx:
                found = table_versions.look(tx)
            newer = found.readable and found.have != found.wanted and not found.changes
            facts = replace(
                facts, tables=found.have, tables_wanted=found.wanted, tables_newer_and_usable=newer
            )
            if found.have != found.wanted and not newer:
                return facts, None
            kept = casebook.answer(contacts.kept)
            facts = replace(facts, contacts=kept.by_key, contacts_unlooked=kept.unlooked)
            with casebook.write() as tx:
                return facts, offsets.next_offsets(tx, DETECTIONS.name)
        finally:
            casebook.close()
    except (OperatorError, CasebookUnavailable) as error:
        return replace(facts, casebook_error=str(error)), None


async def _others(configs: Sequence[PlatformConfig]) -> tuple[float, ...]:
    witnesses = Witnesses(configs, steady=time.monotonic)
    try:
        said = await witnesses.ask()
    finally:
        await witnesses.aclose()
    return tuple(one + time.monotonic() - time.time() for one in said)


def _platforms(facts: Facts, path: Path | None) -> tuple[Facts, tuple[PlatformConfig, ...]]:
    if path is None:
        return facts, ()
    facts = replace(facts, platforms_file=str(path))
    try:
        configs: tuple[PlatformConfig, ...] = load_platforms(path)
        for config in configs:
            for use in ("secret", "webhook_secret", "api_key"):
                resolve_secrets(config, use)
    except OperatorError as error:
        return replace(facts, platforms_error=str(error)), ()
    return replace(facts, platforms=len(configs)), configs


def _key(path: Path) -> str | None:
    try:
        load_key(path)
    except OperatorError as error:
        return str(error)
    return None


def _contact_keys(facts: Facts, path: Path) -> Facts:
    facts = replace(
        facts, contact_keys=str(path), contact_keys_there=path.exists(), contact_keys_open=too_open(path)
    )
    try:
        return replace(facts, contact_key_ids=read_keys(path).ids)
    except OperatorError as error:
        return replace(facts, contact_keys_error=str(error))


def _java() -> str | None:
    try:
        find_java()
        ensure_jars(offline=True)
    except OperatorError as error:
        return str(error)
    return None


def _cursors(folder: Path) -> dict[str, float]:
    """Seconds since each source last got on, by the file that holds its place."""
    ages = {}
    now = datetime.now(UTC)
    for file in sorted(folder.glob("*.json")):
        try:
            held = json.loads(file.read_text(encoding="utf-8"))
            saved = datetime.fromisoformat(held["saved_at"])
            ages[f"{held['connector']} {held['place']}"] = (now - saved).total_seconds()
        except (OSError, ValueError, KeyError, TypeError):
            ages[file.name] = float("inf")
    return ages


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


async def _processes(listed: str | None) -> dict[str, str | None]:
    """Whether each process that was started together makes progress; none when nothing was."""
    try:
        targets = json.loads(listed or "")
        addresses = {one["labels"]["process"]: one["targets"][0] for one in targets}
    except (ValueError, LookupError, TypeError):
        return {}
    found: dict[str, str | None] = {}
    for name, address in addresses.items():
        if name == "connect":
            continue  # ends when its file is read
        well = await serves(Service(name, (), ready=f"http://{address}/health"))
        found[name] = None if well else f"/health at {address} is not well or does not answer"
    return found
