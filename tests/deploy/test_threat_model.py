"""The threat model names only what is there."""

import re
from pathlib import Path

from schemas.topics import CASE_EVENTS, DEAD_LETTERS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "deploy/threat-model.md").read_text("utf-8")
FILES = re.findall(r"`((?:tests|deploy|requirements|streams|schemas)/[\w./-]+)`", PAGE)


def test_every_file_that_is_said_to_hold_a_door_exists() -> None:
    assert len(FILES) > 20
    assert [file for file in FILES if not (ROOT / file).is_file()] == []


def test_every_door_names_what_holds_it() -> None:
    headings = ("by which door", "| where | how |")
    lines = [line for line in PAGE.splitlines() if line.startswith("| ")]
    rows = [line for line in lines if not any(one in line for one in headings)]

    assert [row for row in rows if not re.search(r"`(tests|deploy|schemas)/", row)] == []


def test_the_open_ones_are_still_open() -> None:
    """When one is closed, its line must go: a threat model that is too dark is not believed either."""
    assert "is still in Kafka** until it goes by its topic's retention: a year for" in PAGE
    assert CASE_EVENTS.retention_days == DEAD_LETTERS.retention_days == 365
    assert "Sellers' identifiers are plain" in PAGE
    assert "hmac.new(" not in (ROOT / "streams/notices/casebook/cases.py").read_text("utf-8")
