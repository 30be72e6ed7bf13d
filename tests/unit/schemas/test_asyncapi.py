"""The AsyncAPI document says what the catalogue says, and every reference in it leads somewhere.

The document was also validated against the official AsyncAPI 3.0.0 schema (CONTRIBUTING.md tells
how to repeat that); that schema is published for another package registry, so it is not needed here.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft7Validator

from schemas.envelope import cloud_event_headers
from schemas.generate import asyncapi, message_name
from schemas.topics import CATALOGUE, Topic

DOCUMENT = asyncapi()


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(reference: str) -> Any:
    node: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        node = node[step.replace("~1", "/").replace("~0", "~")]
    return node


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))

    assert found
    for reference in found:
        assert isinstance(resolve(reference), dict), reference


def test_it_declares_the_version_and_the_parts_that_the_standard_demands() -> None:
    assert re.fullmatch(r"3\.\d+\.\d+", DOCUMENT["asyncapi"])
    assert DOCUMENT["info"]["title"]
    assert DOCUMENT["info"]["version"]
    for server in DOCUMENT["servers"].values():
        assert {"host", "protocol"} <= server.keys()
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in {"send", "receive"}
        channel = operation["channel"]["$ref"]
        assert channel.startswith("#/channels/")
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{channel}/messages/")


def test_names_are_valid_component_keys() -> None:
    for section in DOCUMENT["components"].values():
        assert [name for name in section if not re.fullmatch(r"[\w.\-]+", name, re.ASCII)] == []


@pytest.mark.parametrize("topic", CATALOGUE, ids=lambda topic: topic.name)
def test_each_topic_is_a_channel_with_its_kafka_settings(topic: Topic) -> None:
    channel = DOCUMENT["channels"][topic.name]
    kafka = channel["bindings"]["kafka"]
    settings = {
        name: ",".join(value) if isinstance(value, list) else str(value)
        for name, value in kafka["topicConfiguration"].items()
    }

    assert channel["address"] == topic.name
    assert kafka["partitions"] == topic.partitions
    assert settings.items() <= topic.config().items()
    assert set(channel["messages"]) == {model.__name__ for model in topic.messages}
    for model in topic.messages:
        message = resolve(channel["messages"][model.__name__]["$ref"])
        assert topic.key in message["bindings"]["kafka"]["key"]["description"]
        assert set(model.model_fields) == set(resolve(message["payload"]["$ref"])["properties"])


@pytest.mark.parametrize("topic", CATALOGUE, ids=lambda topic: topic.name)
def test_each_writer_and_reader_is_an_operation(topic: Topic) -> None:
    told = [
        operation["action"]
        for operation in DOCUMENT["operations"].values()
        if operation["channel"]["$ref"] == f"#/channels/{topic.name}"
    ]

    assert told.count("send") == len(topic.producers)
    assert told.count("receive") == len(topic.consumers)


def test_payload_schemas_are_within_asyncapis_own_dialect() -> None:
    # AsyncAPI 3's schema object extends draft-07.
    for name, schema in DOCUMENT["components"]["schemas"].items():
        Draft7Validator.check_schema(schema)

        assert "$defs" not in schema, name


@pytest.mark.parametrize("topic", CATALOGUE, ids=lambda topic: topic.name)
def test_the_headers_are_the_ones_that_records_carry(topic: Topic) -> None:
    written = cloud_event_headers(
        event_id="1",
        source="/takin/test",
        event_type=f"takin.{message_name(topic.message)}.v1",
        at=datetime(2026, 3, 9, tzinfo=UTC),
    )
    headers = {name: value.decode() for name, value in written}
    schema = resolve(f"#/components/messages/{topic.message.__name__}")["headers"]

    assert headers.keys() == schema["properties"].keys()
    Draft7Validator(schema).validate(headers)
