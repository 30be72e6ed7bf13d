"""The Faust app of screening, with the settings that must not be otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from faust.auth import SASLCredentials, SSLCredentials
from faust.serializers import codecs
from faust.types.auth import CredentialsT

from schemas.kafka_access import kafka_at
from schemas.topics import PARTITIONS
from streams.screening.lossless.app import LosslessApp
from streams.screening.lossless.book import Announce

METADATA_EVERY_MS = 5_000


@dataclass(frozen=True, slots=True)
class AppConfig:
    """What differs between workers."""

    bootstrap: str
    """``host:port`` of one or more brokers, separated by commas."""
    group: str
    group_instance_id: str | None = None
    """Static membership: a worker that comes back within the session timeout keeps its partitions."""
    session_timeout_s: float = 10.0
    """At least the broker's ``group.min.session.timeout.ms``, or joining fails for good."""
    stall_s: float = 60.0
    """How long a partition may stand still before the worker leaves to be started again."""
    max_poll_records: int = 500


def build_app(config: AppConfig, announce: Announce) -> LosslessApp:
    """The app. Settings without a comment bound how long a failure can stay unnoticed."""
    refuse_pickle()
    kafka = kafka_at(config.bootstrap)
    return LosslessApp(
        config.group,
        announce=announce,
        stall_s=config.stall_s,
        env={},  # Faust would let environment variables such as PROCESSING_GUARANTEE override these
        broker=[f"kafka://{address}" for address in kafka["bootstrap_servers"]],
        broker_credentials=credentials(kafka),
        # exactly_once was measured to fence its own producers and lose records.
        processing_guarantee="at_least_once",
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=config.group_instance_id,
        # Together with the announcement before it: at most once a second per partition.
        broker_commit_interval=1.0,
        broker_commit_every=10**9,
        broker_session_timeout=config.session_timeout_s,
        broker_heartbeat_interval=min(3.0, config.session_timeout_s / 3),
        broker_request_timeout=max(30.0, config.session_timeout_s),
        broker_rebalance_timeout=20.0,
        broker_max_poll_records=config.max_poll_records,
        # A broker that just came back may not know the topic for a moment; a group that joined then
        # has no partitions until its leader looks at the metadata again (default: five minutes).
        consumer_metadata_max_age_ms=METADATA_EVERY_MS,
        producer_request_timeout=30.0,
        stream_buffer_maxsize=256,
        stream_wait_empty=True,
        # Topics are made by `takin topics apply`, never by a worker.
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=PARTITIONS,
        topic_replication_factor=1,
        key_serializer="raw",
        value_serializer="raw",
        # Faust's own web listens on 0.0.0.0:6066 without a login.
        web_enabled=False,
        worker_redirect_stdouts=False,
    )


def credentials(kafka: Mapping[str, Any]) -> CredentialsT | None:
    """What every client of ours is told (:func:`schemas.kafka_access.kafka_at`), in Faust's own words."""
    context = kafka.get("ssl_context")
    if "sasl_mechanism" in kafka:
        return SASLCredentials(
            username=kafka["sasl_plain_username"],
            password=kafka["sasl_plain_password"],
            mechanism=kafka["sasl_mechanism"],
            ssl_context=context,
        )
    return SSLCredentials(context=context) if context is not None else None


def refuse_pickle() -> None:
    """Take the codecs out of Faust that run what a producer sent."""
    for name in [name for name in codecs.codecs if "pickle" in name]:
        del codecs.codecs[name]
