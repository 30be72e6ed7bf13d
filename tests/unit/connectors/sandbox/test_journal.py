import resource
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.sandbox.journal import EarlyRetry, Journal, JournalFile, read_journal
from connectors.sandbox.plan import ItemPlan
from connectors.sandbox.records import Accepted, Outcome, Record, RequestReceived, Stopped, Viewed, Withdrawn
from schemas.errors import OperatorError

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)


def request(
    second: float, key: str, attempt: int, outcome: Outcome, *, wait_s: float | None = None, item: str = ""
) -> RequestReceived:
    at = T0 + timedelta(seconds=second)
    accepted = None
    if item:
        accepted = Accepted(
            reference=f"R{key}{attempt}",
            items=(ItemPlan(item_id="i", listing_id=item, round=1, rule="prompt"),),
        )
    return RequestReceived(
        at=at,
        platform="shop",
        method="POST",
        path="/",
        key=key,
        attempt=attempt,
        sha256="0" * 64,
        size=1,
        outcome=outcome,
        not_before=None if wait_s is None else at + timedelta(seconds=wait_s),
        accepted=accepted,
    )


def written(path: Path, *records: Record) -> Path:
    file = JournalFile(path)
    for record in records:
        file.append(record)
    file.close()
    return path


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    records = (request(0, "k", 1, "accepted", item="L1"), Stopped(at=T0))

    assert Journal.load(written(tmp_path / "j", *records)).records == records


def test_effects_count_what_was_accepted_only() -> None:
    journal = Journal(
        (
            request(0, "a", 1, "accepted", item="L1"),
            request(1, "a", 2, "replayed"),
            request(2, "b", 1, "invalid"),
            request(3, "c", 1, "accepted", item="L2"),
            request(4, "c", 2, "accepted", item="L2"),
        )
    )

    assert journal.effects() == {"a": 1, "c": 2}
    assert journal.noticed_listings() == {("shop", "L1"): ("a",), ("shop", "L2"): ("c", "c")}
    assert [r.attempt for r in journal.attempts("a")] == [1, 2]


def test_a_retry_before_the_promised_time_is_early() -> None:
    journal = Journal(
        (
            request(0, "a", 1, "throttled", wait_s=2),
            request(0, "b", 1, "throttled", wait_s=2),
            request(1.5, "a", 2, "accepted", item="L1"),
            request(2.0, "b", 2, "accepted", item="L2"),
            request(2.1, "a", 3, "replayed"),
        )
    )

    assert journal.early_retries() == (EarlyRetry("shop", "a", 2, 0.5),)


def test_a_timeline_holds_what_is_about_the_listing() -> None:
    mine = (
        request(0, "a", 1, "accepted", item="L1"),
        Viewed(at=T0, platform="shop", path="/listing/L1", listing_id="L1", status=200, agent="probe/1"),
        Withdrawn(at=T0, platform="shop", listing_id="L1"),
    )
    others = (
        request(0, "b", 1, "accepted", item="L2"),
        Withdrawn(at=T0, platform="other", listing_id="L1"),
        Viewed(at=T0, platform="shop", path="/feed.json", status=200, agent="probe/1"),
    )
    journal = Journal((*mine, *others))

    assert journal.timeline("shop", "L1") == mine
    assert journal.views(agent_contains="probe") == (mine[1],)


def test_a_torn_last_line_is_left_out_and_then_cut_off(tmp_path: Path) -> None:
    path = written(tmp_path / "j", Stopped(at=T0))
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"at":"2026-')

    assert list(read_journal(path)) == [Stopped(at=T0)]
    assert written(path, Stopped(at=T0)).read_bytes() == whole * 2


def test_a_torn_line_longer_than_a_block_is_cut_off(tmp_path: Path) -> None:
    path = written(tmp_path / "j", Stopped(at=T0))
    whole = path.read_bytes()
    path.write_bytes(whole + b"x" * 200_000)
    written(path)

    assert path.read_bytes() == whole
    path.write_bytes(b"x" * 200_000)
    written(path)
    assert path.read_bytes() == b""


def test_a_foreign_line_in_the_middle_is_not_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path / "j", Stopped(at=T0))
    path.write_bytes(b"hello\n" + path.read_bytes())

    with pytest.raises(OperatorError, match="line 1"):
        Journal.load(path)


def test_two_sandboxes_do_not_share_a_journal(tmp_path: Path) -> None:
    first = JournalFile(tmp_path / "j")

    with pytest.raises(OperatorError, match="Another sandbox"):
        JournalFile(tmp_path / "j")
    first.close()
    JournalFile(tmp_path / "j").close()


def test_a_full_disk_is_named() -> None:
    file = JournalFile(Path("/dev/full"))

    with pytest.raises(OSError, match="No space left") as caught:
        file.append(Stopped(at=T0))
    file.close()
    assert caught.value.filename == "/dev/full"


def test_a_line_that_no_longer_fits_is_taken_back_whole(tmp_path: Path) -> None:
    path = written(tmp_path / "j", Stopped(at=T0))
    whole = path.read_bytes()
    file = JournalFile(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 10, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            file.append(Stopped(at=T0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == whole
    file.append(Stopped(at=T0))
    file.close()
    assert path.read_bytes() == whole * 2
