"""The generator of contract files."""

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import schemas.generate as generate
from schemas.message import Message
from schemas.topics import CATALOGUE
from schemas.watchlist import WatchlistEntry


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generate.write(tmp_path)
    return tmp_path


def test_what_was_written_is_not_stale(folder: Path) -> None:
    assert generate.stale(folder) == ()
    assert generate.write(folder) == ()


def test_a_changed_a_missing_and_a_left_over_file_are_each_named(folder: Path) -> None:
    (folder / "json/listing.json").write_text("{}")
    (folder / "asyncapi.json").unlink()
    (folder / "json/forgotten.json").write_text("{}")

    assert generate.stale(folder) == ("asyncapi.json", "json/forgotten.json", "json/listing.json")
    generate.write(folder)
    assert generate.stale(folder) == ()
    assert not (folder / "json/forgotten.json").exists()


def test_check_exits_1_and_names_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "json/report.json").write_text("{}")
    monkeypatch.setattr(generate.stale, "__defaults__", (folder,))

    assert generate.main(["--check"]) == 1
    assert "schemas/json/report.json" in capsys.readouterr().err


def test_every_message_model_is_generated() -> None:
    named = {
        model
        for model in _descendants(Message)
        if model.__module__.startswith("schemas.") and not model.__name__.startswith("_")
    }

    assert named == set(generate.MESSAGES)


def _descendants(model: type[Message]) -> set[type[Message]]:
    direct = set(model.__subclasses__())
    return direct.union(*(_descendants(child) for child in direct))


def test_names_follow_the_model() -> None:
    assert generate.message_name(WatchlistEntry) == "watchlist-entry"
    assert generate.json_schema(WatchlistEntry)["$id"] == "urn:takin:watchlist-entry:1"


@pytest.mark.parametrize("message", generate.MESSAGES, ids=generate.message_name)
def test_each_schema_is_valid_draft_2020_12_and_says_what_the_docstrings_say(message: type[Message]) -> None:
    schema = generate.json_schema(message)
    Draft202012Validator.check_schema(schema)

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["description"]
    for name, field in message.model_fields.items():
        if field.description:
            assert schema["properties"][name].get("description"), name
    assert ":class:`" not in str(schema)
    assert "``" not in str(schema)


def test_an_unknown_field_is_allowed_by_the_schema_because_readers_ignore_it() -> None:
    for message in generate.MESSAGES:
        schema = generate.json_schema(message)
        objects = [schema, *schema.get("$defs", {}).values()]

        assert [node for node in objects if node.get("additionalProperties") is False] == []


def test_every_topics_message_has_a_schema() -> None:
    assert {message for topic in CATALOGUE for message in topic.messages} <= set(generate.MESSAGES)
