"""What is shown of the connectors is what the platforms file and the saved places say."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from connectors.cursors import CursorStore
from connectors.errors import PlatformUnavailable
from connectors.platform_config import PlatformConfig
from connectors.registry import load_platforms, readable
from connectors.run_notes import RunNotes
from schemas.errors import OperatorError
from streams.cli import app
from streams.connect.overview import Overview, overview, table

NOW = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)
SHOP = {
    "name": "shop",
    "kind": "desk",
    "folder": "letters",
    "base_url": "https://shop.example",
    "reads": {"api": "shopify", "calls_a_day": 100},
}
MUTE = {"name": "mute", "kind": "desk", "folder": "letters", "base_url": "https://mute.example"}


def configs() -> list[PlatformConfig]:
    return [PlatformConfig.model_validate(one) for one in (SHOP, MUTE)]


def test_what_never_ran_and_what_is_only_notified(tmp_path: Path) -> None:
    shop, mute = overview(configs(), tmp_path / "none", NOW)

    assert (shop.source, shop.channel, shop.state, shop.calls_left) == ("shopify", "desk", "never run", 100)
    assert (mute.source, mute.state, mute.calls_left) == (None, "only notified", None)


def test_the_last_error_and_where_reading_goes_on(tmp_path: Path) -> None:
    notes = RunNotes(tmp_path / "notes", lambda: at)
    CursorStore(tmp_path).save("shopify", "shop", json.dumps({"seen": {"1": "a", "2": "b"}}), NOW)

    def shown() -> Overview:
        return overview(configs(), tmp_path, NOW, notes=tmp_path / "notes")[0]

    assert (shown().state, shown().last_error, shown().cursor) == ("fresh", None, "2 known")
    at = NOW - timedelta(minutes=5)
    notes.failed("shopify", "shop", PlatformUnavailable("throttled", "HTTP 429\n\u202eno"))
    notes.failed("shopify", "shop2", PlatformUnavailable("timeout", "another's"))
    assert (shown().state, shown().last_error) == ("failing", "throttled: HTTP 429 [U+202E]no")
    assert shown().last_error_at == at.isoformat()
    assert shown().can == ("read", "notify")
    at = NOW - timedelta(minutes=4)
    notes.read_to_end("shopify", "shop")
    assert (shown().state, shown().last_error_at) == ("fresh", (NOW - timedelta(minutes=5)).isoformat())
    line = table(overview(configs(), tmp_path, NOW, notes=tmp_path / "notes")).splitlines()[3]
    assert line.startswith("shop: last error 2026-03-09T11:55")
    (tmp_path / "notes" / "broken.json").write_text('{"connector": 7, "extra": 1}')
    assert shown().state == "fresh"


def test_until_when_the_platform_asked_to_be_left_alone(tmp_path: Path) -> None:
    store = CursorStore(tmp_path)
    store.keep_wait("shopify", "shop", 1_800.0, NOW)
    store.keep_wait("shopify", "shop search ivory", 60.0, NOW)
    store.keep_wait("shopify", "another", 3_000.0, NOW)

    def shown(at: datetime) -> tuple[str | None, list[str]]:
        rows = overview(configs(), tmp_path, at)
        assert rows[1].waits_until is None
        return rows[0].waits_until, [line for line in table(rows).splitlines() if "waits until" in line]

    assert shown(NOW + timedelta(minutes=5)) == (
        "2026-03-09T12:30:00+00:00",
        ["shop: waits until 2026-03-09T12:30:00+00:00, as the platform asked"],
    )
    assert shown(NOW + timedelta(minutes=30)) == (None, [])
    assert shown(NOW - timedelta(days=1))[0] == "2026-03-08T12:30:00+00:00"


def test_a_note_that_cannot_be_kept_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("a file where the folder should be")
    notes = RunNotes(tmp_path / "notes", lambda: NOW)

    notes.failed("shopify", "shop", PlatformUnavailable("throttled", "HTTP 429"))
    notes.read_to_end("shopify", "shop")


@pytest.mark.parametrize(
    ("saved", "day", "state", "left"),
    [
        (NOW - timedelta(hours=1), "2026-03-09", "fresh", 60),
        (NOW - timedelta(days=2), "2026-03-07", "silent", 100),
    ],
)
def test_freshness_and_budget(tmp_path: Path, saved: datetime, day: str, state: str, left: int) -> None:
    cursor = json.dumps({"seen": {}, "walked": {}, "day": day, "calls": 40})
    CursorStore(tmp_path).save("shopify", "shop", cursor, saved)
    CursorStore(tmp_path).save("shopify", "shop2", cursor, NOW)
    (tmp_path / "broken.json").write_text("{")

    shop, _ = overview(configs(), tmp_path, NOW)

    assert (shop.state, shop.calls_left, shop.cursors) == (state, left, 1)
    assert shop.read_at == saved.isoformat(timespec="seconds")


def test_the_command_speaks_to_people_and_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAKIN_DATA_DIR", str(tmp_path / "data"))
    path = tmp_path / "platforms.yaml"
    path.write_text(yaml.safe_dump({"platforms": [SHOP, MUTE]}))

    table = CliRunner().invoke(app, ["connectors", "--platforms", str(path)])
    rows = CliRunner().invoke(app, ["connectors", "--platforms", str(path), "--json"])

    assert table.exit_code == 0
    assert [line.split()[:2] for line in table.stdout.splitlines()[1:3]] == [
        ["shop", "shopify"],
        ["mute", "-"],
    ]
    assert [one["name"] for one in json.loads(rows.stdout)] == ["shop", "mute"]


@pytest.mark.parametrize(
    ("reads", "told"),
    [
        ({"api": "nothing"}, f"there is no 'nothing'; known: {', '.join(readable())}"),
        ({"api": "ebay"}, "api: ebay needs key and secret and words"),
        ({"api": "etsy", "words": ["ivory"]}, "api: etsy needs key"),
        ({"api": "mastodon"}, "api: mastodon needs words"),
        ({"api": "etsy", "words": ["ivory"], "key": "abcdefgh"}, "given as env:NAME or file:PATH"),
        ({"api": "shopify", "base_url": "http://shop.example"}, "must be https"),
    ],
)
def test_what_a_reader_lacks_is_said_when_the_file_is_read(
    tmp_path: Path, reads: dict[str, object], told: str
) -> None:
    path = tmp_path / "platforms.yaml"
    path.write_text(yaml.safe_dump({"platforms": [{**SHOP, "reads": reads}]}))

    with pytest.raises(OperatorError) as error:
        load_platforms(path)

    assert told in str(error.value)
