"""The committed examples are valid, and together they tell one case without a contradiction."""

import base64
import json
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiokafka.partitioner import DefaultPartitioner
from jsonschema import Draft202012Validator, FormatChecker

import schemas
from schemas.case_event import CaseEvent
from schemas.dead_letter import DeadLetter, dead_letter
from schemas.detection import Detection, detection_id
from schemas.generate import MESSAGES, message_name
from schemas.listing import Listing, content_hash
from schemas.message import Message
from schemas.notice import Notice
from schemas.progress import ScreeningProgress
from schemas.report import Report
from schemas.response import PlatformResponse
from schemas.topics import topic
from schemas.watchlist import WatchlistEntry
from streams.notices.wording import item_id, notice_key

M = TypeVar("M", bound=Message)

EXAMPLES = Path(schemas.__file__).parent / "examples"
FIRST_SHAPE = Path(__file__).parents[2] / "golden" / "first_shape"
"""Each message as first published, with its required fields only. These files are never edited."""


def document(message: type[Message], folder: Path = EXAMPLES) -> Any:
    return json.loads((folder / f"{message_name(message)}.json").read_text(encoding="utf-8"))


def example(message: type[M]) -> M:
    return message.model_validate(document(message))


def validate(message: type[Message], value: Any) -> None:
    schema = json.loads((EXAMPLES.parent / "json" / f"{message_name(message)}.json").read_text("utf-8"))
    Draft202012Validator(schema, format_checker=FormatChecker(["date-time"])).validate(value)


WRITTEN_BEFORE = FIRST_SHAPE.parent / "written_before"
"""Each message with every field, as the code of c98588a wrote it; never edited, replaced at a release."""

every_message = pytest.mark.parametrize("message", MESSAGES, ids=message_name)


def test_there_is_one_example_a_message_and_no_other() -> None:
    wanted = {f"{message_name(message)}.json" for message in MESSAGES}

    assert {file.name for file in EXAMPLES.iterdir()} == wanted


@every_message
def test_an_example_is_what_the_model_writes(message: type[Message]) -> None:
    value = document(message)
    read = message.model_validate(value)

    assert json.loads(read.to_bytes()) == value
    assert message.from_bytes(read.to_bytes()) == read


@every_message
def test_an_example_is_valid_by_its_json_schema(message: type[Message]) -> None:
    validate(message, document(message))


@every_message
def test_a_message_of_the_first_shape_is_still_read(message: type[Message]) -> None:
    value = document(message, FIRST_SHAPE)
    validate(message, value)
    read = message.from_bytes(json.dumps(value).encode())

    assert message.from_bytes(read.to_bytes()) == read


@pytest.mark.parametrize("file", sorted(WRITTEN_BEFORE.iterdir()), ids=lambda file: file.stem)
def test_a_message_as_an_earlier_release_wrote_it_is_read_and_nothing_of_it_is_lost(file: Path) -> None:
    [message] = [one for one in MESSAGES if message_name(one) == file.stem]
    value = json.loads(file.read_text(encoding="utf-8"))
    validate(message, value)

    def without_new(node: Any, old: Any) -> Any:
        """Fields that are new stand there with their default."""
        if isinstance(old, dict) and isinstance(node, dict):
            return {name: without_new(one, old[name]) for name, one in node.items() if name in old}
        if isinstance(old, list) and isinstance(node, list) and len(old) == len(node):
            return [without_new(one, was) for one, was in zip(node, old, strict=True)]
        return node

    again = json.loads(message.model_validate(value).to_bytes())

    assert without_new(again, value) == value


@every_message
def test_fields_that_a_newer_producer_adds_are_ignored(message: type[Message]) -> None:
    def with_more(node: Any) -> Any:
        if isinstance(node, dict):
            return {"from_a_newer_version": {"x": [1]}, **{k: with_more(v) for k, v in node.items()}}
        return [with_more(value) for value in node] if isinstance(node, list) else node

    value = document(message)
    newer = with_more(value)
    if message is CaseEvent:
        newer["data"] = value["data"]  # free by design: it is carried, not ignored
    validate(message, newer)

    assert message.model_validate(newer) == message.model_validate(value)


def test_every_address_is_one_that_nobody_owns() -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in EXAMPLES.iterdir())
    hosts = {part.split("/")[0].split('"')[0] for part in text.split("https://")[1:]}
    mailboxes = {word.strip('",.') for word in text.split() if "@" in word}

    assert hosts
    assert [host for host in hosts if not host.endswith(".example")] == []
    assert mailboxes
    assert [box for box in mailboxes if not box.endswith(".example")] == []


def test_the_detection_is_about_the_listing() -> None:
    listing, detection = example(Listing), example(Detection)

    assert content_hash(listing) == listing.content_hash
    assert detection.listing == listing
    assert detection.key == listing.key
    assert detection.content_hash == listing.content_hash
    assert detection.detection_id == detection_id(listing, detection.ruleset_version)
    for match in detection.matches:
        assert getattr(listing, match.field)[match.start : match.end] == match.quote


def test_kafka_would_put_the_listing_where_the_detection_says() -> None:
    listing, detection = example(Listing), example(Detection)
    partitions = list(range(topic(detection.source.topic).partitions))

    assert DefaultPartitioner()(listing.key.encode(), partitions, partitions) == detection.source.partition


def test_the_watchlist_entry_is_the_one_that_matched() -> None:
    entry, detection = example(WatchlistEntry), example(Detection)
    matched = [match for match in detection.matches if match.kind == "watchlist"]

    assert [(match.ref, match.term) for match in matched] == [(entry.entry_id, entry.value)]


def test_the_progress_covers_the_listing_and_the_dead_letter_and_adds_up() -> None:
    progress, detection, letter = example(ScreeningProgress), example(Detection), example(DeadLetter)
    counts = progress.notify + progress.review + progress.monitor + progress.clear + progress.set_aside

    assert counts == progress.decided == progress.next_offset - progress.first_offset
    assert progress.first_offset <= detection.source.offset < progress.next_offset
    assert letter.offset is not None
    assert progress.first_offset <= letter.offset < progress.next_offset
    assert (progress.topic, progress.partition) == (letter.topic, letter.partition)
    assert detection.ruleset_version in progress.ruleset_versions


def test_the_report_is_about_the_listing() -> None:
    assert example(Report).url == example(Listing).url


def test_the_notice_follows_from_the_detection() -> None:
    notice, detection, listing = example(Notice), example(Detection), example(Listing)
    (item,) = notice.items

    assert item.item_id == item_id(listing.platform, listing.listing_id, item.round)
    assert (item.url, item.title, item.content_hash) == (listing.url, listing.title, listing.content_hash)
    assert notice.detection.detection_ids == (detection.detection_id,)
    assert notice.idempotency_key == notice_key(
        platform=listing.platform,
        listing_ids=(listing.listing_id,),
        round=notice.round,
        legal_basis=tuple(basis.id for basis in notice.legal_basis),
        action=notice.requested_action,
        revision=notice.revision,
    )
    for quote in item.quotes:
        assert getattr(listing, quote.field)[quote.start : quote.end] == quote.text


def test_the_answer_and_the_event_are_about_the_notice() -> None:
    notice, answer, event = example(Notice), example(PlatformResponse), example(CaseEvent)

    assert answer.idempotency_key == notice.idempotency_key
    assert answer.item_id == notice.items[0].item_id
    assert event.notice_id == notice.notice_id
    assert event.case_id in notice.case_ids
    assert event.data["response_id"] == answer.response_id
    assert notice.issued_at < answer.received_at <= event.recorded_at


def test_the_dead_letter_repeats_its_id_and_its_reason_is_true() -> None:
    letter = example(DeadLetter)
    again = dead_letter(
        stage=letter.stage,
        reason=letter.reason,
        detail=letter.detail,
        value=base64.b64decode(letter.record_value),
        now=letter.set_aside_at,
        topic=letter.topic,
        partition=letter.partition,
        offset=letter.offset,
        key=letter.record_key_bytes,
        worker=letter.worker,
    )

    assert again == letter
    assert "listing_id" not in json.loads(letter.value)
