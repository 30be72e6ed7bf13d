"""A service's log stays small and its last words are kept."""

import io
from pathlib import Path

from streams.local.service_log import BoundedLog, Listener


def test_a_full_log_becomes_the_old_one_and_both_stay_bounded(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "a.log", limit=100)
    for number in range(50):
        log.write(f"line {number:02d}\n".encode())
    log.close()

    assert {path.name for path in tmp_path.iterdir()} == {"a.log", "a.log.1"}
    assert all(path.stat().st_size <= 100 for path in tmp_path.iterdir())
    assert (tmp_path / "a.log").read_text().endswith("line 49\n")


def test_a_log_is_continued_after_a_restart(tmp_path: Path) -> None:
    for words in (b"first\n", b"second\n"):
        log = BoundedLog(tmp_path / "a.log")
        log.write(words)
        log.close()
    assert (tmp_path / "a.log").read_bytes() == b"first\nsecond\n"


def test_writing_to_a_closed_log_is_no_error(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "a.log")
    log.close()
    log.write(b"late\n")
    assert (tmp_path / "a.log").read_bytes() == b""


def test_the_last_line_is_the_last_that_says_something(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "a.log")
    output = b"x" * 10_000 + b"\nfirst\ntakin: the sentence\n\n  \n"
    listener = Listener(io.BytesIO(output), log)
    listener.run()
    log.close()

    assert listener.last_line() == "takin: the sentence"
    assert (tmp_path / "a.log").read_bytes() == output
