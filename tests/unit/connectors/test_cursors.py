"""A cursor survives a restart, belongs to one source, and is never half written."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.cursors import CursorStore, every_wait
from connectors.http import RETRY_AFTER_MAX_S
from schemas.errors import OperatorError

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def test_a_saved_cursor_is_found_by_another_process(tmp_path: Path) -> None:
    CursorStore(tmp_path / "new").save("feed", "shop https://a.example/?q=ö", "c-1", NOW)

    assert CursorStore(tmp_path / "new").load("feed", "shop https://a.example/?q=ö") == "c-1"
    assert CursorStore(tmp_path / "new").load("page", "shop https://a.example/?q=ö") is None
    assert CursorStore(tmp_path / "new").load("feed", "shop https://a.example/?q=o") is None


def test_places_that_look_alike_do_not_share_a_file(tmp_path: Path) -> None:
    store = CursorStore(tmp_path)
    store.save("file", "/a/b.csv", "1", NOW)
    store.save("file", "/a-b.csv", "2", NOW)
    store.save("file", "../../etc/passwd", "3", NOW)

    assert [store.load("file", place) for place in ("/a/b.csv", "/a-b.csv", "../../etc/passwd")] == [
        "1",
        "2",
        "3",
    ]
    assert all(path.parent == tmp_path for path in tmp_path.rglob("*"))


def test_a_newer_cursor_replaces_the_older_and_leaves_nothing_behind(tmp_path: Path) -> None:
    store = CursorStore(tmp_path)
    for number in range(3):
        store.save("feed", "x", str(number), NOW)

    assert store.load("feed", "x") == "2"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_write_that_fails_keeps_the_old_cursor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = CursorStore(tmp_path)
    store.save("feed", "x", "old", NOW)

    with pytest.raises(TypeError):
        store.save("feed", "x", object(), NOW)  # type: ignore[arg-type]

    assert store.load("feed", "x") == "old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", '{"cursor": "1"}', '{"connector": "feed", "place": "y"}'])
def test_a_cursor_file_that_cannot_be_read_is_told_and_not_taken_for_a_beginning(
    tmp_path: Path, content: str
) -> None:
    store = CursorStore(tmp_path)
    store.save("feed", "x", "1", NOW)
    (file,) = tmp_path.iterdir()
    file.write_text(content)

    with pytest.raises(OperatorError, match="delete it to begin"):
        store.load("feed", "x")


def test_a_forgotten_cursor_is_gone(tmp_path: Path) -> None:
    store = CursorStore(tmp_path)
    store.forget("feed", "x")
    store.save("feed", "x", "1", NOW)
    store.forget("feed", "x")

    assert store.load("feed", "x") is None


def test_a_wait_is_found_by_another_process_and_outlives_the_cursor(tmp_path: Path) -> None:
    CursorStore(tmp_path / "new").keep_wait("feed", "x", 90.0, NOW)
    CursorStore(tmp_path / "new").save("feed", "x", "1", NOW)
    CursorStore(tmp_path / "new").forget("feed", "x")
    found = CursorStore(tmp_path / "new").wait("feed", "x")

    assert found is not None
    assert (found.connector, found.place, found.until) == ("feed", "x", NOW + timedelta(seconds=90))
    assert CursorStore(tmp_path / "new").wait("feed", "y") is None
    assert CursorStore(tmp_path / "new").load("feed", "x") is None
    assert every_wait(tmp_path / "new") == (found,)


@pytest.mark.parametrize(
    ("asked_s", "passed", "left_s"),
    [
        (90.0, timedelta(seconds=0), 90.0),
        (90.0, timedelta(seconds=60), 30.0),
        (90.0, timedelta(seconds=90), 0.0),
        (90.0, timedelta(days=9), 0.0),
        pytest.param(90.0, timedelta(days=-400), 90.0, id="the clock was set back"),
        pytest.param(1e9, timedelta(0), RETRY_AFTER_MAX_S, id="more than is heeded"),
    ],
)
def test_what_is_left_of_a_wait(tmp_path: Path, asked_s: float, passed: timedelta, left_s: float) -> None:
    store = CursorStore(tmp_path)
    store.keep_wait("feed", "x", asked_s, NOW)
    found = store.wait("feed", "x")

    assert found is not None
    assert found.left_s(NOW + passed) == left_s


def test_a_file_that_asks_for_years_is_heeded_for_the_longest_wait(tmp_path: Path) -> None:
    store = CursorStore(tmp_path)
    store.keep_wait("feed", "x", 90.0, NOW)
    (file,) = tmp_path.iterdir()
    file.write_text(file.read_text().replace(str(NOW.year), "2099").replace("2099", str(NOW.year), 1))
    found = store.wait("feed", "x")

    assert found is not None
    assert found.until.year == 2099
    assert found.left_s(NOW) == RETRY_AFTER_MAX_S


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"connector": "feed", "place": "x", "asked_at": "2026-11-23", "until": "2026-11-24"}'],
)
def test_a_wait_that_cannot_be_read_is_none(tmp_path: Path, content: str) -> None:
    store = CursorStore(tmp_path)
    store.keep_wait("feed", "x", 90.0, NOW)
    (file,) = tmp_path.iterdir()
    file.write_text(content)

    assert store.wait("feed", "x") is None
    assert every_wait(tmp_path) == ()


def test_a_disk_that_takes_no_wait_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("where the folder should be")

    CursorStore(tmp_path / "file").keep_wait("feed", "x", 90.0, NOW)
