"""The catalogue's topics and the accounts' rights as resources of Strimzi. Not run in a cluster here."""

from collections.abc import Mapping
from typing import Any

import yaml

from schemas.rights import ACCOUNTS, Right, rights
from schemas.topics import CATALOGUE, Topic

REPLICAS = 3
USERS_HEAD = """\
# Made by `make observability` from schemas/rights.py; do not edit. Not run in a cluster here.
# The same rights are tried out, one by one, by tests/kafka/test_guarded_kafka.py.
"""
HEAD = """\
# Made by `make observability` from schemas/topics.py; do not edit. Not run in a cluster here.
# The topic operator makes them; `takin topics apply --dry-run` then says that all are as they should be.
"""


def files() -> Mapping[str, str]:
    """Path inside ``deploy``, text."""
    documents = yaml.safe_dump_all([_resource(topic) for topic in CATALOGUE], sort_keys=False)
    users = yaml.safe_dump_all([_user(account) for account in ACCOUNTS], sort_keys=False)
    return {"kubernetes/topics.yaml": HEAD + documents, "kubernetes/users.yaml": USERS_HEAD + users}


def _user(account: str) -> dict[str, Any]:
    """The operator writes each password into a Secret of the account's name, under ``password``."""
    return {
        "apiVersion": "kafka.strimzi.io/v1beta2",
        "kind": "KafkaUser",
        "metadata": {"name": account, "labels": {"strimzi.io/cluster": "takin"}},
        "spec": {
            "authentication": {"type": "scram-sha-512"},
            "authorization": {
                "type": "simple",
                "acls": [_acl(right) for right in rights() if right.account == account],
            },
        },
    }


def _acl(right: Right) -> dict[str, Any]:
    return {
        "resource": {"type": right.resource, "name": right.name, "patternType": "literal"},
        "operations": [right.operation],
    }


def _resource(topic: Topic) -> dict[str, Any]:
    return {
        "apiVersion": "kafka.strimzi.io/v1beta2",
        "kind": "KafkaTopic",
        "metadata": {"name": topic.name, "labels": {"strimzi.io/cluster": "takin"}},
        "spec": {
            "partitions": topic.partitions,
            "replicas": REPLICAS,
            # With two copies written before an acknowledgement, one broker may be lost.
            "config": {**topic.config(), "min.insync.replicas": "2"},
        },
    }
