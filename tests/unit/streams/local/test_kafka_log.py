"""What the broker's last words mean."""

from pathlib import Path

import pytest

from streams.local.kafka_log import tail, why_it_stopped

ERROR = "2026-01-02T03:04:05.678Z ERROR kafka.server: "
WARN = "2026-01-02T03:04:05.678Z WARN kafka.server: "


def _why(log: str, exit_code: int = 1) -> str:
    return why_it_stopped(
        log, exit_code=exit_code, folder=Path("data"), port=9092, log_file=Path("kafka.log")
    )


@pytest.mark.parametrize(
    ("log", "meaning"),
    [
        (ERROR + "x\njava.io.IOException: No space left on device", "the disk that holds data is full"),
        ("InternalError: a fault occurred in an unsafe memory access operation", "the disk is full"),
        ("KafkaException: failed to bind to 127.0.0.1:9092: Address already in use.", "port 9092 is in use"),
        ("KafkaException: Failed to acquire lock on file .lock in data.", "data is in use by another Kafka"),
        ("java.nio.file.AccessDeniedException: data/broker", "may not write to data"),
        ("java.io.IOException: Too many open files", "ulimit -n"),
        ("Error: UnsupportedClassVersionError: kafka/Kafka", "Java runtime is too old"),
        ("Error in VM\nCould not reserve enough space for object heap", "not enough memory"),
        ("RuntimeException: No `meta.properties` found in data/broker", "damaged or belongs to another"),
        ("Error: Could not find or load main class kafka.Kafka", "jars are incomplete"),
    ],
)
def test_a_known_cause_is_told_in_words(log: str, meaning: str) -> None:
    sentence = _why(log)
    assert sentence.startswith("The embedded Kafka stopped: ")
    assert meaning in sentence
    assert "\n" not in sentence


def test_an_unknown_cause_is_quoted_with_the_log_to_read() -> None:
    sentence = _why(f"{WARN}first\n{ERROR}something new\n")
    assert "something new" in sentence
    assert "kafka.log" in sentence


def test_a_warning_is_no_cause() -> None:
    log = f"{WARN}The metadata log appears to be empty, see bootstrap.checkpoint and meta.properties.\n"
    assert "its last line was" in _why(log)
    assert "exit code 3" in _why("", exit_code=3)


def test_a_signal_is_told() -> None:
    assert "another program ended it with SIGKILL" in _why("", exit_code=-9)


def test_only_what_was_logged_since_the_start_counts(tmp_path: Path) -> None:
    log = tmp_path / "kafka.log"
    log.write_text("old\n")
    before = log.stat().st_size
    with log.open("a") as file:
        file.write("new\n")
    assert tail(log, before) == "new\n"


def test_a_log_that_was_rolled_since_counts_whole(tmp_path: Path) -> None:
    (tmp_path / "kafka.log").write_text("new\n")
    assert tail(tmp_path / "kafka.log", 10_000) == "new\n"
    assert tail(tmp_path / "none.log") == ""


def test_of_a_huge_log_only_the_end_is_read(tmp_path: Path) -> None:
    (tmp_path / "kafka.log").write_bytes(b"x" * 1_000_000 + b"end")
    assert tail(tmp_path / "kafka.log").endswith("end")
    assert len(tail(tmp_path / "kafka.log")) == 200_000
