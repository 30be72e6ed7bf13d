"""The two settings files of the embedded broker, as text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from schemas.kafka_access import KafkaAccess
from streams.local.ports import LOOPBACK

NODE_ID = 1


@dataclass(frozen=True, slots=True)
class Guard:
    """TLS, logins by SCRAM-SHA-512 and rights: who has no right may nothing."""

    certificate: Path
    """PEM: the broker's private key (PKCS 8), its certificate and who signed it, in one file."""
    authority: Path
    """PEM: who signs."""
    access: KafkaAccess
    """The account that may everything."""
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Further accounts."""

    def format_options(self) -> tuple[str, ...]:
        """Arguments of Kafka's storage tool that make the accounts."""
        known = {**self.passwords, str(self.access.username): str(self.access.password)}
        return tuple(
            word
            for name, password in known.items()
            for word in ("--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]")
        )

    def settings(self, broker_port: int, controller_port: int) -> Mapping[str, object]:
        """What stands in server.properties instead of, or beside, an open broker's settings."""
        return {
            "listeners": f"SASL_SSL://{LOOPBACK}:{broker_port},CONTROLLER://{LOOPBACK}:{controller_port}",
            "advertised.listeners": f"SASL_SSL://{LOOPBACK}:{broker_port}",
            "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "SASL_SSL",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required "
                f'username="{self.access.username}" password="{self.access.password}";'
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self.certificate,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.authority,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            # ANONYMOUS is the controller's own loopback listener, which clients do not use.
            "super.users": f"User:{self.access.username};User:ANONYMOUS",
            "allow.everyone.if.no.acl.found": "false",
        }


def server_properties(
    *, broker_port: int, controller_port: int, log_dir: Path, guard: Guard | None = None
) -> str:
    """One node that is broker and controller (KRaft), for loopback clients only."""
    settings = {
        "process.roles": "broker,controller",
        "node.id": NODE_ID,
        "controller.quorum.voters": f"{NODE_ID}@{LOOPBACK}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{broker_port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{broker_port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": log_dir,
        # A topic exists because the catalogue says so, never because somebody misspelt one.
        "auto.create.topics.enable": "false",
        "num.partitions": 4,
        # One node: what defaults to three copies would never come up.
        "default.replication.factor": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 2,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 2,
        "min.insync.replicas": 1,
        # A development machine has a few consumers that start together: do not wait for more.
        "group.initial.rebalance.delay.ms": 0,
        # After kill -9 the controller refuses the broker's return while it holds the old session for
        # alive (9 s by default). Both live in one process here, so they pause and resume together.
        "broker.session.timeout.ms": 2_000,
        "broker.heartbeat.interval.ms": 500,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "background.threads": 2,
        "num.recovery.threads.per.data.dir": 2,
        # 64 MB segments: a demo must not reserve gigabytes, and old data goes in smaller steps.
        "log.segment.bytes": 64 * 1024 * 1024,
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        "metadata.log.segment.bytes": 16 * 1024 * 1024,
        "metadata.max.retention.bytes": 32 * 1024 * 1024,
        **(guard.settings(broker_port, controller_port) if guard else {}),
    }
    return "".join(f"{name}={_escape(value)}\n" for name, value in settings.items())


def _escape(value: object) -> str:
    """A value as java.util.Properties reads it: a backslash is an escape there."""
    return str(value).replace("\\", "\\\\")


def log4j_properties(log_file: Path) -> str:
    """Warnings and errors into one file of bounded size; nothing on the console."""
    return f"""\
status = error
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {_escape(log_file)}
appender.file.filePattern = {_escape(log_file)}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{yyyy-MM-dd'T'HH:mm:ss.SSS'Z'}}{{UTC}} %p %c: %m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 8MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 2
rootLogger.level = warn
rootLogger.appenderRef.file.ref = file
"""
