"""Dead letters as a person sees them: complete, and harmless."""

import json
from datetime import UTC, datetime

from schemas.dead_letter import DeadLetter, dead_letter
from streams.dead_letters.ledger import Entry
from streams.dead_letters.rendering import as_json, page, table

HOSTILE = "\x1b[2J\u202ereversed\r\x07"


def _letter(value: bytes = HOSTILE.encode()) -> DeadLetter:
    return dead_letter(
        stage="screening",
        reason="wrong_shape",
        detail=f"The title is odd: {HOSTILE}",
        value=value,
        now=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        topic=f"listings{HOSTILE}",
        partition=3,
        offset=42,
        key=f"sandbox:{HOSTILE}".encode(),
        worker=f"w{HOSTILE}",
    )


def test_nothing_in_a_letter_reaches_the_terminal_raw() -> None:
    letter = _letter()
    entry = Entry(letter=letter, partition=0, offset=0)
    for text in (table([entry]), page(entry, letter), json.dumps(as_json(entry))):
        assert not set(text) & set("\x1b\u202e\r\x07")
    assert "\\x1b[2J\\u202ereversed" in page(entry, letter)


def test_a_row_says_which_when_why_and_from_where() -> None:
    entry = Entry(letter=_letter(), partition=0, offset=0, times=3)
    first, second = table([entry]).splitlines()
    for part in (
        entry.letter.dead_letter_id,
        "2026-01-02 03:04:05",
        "waiting",
        "screening",
        "wrong_shape",
        ":3:42",
    ):
        assert part in first
    assert "set aside 3 times" in first
    assert second.startswith("    The title is odd")


def test_long_bytes_are_shown_in_part_unless_asked_for() -> None:
    letter = _letter(b"y" * 10_000)
    entry = Entry(letter=letter, partition=0, offset=0)
    assert page(entry, letter).endswith("… 6000 more bytes")
    assert page(entry, letter, full=True).endswith("y" * 10_000)


def test_json_says_whether_and_why_not_it_can_go_back() -> None:
    cut = _letter(bytes(600_001))
    found = as_json(Entry(letter=cut, partition=0, offset=0))
    assert found["replayable"] is False
    assert "only the first part was kept" in found["not_replayable_because"]
    assert found["state"] == "waiting"
    assert "record_value" not in found
