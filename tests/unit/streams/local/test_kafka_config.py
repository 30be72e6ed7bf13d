"""The broker's settings files."""

from pathlib import Path

from streams.local.kafka import new_cluster_id
from streams.local.kafka_config import log4j_properties, server_properties


def _settings() -> dict[str, str]:
    text = server_properties(broker_port=9092, controller_port=9093, log_dir=Path("/data/my kafka"))
    return dict(line.split("=", 1) for line in text.splitlines())


def test_every_listener_is_on_loopback() -> None:
    settings = _settings()
    assert settings["listeners"] == "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"
    assert settings["advertised.listeners"] == "PLAINTEXT://127.0.0.1:9092"
    assert settings["controller.quorum.voters"] == "1@127.0.0.1:9093"


def test_one_node_is_enough_for_every_internal_topic_and_none_is_made_by_accident() -> None:
    settings = _settings()
    factors = {name: value for name, value in settings.items() if name.endswith("replication.factor")}
    assert len(factors) == 4
    assert set(factors.values()) == {"1"}
    assert settings["auto.create.topics.enable"] == "false"
    assert "group.min.session.timeout.ms" not in settings  # Kafka's own 6 s


def test_a_folder_with_odd_letters_is_written_as_java_reads_it() -> None:
    text = log4j_properties(Path("/data/a\\b/kafka.log"))
    assert "appender.file.fileName = /data/a\\\\b/kafka.log" in text


def test_no_cluster_id_looks_like_an_option() -> None:
    """One in 64 random ones would: Kafka's format tool then fails."""
    drawn = {new_cluster_id() for _ in range(2_000)}
    assert len(drawn) == 2_000
    assert {len(cluster_id) for cluster_id in drawn} == {22}
    assert not [cluster_id for cluster_id in drawn if cluster_id.startswith("-")]
