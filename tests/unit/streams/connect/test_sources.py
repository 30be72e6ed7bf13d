"""What a person writes after ``takin connect`` opens the right source or is told what to write."""

import json
from collections.abc import Awaitable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors.cursors import CursorStore
from connectors.intake_keys import hash_key, load_keys
from connectors.registry import PlatformConfig
from schemas.errors import OperatorError
from schemas.listing import Listing
from streams.connect.sources import Opened, Wanted, name_of, open_source

NOW = datetime(2026, 11, 23, tzinfo=UTC)
CONFIGS = (
    PlatformConfig(
        name="market",
        kind="sandbox",
        base_url="https://desk.example.org",
        listing_hosts=("www.example.org",),
        secret=("env:S",),
    ),
)
SECRETS = {"S": "whsec_" + "c2hv" * 10}


def opened(source: str, **options: Any) -> Opened:
    wanted = Wanted(source, **options)
    return open_source(wanted, CONFIGS, run_id="r", now=lambda: NOW, environment=SECRETS)


def test_a_feed_belongs_to_the_platform_whose_host_it_has_or_that_was_named() -> None:
    assert opened("feed:https://www.example.org/new.xml").platform == "market"
    assert opened("feed:https://desk.example.org/new.xml").platform == "market"
    assert opened("page:https://www.other.example/1").platform == "other-example"
    assert opened("page:http://other.example/1", platform="mine").platform == "mine"


def test_a_configured_platform_is_read_through_its_own_connector() -> None:
    made = opened("market")

    assert (made.connector, made.place, made.platform) == ("sandbox", "market", "market")


NETWORK = PlatformConfig.model_validate(
    {
        "name": "network",
        "kind": "atproto",
        "base_url": "https://pds.example",
        "atproto": {"firehose": "wss://relay.example", "app_view": "https://view.example"},
    }
)


@pytest.mark.parametrize(("follow", "expected"), [(True, "stream"), (False, "fetch")])
async def test_a_platform_that_streams_is_streamed_only_when_it_is_followed(
    follow: bool, expected: str
) -> None:
    made = open_source(Wanted("network", follow=follow), [NETWORK], run_id="r", now=lambda: NOW)
    reading = made.source.read(None)
    closing = made.close()
    assert isinstance(closing, Awaitable)
    await closing

    assert reading.ag_frame.f_locals["follow"] is (expected == "stream")  # type: ignore[attr-defined]


def test_each_search_has_a_cursor_of_its_own() -> None:
    places = {
        open_source(Wanted("network", search=words), [NETWORK], run_id="r", now=lambda: NOW).place
        for words in ("carved ivory", "rhino horn", None)
    }

    assert places == {"network", "network search carved ivory", "network search rhino horn"}


@pytest.mark.parametrize(
    ("source", "told"), [("market", "cannot be searched"), ("file:x.jsonl", "--search is for")]
)
def test_a_search_where_there_is_none_is_told(source: str, told: str) -> None:
    with pytest.raises(OperatorError, match=told):
        opened(source, search="ivory")


def test_two_files_of_one_name_have_two_cursors(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.jsonl").write_text("{}\n")

    places = {opened(f"file:{tmp_path / folder / 'x.jsonl'}").place for folder in ("a", "b")}
    assert len(places) == 2
    assert opened(f"file:{tmp_path}/a/../a/x.jsonl").place in places


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("nonsense", "is no source"),
        ("file:", "is no source"),
        ("file:missing.jsonl", "no file"),
        ("feed:example.org/new.xml", "https://"),
        ("feed:ftp://example.org/new.xml", "not fetched"),
        ("feed:https://user:pw@example.org/", "not fetched"),
        ("feed:https://example.org:8080/", "port 8080"),
        ("page:https://[::1", "not a web address"),
        ("imap:mail.example.org", "is no source"),
    ],
)
def test_what_is_no_source_is_told(source: str, told: str) -> None:
    with pytest.raises(OperatorError, match=told):
        opened(source)


def test_a_platform_s_name_must_be_one() -> None:
    with pytest.raises(OperatorError, match="lower-case"):
        opened("feed:https://other.example/", platform="My Shop")


@pytest.mark.parametrize(
    ("host", "name"),
    [("www.Example.co.uk", "example-co-uk"), ("xn--80ak6aa92e.com", "xn-80ak6aa92e-com"), ("-", "unnamed")],
)
def test_a_host_gives_a_platform_name(host: str, name: str) -> None:
    assert name_of(host) == name


# ---- the commands -------------------------------------------------------------------------------


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    import typer

    from streams.connect.commands import register

    monkeypatch.setenv("TAKIN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr("streams.logs.configure", lambda level: None)  # it is for whole processes
    app = typer.Typer()
    register(app)

    def invoke(*arguments: str) -> Any:
        return CliRunner().invoke(app, arguments)

    return invoke


def test_a_dry_run_prints_listings_and_needs_no_kafka(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    row = {"id": "1", "title": "象牙", "platform": "p", "url": "https://p.example/1"}
    path.write_text(json.dumps(row) + "\nbroken\n")
    result = run("connect", f"file:{path}", "--dry-run", "--summary", str(tmp_path / "out" / "s.json"))

    assert result.exit_code == 0, result.exception
    (line,) = [one for one in result.stdout.splitlines() if one.startswith("{")]
    assert Listing.from_bytes(line.encode()).title == "象牙"
    assert f"{path}:2" in result.stderr
    summary = json.loads((tmp_path / "out" / "s.json").read_text())
    assert (summary["read"], summary["set_aside"]) == (2, {"not_json": 1})
    assert not (tmp_path / "data").exists()


def test_a_dry_run_tells_a_wait_that_was_asked_of_the_connector_and_asks_nobody(
    run: Any, tmp_path: Path
) -> None:
    address = "http://127.0.0.1:1/new.json"
    CursorStore(tmp_path / "data" / "cursors").keep_wait("feed", f"far {address}", 900.0, datetime.now(UTC))
    platforms = tmp_path / "platforms.yaml"
    far = {"name": "far", "kind": "desk", "folder": str(tmp_path), "private_address": True}
    platforms.write_text(json.dumps({"platforms": [{**far, "base_url": "http://127.0.0.1:1"}]}))
    result = run("connect", f"feed:{address}", "--platforms", str(platforms), "--dry-run")

    assert isinstance(result.exception, OperatorError)
    assert "asked to be left alone until" in str(result.exception)
    assert "a dry run does not wait" in str(result.exception)


def test_no_broker_is_told_in_one_sentence(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    (tmp_path / "x.jsonl").write_text("{}\n")
    result = run("connect", f"file:{tmp_path / 'x.jsonl'}")

    assert isinstance(result.exception, OperatorError)
    assert "No Kafka broker answers at 127.0.0.1:1" in str(result.exception)


def test_a_new_key_opens_the_intake_with_the_printed_row(run: Any, tmp_path: Path) -> None:
    result = run("intake-key", "k-1", "--organisation", "Ö", "--platform", "market", "--reports")
    token = result.stdout.split("#   ")[1].split()[0]
    path = tmp_path / "keys.yaml"
    path.write_text("keys:\n" + result.stdout)

    key = load_keys(path).find(f"Bearer {token}")
    assert key is not None
    assert (key.sha256, set(key.roles)) == (hash_key(token), {"listings", "reports"})


def test_a_key_that_opens_nothing_is_not_made(run: Any) -> None:
    result = run("intake-key", "k-1", "--organisation", "o")

    assert "--reports" in str(result.exception)
