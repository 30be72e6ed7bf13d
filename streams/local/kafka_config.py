"""The two settings files of the embedded broker, as text."""

from pathlib import Path

from streams.local.ports import LOOPBACK

NODE_ID = 1


def server_properties(*, broker_port: int, controller_port: int, log_dir: Path) -> str:
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
