from pathlib import Path

import pytest
from faust import SASLCredentials

from schemas.errors import OperatorError
from schemas.kafka_access import SASL_SSL, KafkaAccess, kafka_at, read_access
from streams.screening.app import credentials


def test_without_settings_kafka_is_spoken_to_in_the_clear() -> None:
    assert read_access({}) == KafkaAccess()
    assert KafkaAccess().options() == {"security_protocol": "PLAINTEXT"}


def test_a_password_comes_from_a_file_and_is_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("canary-1\n")
    access = read_access(
        {
            "KAFKA_SECURITY_PROTOCOL": "sasl_ssl",
            "KAFKA_SASL_USERNAME": "takin-intake",
            "KAFKA_SASL_PASSWORD_FILE": str(file),
        }
    )

    options = access.options()

    assert options["security_protocol"] == SASL_SSL
    assert options["sasl_mechanism"] == "SCRAM-SHA-512"
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("takin-intake", "canary-1")
    assert options["ssl_context"].check_hostname
    assert "canary-1" not in repr(access)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "KAFKA_SECURITY_PROTOCOL is 'TLS': it must be PLAINTEXT, SSL"),
        ({"KAFKA_SASL_MECHANISM": "SCRAM"}, "KAFKA_SASL_MECHANISM is 'SCRAM': it must be SCRAM-SHA-512"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_USERNAME": "a"}, "needs KAFKA_SASL_USERNAME"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_PASSWORD": "a"}, "needs KAFKA_SASL_USERNAME"),
        ({"KAFKA_SASL_USERNAME": "a", "KAFKA_SASL_PASSWORD": "b"}, "PLAINTEXT never shows"),
        ({"KAFKA_SASL_PASSWORD_FILE": "/nowhere"}, "KAFKA_SASL_PASSWORD_FILE /nowhere cannot be read"),
    ],
    ids=["protocol", "mechanism", "no password", "no user", "unused", "no file"],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, str], sentence: str) -> None:
    with pytest.raises(OperatorError, match=sentence):
        read_access(settings)


def test_a_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    file = tmp_path / "odd.pem"
    file.write_text("not a certificate")

    for access in (
        KafkaAccess(protocol="SSL", ca_file=str(file)),
        KafkaAccess(protocol="SSL", certificate_file=str(file)),
    ):
        with pytest.raises(OperatorError, match=f"{file} cannot be used"):
            access.options()


def test_nothing_is_sent_in_the_clear_to_another_machine_unless_that_was_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KAFKA_SECURITY_PROTOCOL", raising=False)
    with pytest.raises(OperatorError, match="is on another machine and nothing says"):
        kafka_at("127.0.0.1:9092,kafka-1.example:9092")

    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT")

    assert kafka_at("kafka-1.example:9092, [::1]:9092")["bootstrap_servers"] == [
        "kafka-1.example:9092",
        "[::1]:9092",
    ]


def test_faust_is_told_the_same_as_every_other_client() -> None:
    access = KafkaAccess(protocol=SASL_SSL, username="takin-screening", password="p")
    options = access.options()

    told = credentials(options)

    assert isinstance(told, SASLCredentials)
    assert told.protocol.value == SASL_SSL
    assert vars(told) == {
        "username": "takin-screening",
        "password": "p",
        "mechanism": told.mechanism,
        "ssl_context": options["ssl_context"],
        "protocol": told.protocol,
    }
    assert told.mechanism.value == "SCRAM-SHA-512"
    assert credentials(KafkaAccess().options()) is None
    context = credentials(KafkaAccess(protocol="SSL").options())
    assert context is not None
    assert context.protocol.value == "SSL"
