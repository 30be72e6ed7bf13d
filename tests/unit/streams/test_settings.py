"""Where a command looks when it is told little."""

import json
from pathlib import Path

import pytest

from streams.settings import USUAL, Settings


@pytest.mark.parametrize(
    ("kept", "wanted"),
    [
        (json.dumps({"kafka": 40123, "desk": 1}), "127.0.0.1:40123"),
        (json.dumps({"desk": 1}), USUAL),
        ("[]", USUAL),
        ("no JSON", USUAL),
        (None, USUAL),
    ],
)
def test_without_an_address_it_is_the_kafka_that_runs_with_the_folder(
    kept: str | None, wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    monkeypatch.setenv("TAKIN_DATA_DIR", str(tmp_path))
    if kept is not None:
        (tmp_path / "ports.json").write_text(kept)

    settings = Settings()

    assert settings.kafka_bootstrap_servers == wanted
    assert settings.kafka_named is None


def test_an_address_that_is_given_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ports.json").write_text('{"kafka": 40123}')
    monkeypatch.setenv("TAKIN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka.example:9092")

    assert Settings().kafka_bootstrap_servers == Settings().kafka_named == "kafka.example:9092"
