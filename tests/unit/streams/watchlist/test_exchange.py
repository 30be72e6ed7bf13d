"""Entries as files: the same entries come back, and of a broken file nothing is taken."""

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.watchlist import WatchlistEntry
from streams.watchlist.exchange import (
    BadFile,
    Defaults,
    Format,
    compare,
    entry_id_of,
    read_entries_from,
    write_csv,
    write_json,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DEFAULTS = Defaults("analyst", NOW)


def entry(entry_id: str = "e-1", **changes: Any) -> WatchlistEntry:
    return WatchlistEntry.model_validate(
        {
            "entry_id": entry_id,
            "kind": "term",
            "value": "moon biscuit",
            "reason": "seen in listings of ivory",
            "source": "test",
            "added_by": "tests",
            "added_at": NOW,
            **changes,
        }
    )


def read(text: str, form: Format) -> list[WatchlistEntry]:
    return [row.entry for row in read_entries_from(text.encode(), form, DEFAULTS)]


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
hostile = st.builds(
    str.__add__, st.sampled_from(["=", "'=", "''+", "@", "-", "\t", "\r", "\n", "'", '"', ","]), words
)
entries = st.lists(
    st.builds(
        lambda n, value, reason, platform, confidence, expires_at, state: entry(
            f"e-{n}",
            kind="seller",
            value=value,
            reason=reason,
            platform=platform,
            confidence=confidence,
            expires_at=expires_at,
            state=state,
            outcome="monitor",
            state_reason=reason,
        ),
        st.integers(0, 10**9),
        (words | hostile).filter(lambda text: len(text) >= 2),
        words | hostile,
        st.none() | hostile,
        st.floats(0, 1),
        st.none() | st.datetimes(timezones=st.just(UTC)),
        st.sampled_from(["active", "shadow", "quarantined", "retired"]),
    ),
    unique_by=lambda one: one.entry_id,
    max_size=5,
)


@given(entries)
def test_what_is_exported_is_imported_as_the_same(told: list[WatchlistEntry]) -> None:
    assert read(write_csv(told), "csv") == told
    assert read(write_json(told), "json") == told
    assert read("\n".join(one.to_bytes().decode() for one in told), "json") == told


@given(entries)
def test_no_cell_begins_like_a_formula(told: list[WatchlistEntry]) -> None:
    for row in csv.reader(io.StringIO(write_csv(told), newline="")):
        for cell in row:
            assert cell[:1] not in ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠") or not cell


def test_a_person_may_leave_out_what_can_be_known() -> None:
    text = "kind,value,reason,source\ncode_word,white plastic,stands for ivory,case 17\n\n"

    (one,) = read("\ufeff" + text, "csv")
    assert one.entry_id == entry_id_of("code_word", "white plastic")
    assert (one.added_by, one.added_at, one.outcome) == ("analyst", NOW, "review")


GOOD = "term,moon biscuit,r,s"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(f"kind,value,reason,source\n{GOOD}\nterm,x,r,s\n", "line 3: value", id="one letter"),
        pytest.param(
            f"kind,value,reason,source\n{GOOD}\nterm,x\u200b\u200b,r,s\n",
            "line 3: it comes down to one letter",
            id="one letter and nothing visible",
        ),
        pytest.param(f"kind,value,reason,source\n{GOOD}\nspell,abc,r,s\n", "line 3: kind", id="kind"),
        pytest.param(f"kind,value,reason,source\n{GOOD}\nterm,abc,r\n", "line 3: 3 cells", id="cells"),
        pytest.param(f"kind,value,reason,source\n{GOOD}\n{GOOD}\n", "line 3: the id", id="twice"),
        pytest.param(
            "kind,value,reason,source\n" + GOOD + '\nterm,"two\nlines",r,s\nterm,x,r,s\n',
            "line 5:",
            id="lines in a cell",
        ),
        pytest.param('kind,value,reason,source\nterm,"abc,r,s\n', "line 2: not CSV", id="open quote"),
        pytest.param("kind,value,colour\n", "line 1: a column is unknown", id="column"),
        pytest.param("", "line 1: a heading", id="empty"),
    ],
)
def test_a_bad_row_of_a_table_is_named_by_its_line(text: str, said: str) -> None:
    with pytest.raises(BadFile) as refused:
        read(text, "csv")

    assert [problem for problem in refused.value.problems if said in problem]


OBJECT = json.dumps({"kind": "term", "value": "moon biscuit", "reason": "r", "source": "s"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(OBJECT + "\n{broken\n", "line 2: not JSON", id="line"),
        pytest.param(OBJECT + "\n\n[1]\n", "line 3: not an entry", id="no object"),
        pytest.param("[\n" + OBJECT + ",\n{}\n]", "line 3: ", id="array"),
        pytest.param("[\n" + OBJECT + ",\n]", "line 3: not JSON", id="trailing comma"),
        pytest.param("[\n" + OBJECT + "\n", "not closed", id="not closed"),
        pytest.param("[" + OBJECT + "] x", "follows the end", id="more"),
        pytest.param(OBJECT.replace("source", "sauce"), "line 1: there is no field", id="unknown field"),
        pytest.param("[" * 100_000, "line 1: not JSON", id="nested"),
    ],
)
def test_a_bad_row_of_json_is_named_by_its_line(text: str, said: str) -> None:
    with pytest.raises(BadFile) as refused:
        read(text, "json")

    assert [problem for problem in refused.value.problems if said in problem]


def test_bytes_that_are_no_text_are_named_by_their_line() -> None:
    with pytest.raises(BadFile, match="line 2: not UTF-8"):
        read_entries_from(b"kind\n\xff", "csv", DEFAULTS)


def test_an_import_tells_added_changed_and_unchanged() -> None:
    text = "entry_id,kind,value,reason,source\na,term,aaa,r,s\nb,term,bbb,new,s\nc,term,ccc,r,s\n"
    there = {
        "a": entry("a", value="aaa", reason="r", source="s"),
        "b": entry("b", value="bbb", reason="old", source="s"),
        "z": entry("z"),
    }
    found = compare(read_entries_from(text.encode(), "csv", DEFAULTS), there)

    assert [one.entry_id for one in found.added] == ["c"]
    assert [one.entry_id for one in found.changed] == ["b"]
    assert found.unchanged == (there["a"],)
