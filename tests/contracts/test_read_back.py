"""What was put into a notice comes out of every channel, read by programs that are not ours.

The oracle is the generated document itself, made before our models saw it. It is read back with the
standard library's ``json``, ``csv``, ``email`` and ``base64``, the public ``xarf`` and ``standardwebhooks``
libraries, and the published JSON Schema.
"""

import base64
import copy
import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import xarf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from standardwebhooks import Webhook

import schemas
from connectors.platform import Platform
from connectors.registry import PlatformConfig, build
from connectors.signing import sign
from schemas.notice import Notice
from tests.support.hostile import EXAMPLE, TEXTS

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
ENVIRONMENT = {"KEY": "canary-api-key-0123456789", "SECRET": SECRET}
SCHEMA = json.loads((Path(schemas.__file__).parent / "json" / "notice.json").read_bytes())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

OPTIONS: dict[str, dict[str, Any]] = {
    "sandbox": {"secret": "env:SECRET", "max_items": 300},
    "xarf": {"api_key": "env:KEY"},
    "coop": {
        "api_key": "env:KEY",
        "coop": {"item_type_id": "listing", "reporter_type_id": "reporter", "policy_id": "p-7"},
    },
    "email": {
        "mail": {"to": ["abuse@bazaar.example"], "sender": "takin@monitor.example", "host": "127.0.0.1"}
    },
    "csv": {"folder": "unused"},
    "desk": {"folder": "unused"},
}
TOO_SHORT = {"mastodon", "reddit"}
"""Formats without room for the whole of a notice."""
ONE_ITEM = {"xarf", "email"}
"""Formats that take one item a notice."""


@cache
def platform(kind: str) -> Platform:
    config = {"name": "bazaar", "kind": kind, "base_url": "https://bazaar.example", **OPTIONS[kind]}
    return build(PlatformConfig.model_validate(config), environment=ENVIRONMENT)


# ---- readers ----------------------------------------------------------------------------------------


def _plain(body: bytes) -> Iterator[Any]:
    yield json.loads(body)


def _signed(body: bytes) -> Iterator[Any]:
    headers = sign((SecretStr(SECRET),), "msg", body, datetime.now(UTC))
    yield Webhook(SECRET).verify(body, headers)


def _of_xarf(report: dict[str, Any]) -> Any:
    read = xarf.parse(json.dumps(report))
    assert read.errors == []
    [evidence] = report["evidence"]
    return json.loads(base64.b64decode(evidence["payload"], validate=True))


def _xarf(body: bytes) -> Iterator[Any]:
    yield _of_xarf(json.loads(body)["report"]["xarf"])


def _coop(body: bytes) -> Iterator[Any]:
    yield json.loads(json.loads(body)["reportedItem"]["data"]["notice"])


def _mail(body: bytes) -> Iterator[Any]:
    message = message_from_bytes(body, policy=policy.default)
    assert isinstance(message, EmailMessage)
    parts = {part.get_filename(): part for part in message.iter_parts() if part.get_filename()}
    yield _attached(parts["notice.json"])
    yield _of_xarf(_attached(parts["xarf.json"]))


def _attached(part: Message) -> Any:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return json.loads(payload)


def _rows(body: bytes) -> Iterator[Any]:
    first, *others = csv.reader(io.StringIO(body.decode("utf-8"), newline=""))
    yield json.loads(first[-1])
    assert {row[-1] for row in others} <= {""}
    assert {tuple(row[:3]) for row in others} <= {tuple(first[:3])}


READERS: dict[str, tuple[str, Callable[[bytes], Iterator[Any]]]] = {
    "desk API": ("sandbox", _plain),
    "signed webhook": ("sandbox", _signed),
    "XARF": ("xarf", _xarf),
    "Coop": ("coop", _coop),
    "mail": ("email", _mail),
    "CSV": ("csv", _rows),
    "desk inbox": ("desk", _plain),
}


def test_every_channel_is_read_back() -> None:
    from connectors.registry import CHANNEL_KINDS

    assert {kind for kind, _ in READERS.values()} == {"sandbox", *CHANNEL_KINDS} - TOO_SHORT


# ---- documents --------------------------------------------------------------------------------------

any_text = st.one_of(st.sampled_from(TEXTS), st.text(st.characters(exclude_categories=["Cs"]), max_size=80))


def some(longest: int) -> st.SearchStrategy[str]:
    """Text of one letter or more, of every script and every trick."""
    return any_text.map(lambda text: text[:longest]).filter(bool)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    document = copy.deepcopy(EXAMPLE)
    first = document["items"][0]
    items = []
    for number in range(draw(st.integers(1, 4))):
        quote = {**first["quotes"][0], "text": draw(some(500)), "meaning": draw(some(200))}
        item = {
            **first,
            "item_id": f"i_{number:032x}",
            "listing_id": f"{number}-{draw(some(300))}",
            "title": draw(some(500)),
            "seller_handle": draw(some(200)),
            "quotes": [quote, *first["quotes"][1:]],
        }
        items.append(item)
    return {
        **document,
        "items": items,
        "reasons": draw(some(2_000)),
        "good_faith": {**document["good_faith"], "text": draw(some(1_000))},
        "reporter": {**document["reporter"], "unit": draw(some(100))},
    }


def lost(put: Any, got: Any, where: str = "") -> list[str]:
    """Places of ``put`` whose value is another in ``got``; what ``got`` has beside is no loss."""
    if isinstance(put, dict):
        if not isinstance(got, dict):
            return [where]
        return [
            place for name, value in put.items() for place in lost(value, got.get(name), f"{where}/{name}")
        ]
    if isinstance(put, list):
        if not isinstance(got, list) or len(got) != len(put):
            return [where]
        pairs = enumerate(zip(put, got, strict=True))
        return [place for number, (a, b) in pairs for place in lost(a, b, f"{where}/{number}")]
    return [] if put == got else [where]


@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(document=documents())
def test_nothing_is_lost_on_the_way(reader: str, document: dict[str, Any]) -> None:
    kind, read = READERS[reader]
    if kind in ONE_ITEM:
        document = {**document, "items": document["items"][:1]}
    notice = Notice.model_validate_json(json.dumps(document))

    found = list(read(platform(kind).render(notice).body))

    assert found
    for got in found:
        assert lost(document, got) == []
        VALIDATOR.validate(got)
