"""Generated contract files: one JSON Schema a message, and one AsyncAPI document for the topics.

``python -m schemas.generate`` writes them beside the models; ``--check`` compares instead, names
every file that is not as the models say, and exits 1. The files are committed, so that a change of
a contract shows as a diff that a person can read.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from schemas.case_event import CaseEvent
from schemas.checkpoint import AuditCheckpoint
from schemas.dead_letter import DeadLetter
from schemas.detection import Detection
from schemas.follow_up import FollowUp
from schemas.listing import Listing
from schemas.message import Message
from schemas.notice import Notice
from schemas.progress import ScreeningProgress
from schemas.report import Report
from schemas.response import PlatformResponse
from schemas.topics import CATALOGUE, Topic
from schemas.watchlist import ReferenceRelease, RulePackRelease, WatchlistEntry

MESSAGES: tuple[type[Message], ...] = (
    Listing,
    Report,
    WatchlistEntry,
    RulePackRelease,
    ReferenceRelease,
    Detection,
    ScreeningProgress,
    Notice,
    FollowUp,
    PlatformResponse,
    CaseEvent,
    AuditCheckpoint,
    DeadLetter,
)
"""Every message, in the order in which one listing's way meets them."""

PACKAGE = Path(__file__).parent
ASYNCAPI_VERSION = "3.0.0"
KAFKA_BINDING_VERSION = "0.5.0"
"""Version of AsyncAPI's Kafka bindings that the document follows."""


def message_name(message: type[Message]) -> str:
    """The message's name in files and ids, for example ``watchlist-entry``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", message.__name__).lower()


def version_of(message: type[Message]) -> int:
    """The ``schema_version`` that the model writes."""
    return int(message.model_fields["schema_version"].default)


class _Generator(GenerateJsonSchema):
    """Pydantic's generator without the titles that only repeat a field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


def _plain(docstring: str) -> str:
    """A docstring for readers outside Python: no reStructuredText roles, no line breaks in a sentence."""
    without_roles = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", docstring).replace("``", "`")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in without_roles.split("\n\n"))


def _readable(node: Any) -> Any:
    """The same schema with every description made plain."""
    if isinstance(node, dict):
        return {
            name: _plain(value) if name == "description" and isinstance(value, str) else _readable(value)
            for name, value in node.items()
        }
    if isinstance(node, list):
        return [_readable(value) for value in node]
    return node


def json_schema(message: type[Message]) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what a reader of this message accepts."""
    schema = _readable(message.model_json_schema(schema_generator=_Generator))
    parts = schema.pop("$defs", None)
    head = {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": f"urn:takin:{message_name(message)}:{version_of(message)}",
        "title": schema.pop("title"),
    }
    return {**head, **schema, **({"$defs": parts} if parts else {})}


def _kafka_channel(topic: Topic) -> dict[str, Any]:
    """A topic's Kafka binding: name, partitions, and how records are kept."""
    config = topic.config()
    return {
        "topic": topic.name,
        "partitions": topic.partitions,
        "topicConfiguration": {
            "cleanup.policy": config["cleanup.policy"].split(","),
            "retention.ms": int(config["retention.ms"]),
            "max.message.bytes": int(config["max.message.bytes"]),
        },
        "bindingVersion": KAFKA_BINDING_VERSION,
    }


def _channel(topic: Topic) -> dict[str, Any]:
    names = [message.__name__ for message in topic.messages]
    return {
        "address": topic.name,
        "title": topic.name,
        "summary": topic.summary,
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {"kafka": _kafka_channel(topic)},
    }


def _operations(topic: Topic) -> Iterable[tuple[str, dict[str, Any]]]:
    """One operation a process and topic: who sends to it, who reads it."""
    for action, processes in (("send", topic.producers), ("receive", topic.consumers)):
        for process in processes:
            name = f"{process.replace(' ', '-')}-{action}-{topic.name}"
            verb = "writes to" if action == "send" else "reads"
            yield (
                name,
                {
                    "action": action,
                    "title": f"{process} {verb} {topic.name}",
                    "channel": {"$ref": f"#/channels/{topic.name}"},
                    "messages": [
                        {"$ref": f"#/channels/{topic.name}/messages/{message.__name__}"}
                        for message in topic.messages
                    ],
                },
            )


def _headers(message: type[Message]) -> dict[str, Any]:
    """The record's headers: CloudEvents in binary mode, as :mod:`schemas.envelope` writes them."""
    kind = f"takin.{message_name(message)}.v{version_of(message)}"
    return {
        "type": "object",
        "description": "CloudEvents 1.0, binary mode. A reader needs none of them.",
        "properties": {
            "ce_specversion": {"const": "1.0"},
            "ce_id": {"type": "string", "description": "Repeats when the same thing is told again."},
            "ce_source": {"type": "string", "format": "uri-reference"},
            "ce_type": {"const": kind},
            "ce_time": {"type": "string", "format": "date-time"},
            "content-type": {"const": "application/json"},
        },
    }


def _message(topic: Topic, message: type[Message]) -> dict[str, Any]:
    name = message.__name__
    return {
        "name": name,
        "title": name,
        "summary": topic.summary,
        "contentType": "application/json",
        "headers": _headers(message),
        "payload": {"$ref": f"#/components/schemas/{name}"},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": f"{topic.key}, UTF-8."},
                "bindingVersion": KAFKA_BINDING_VERSION,
            }
        },
    }


def asyncapi(catalogue: Sequence[Topic] = CATALOGUE) -> dict[str, Any]:
    """The AsyncAPI 3 document of the topics in the catalogue."""
    models: list[tuple[type[BaseModel], Any]] = [
        (message, "validation") for topic in catalogue for message in topic.messages
    ]
    _, definitions = models_json_schema(
        models, ref_template="#/components/schemas/{model}", schema_generator=_Generator
    )
    return {
        "asyncapi": ASYNCAPI_VERSION,
        "info": {
            "title": "Takin",
            "version": "1",
            "description": "What Takin's processes tell each other through Kafka. One JSON object a "
            "record, UTF-8. A breaking change is a new topic, never an edit of one of these.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "127.0.0.1:9092",
                "protocol": "kafka",
                "description": "The embedded broker; KAFKA_BOOTSTRAP_SERVERS names another.",
            }
        },
        "channels": {topic.name: _channel(topic) for topic in catalogue},
        "operations": {name: value for topic in catalogue for name, value in _operations(topic)},
        "components": {
            "messages": {
                message.__name__: _message(topic, message)
                for topic in catalogue
                for message in topic.messages
            },
            "schemas": _readable(definitions["$defs"]),
        },
    }


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def files() -> dict[str, str]:
    """Every generated file: path inside this package, text."""
    schemas = {f"json/{message_name(message)}.json": _text(json_schema(message)) for message in MESSAGES}
    return {**schemas, "asyncapi.json": _text(asyncapi())}


def write(folder: Path = PACKAGE) -> tuple[str, ...]:
    """Write what differs and remove what no model stands for any more; returns the paths touched."""
    changed = stale(folder)
    wanted = files()
    for path in changed:
        target = folder / path
        if path in wanted:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(wanted[path], encoding="utf-8")
        else:
            target.unlink()
    return changed


def stale(folder: Path = PACKAGE) -> tuple[str, ...]:
    """Paths of generated files that are missing, differ, or belong to no message."""
    wanted = files()
    differing = {
        path
        for path, text in wanted.items()
        if not (folder / path).is_file() or (folder / path).read_text(encoding="utf-8") != text
    }
    present = {f"json/{file.name}" for file in (folder / "json").glob("*.json")}
    return tuple(sorted(differing | (present - wanted.keys())))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the files; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m schemas.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 when a file is stale")
    options = parser.parse_args(arguments)
    if not options.check:
        for path in write():
            print(f"schemas/{path}: written")
        return 0
    outdated = stale()
    for path in outdated:
        print(f"schemas/{path} is not what the models say: run 'make schemas'", file=sys.stderr)
    return 1 if outdated else 0


if __name__ == "__main__":
    raise SystemExit(main())
