"""Who may do what in Kafka, worked out from the topic catalogue.

One account for each process, and two for people: who is not named in the catalogue as a topic's producer or
consumer may neither write nor read it. ``takin topics acls`` gives these rights, and Strimzi's users are made
from the same list.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from schemas.topics import CATALOGUE, Topic

Operation = Literal["Read", "Write", "Describe", "DescribeConfigs", "Create"]
Resource = Literal["topic", "group"]

ACCOUNTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "takin-connector": ("connectors",),
        "takin-intake": ("intake",),
        "takin-pictures": ("pictures",),
        "takin-screening": ("screening",),
        "takin-notices": ("notices", "relay"),
        "takin-auditor": ("auditor",),
        "takin-desk": ("desk",),
        # Who types commands: the lists, the rules, and what was set aside.
        "takin-operator": (
            "watchlist command",
            "rules command",
            "reference command",
            "dead-letters command",
            "recover command",
        ),
        # Whoever looks from outside and changes nothing.
        "takin-reader": ("dashboards", "exports", "auditors"),
    }
)
"""Account, and the names that it has in the catalogue."""

GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "takin-pictures": ("takin-pictures",),
        "takin-screening": ("screening",),
        "takin-notices": ("notices", "notices-reports"),
    }
)
"""Consumer groups of each account that reads in some."""
OPERATOR = "takin-operator"


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One thing that one account may do. Everything else is denied by the broker."""

    account: str
    resource: Resource
    name: str
    operation: Operation

    def __str__(self) -> str:
        return f"{self.account} may {self.operation} {self.resource} {self.name}"


def may_write(account: str, topic: Topic) -> bool:
    """Whether the catalogue names the account as a producer."""
    return any(name in topic.producers for name in ACCOUNTS[account])


def may_read(account: str, topic: Topic) -> bool:
    """Whether the catalogue names the account as a consumer."""
    return any(name in topic.consumers for name in ACCOUNTS[account])


def rights() -> tuple[Right, ...]:
    """Every right that there is, in order."""
    return tuple(sorted({right for account in ACCOUNTS for right in _of(account)}))


def _of(account: str) -> Iterator[Right]:
    for topic in CATALOGUE:
        # That a topic exists and how long it is: every process checks the first, and no record is in either.
        yield Right(account, "topic", topic.name, "Describe")
        if may_write(account, topic):
            yield Right(account, "topic", topic.name, "Write")
        if may_read(account, topic):
            yield Right(account, "topic", topic.name, "Read")
        if account == OPERATOR:
            # `takin topics apply` and `takin doctor`.
            yield Right(account, "topic", topic.name, "Create")
            yield Right(account, "topic", topic.name, "DescribeConfigs")
    if account in GROUPS:
        yield from (Right(account, "group", group, "Read") for group in GROUPS[account])
    if account == OPERATOR:
        # `takin doctor` says how far behind screening is.
        yield from (
            Right(account, "group", group, "Describe") for groups in GROUPS.values() for group in groups
        )


__all__ = ["ACCOUNTS", "GROUPS", "OPERATOR", "Right", "may_read", "may_write", "rights"]
