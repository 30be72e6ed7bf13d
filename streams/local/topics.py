"""Make the topics of the catalogue, and refuse a broker whose topics are not as it says.

Nothing here changes or removes a topic that exists: another partition count moves keys to other
partitions, a shorter retention deletes, and both are for a person to decide.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from schemas.errors import OperatorError
from schemas.topics import Topic
from streams.local.readiness import admin_client

TOPIC_ALREADY_EXISTS = 36
BROKERS_CHOICE = -1
"""Replication factor: the broker's own ``default.replication.factor``, 1 on the embedded one."""
VISIBLE_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Existing:
    """One topic as the broker has it."""

    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)
    """Values of those settings that the catalogue names."""
    led: bool = True
    """Whether every partition has a leader, so that it can be written and read."""


@dataclass(frozen=True, slots=True)
class Report:
    """What :func:`apply` did, or would do."""

    created: tuple[str, ...]
    """Topics that were missing."""
    present: tuple[str, ...]
    """Topics that were there already, as the catalogue says."""
    dry_run: bool = False
    """Nothing was created; ``created`` says what would be."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"created": self.created, "present": self.present, "dry_run": self.dry_run}


def differences(topic: Topic, existing: Existing) -> tuple[str, ...]:
    """In which ways a topic is not as the catalogue says, each in words; empty if it is."""
    found = []
    if existing.partitions != topic.partitions:
        found.append(f"{existing.partitions} partitions instead of {topic.partitions}")
    for name, wanted in topic.config().items():
        actual = existing.config.get(name, "unknown")
        if _as_set(actual) != _as_set(wanted):
            found.append(f"{name} {actual} instead of {wanted}")
    return tuple(found)


def _as_set(value: str) -> frozenset[str]:
    """Kafka's list values (``cleanup.policy``) have no order."""
    return frozenset(part.strip() for part in value.split(","))


def refuse_drift(catalogue: Sequence[Topic], existing: Mapping[str, Existing]) -> None:
    """Do nothing if every topic that exists is as the catalogue says.

    Raises:
        OperatorError: some are not; the sentence names each difference.
    """
    drifted = [
        f"{topic.name} has {' and '.join(found)}"
        for topic in catalogue
        if topic.name in existing and (found := differences(topic, existing[topic.name]))
    ]
    if drifted:
        raise OperatorError(
            f"Topics on this broker are not as the catalogue says: {'; '.join(drifted)}. Nothing was "
            "changed: set them right with Kafka's own tools (kafka-topics, kafka-configs) or use "
            "another broker."
        )


async def observe(admin: AIOKafkaAdminClient, catalogue: Sequence[Topic]) -> dict[str, Existing]:
    """The topics of the catalogue that the broker has.

    Raises:
        OperatorError: the broker does not let us see them.
    """
    by_name = {topic.name: topic for topic in catalogue}
    # All topics, not ours by name: asking for a missing one creates it where auto-creation is on.
    described = [topic for topic in await admin.describe_topics() if topic["topic"] in by_name]
    for topic in described:
        _refuse_error(topic["error_code"], f"look at topic {topic['topic']}")
    if not described:
        return {}
    answers = await admin.describe_configs(
        [
            ConfigResource(
                ConfigResourceType.TOPIC,
                topic["topic"],
                dict.fromkeys(by_name[topic["topic"]].config()),
            )
            for topic in described
        ]
    )
    configs: dict[str, dict[str, str]] = {}
    for resource in (row for answer in answers for row in answer.to_object()["resources"]):
        _refuse_error(resource["error_code"], f"read the settings of topic {resource['resource_name']}")
        configs[resource["resource_name"]] = {
            entry["config_names"]: entry["config_value"] for entry in resource["config_entries"]
        }
    return {
        topic["topic"]: Existing(
            partitions=len(topic["partitions"]),
            config=configs.get(topic["topic"], {}),
            led=all(part["leader"] >= 0 for part in topic["partitions"]),
        )
        for topic in described
    }


async def apply(
    bootstrap: str, catalogue: Sequence[Topic], *, dry_run: bool = False, answer_within_s: float = 8.0
) -> Report:
    """Create every topic of the catalogue that is missing; returns when all can be used.

    Doing it twice, or in two processes at once, does it once.

    Raises:
        OperatorError: no broker answers, a topic is not as the catalogue says (then nothing is
            created either), or the broker refuses to create one.
    """
    async with admin_client(bootstrap, answer_within_s=answer_within_s) as admin:
        try:
            existing = await observe(admin, catalogue)
            refuse_drift(catalogue, existing)
            missing = [topic for topic in catalogue if topic.name not in existing]
            if missing and not dry_run:
                await _create(admin, missing)
                await _until_usable(admin, catalogue)
        except (KafkaError, OSError) as error:
            raise OperatorError(
                f"The Kafka broker at {bootstrap} stopped answering while topics were applied "
                f"({type(error).__name__}): see that it runs, then do it again."
            ) from error
        return Report(
            created=tuple(topic.name for topic in missing),
            present=tuple(topic.name for topic in catalogue if topic.name in existing),
            dry_run=dry_run,
        )


async def _create(admin: AIOKafkaAdminClient, missing: Sequence[Topic]) -> None:
    new = [
        # An empty assignment is how aiokafka lets the replication factor be the broker's choice.
        NewTopic(
            topic.name,
            topic.partitions,
            BROKERS_CHOICE,
            replica_assignments={},
            topic_configs=topic.config(),
        )
        for topic in missing
    ]
    answer = await admin.create_topics(new)
    for name, code, *words in answer.topic_errors:
        if code != TOPIC_ALREADY_EXISTS:  # somebody else was quicker: drift is looked at once more
            _refuse_error(code, f"create topic {name}", *words)


async def _until_usable(admin: AIOKafkaAdminClient, catalogue: Sequence[Topic]) -> None:
    """Wait for a leader of each partition: a worker that starts earlier ignores the topic for ever."""
    deadline = time.monotonic() + VISIBLE_WITHIN_S
    while True:
        existing = await observe(admin, catalogue)
        waiting = [t.name for t in catalogue if t.name not in existing or not existing[t.name].led]
        if not waiting:
            refuse_drift(catalogue, existing)
            return
        if time.monotonic() > deadline:
            raise OperatorError(
                f"The broker took the topics but does not lead {', '.join(waiting)} after "
                f"{VISIBLE_WITHIN_S:.0f} s: see that all its nodes run."
            )
        await asyncio.sleep(0.05)


def _refuse_error(code: int, doing: str, words: str | None = None) -> None:
    if code:
        reason = words or for_code(code).__name__
        raise OperatorError(f"The Kafka broker refused to {doing}: {reason}.")
