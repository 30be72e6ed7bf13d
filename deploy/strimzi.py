"""The catalogue's topics as KafkaTopic resources of Strimzi. Not run in a cluster here."""

from collections.abc import Mapping
from typing import Any

import yaml

from schemas.topics import CATALOGUE, Topic

REPLICAS = 3
HEAD = """\
# Made by `make observability` from schemas/topics.py; do not edit. Not run in a cluster here.
# The topic operator makes them; `takin topics apply --dry-run` then says that all are as they should be.
"""


def files() -> Mapping[str, str]:
    """Path inside ``deploy``, text."""
    documents = yaml.safe_dump_all([_resource(topic) for topic in CATALOGUE], sort_keys=False)
    return {"kubernetes/topics.yaml": HEAD + documents}


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
