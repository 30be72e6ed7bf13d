"""What the desk API's words mean, and that the same fact has one id however it was told."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest

from connectors.answers import receipt_response
from connectors.desk_contract import Word
from connectors.errors import UnreadableAnswer
from connectors.platform import ProbeTarget, RawAnswer, Receipt
from connectors.platforms.sandbox import MAPPING_VERSION, MEANING, SandboxPlatform
from connectors.probe import judge
from connectors.registry import PlatformConfig
from schemas.response import PlatformResponse

DATA = Path(__file__).parents[3] / "data" / "platforms" / "sandbox"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KEY = "n1_" + "a" * 52
CONFIG = PlatformConfig(name="market", kind="sandbox", base_url="https://desk.example.org")


@pytest.fixture
def platform() -> SandboxPlatform:
    return SandboxPlatform(CONFIG, (), ())


def raw(body: bytes, channel: Any = "webhook", source_id: str = "msg_1") -> RawAnswer:
    return RawAnswer("market", source_id, channel, NOW, body)


def answer(**item: Any) -> bytes:
    body = json.loads((DATA / "answer_removed.json").read_text())
    body["data"]["item"].update(item)
    return json.dumps(body).encode()


def test_every_word_of_the_contract_has_a_meaning() -> None:
    assert set(MEANING) == set(get_args(Word))


@pytest.mark.parametrize("word", sorted(MEANING))
def test_every_meaning_is_a_valid_response(platform: SandboxPlatform, word: str) -> None:
    (response,) = platform.parse(raw(answer(word=word)))

    kind, outcome, measures = MEANING[word]
    assert (response.kind, response.outcome, response.measures) == (kind, outcome, measures)
    assert response.parser_version == MAPPING_VERSION
    assert (outcome is None) == (kind in ("receipt", "status", "counter_notice", "appeal", "reinstated"))


def test_what_the_platform_says_is_kept_as_its_claim(platform: SandboxPlatform) -> None:
    (response,) = platform.parse(raw((DATA / "answer_removed.json").read_bytes()))

    assert response.effective_at == datetime(2026, 11, 23, 10, 4, 58, tzinfo=UTC)
    assert response.received_at == NOW
    assert (response.ground, response.automated, response.explanation) == (
        "law",
        False,
        "Removed: raw ivory.",
    )
    assert (response.item_id, response.platform_reference) == ("i_1", "DESK-000042")


def test_a_webhook_sent_again_and_a_poll_of_the_same_fact_agree(platform: SandboxPlatform) -> None:
    once = platform.parse(raw((DATA / "answer_removed.json").read_bytes()))
    again = platform.parse(raw((DATA / "answer_removed.json").read_bytes(), source_id="msg_2"))
    polled = platform.parse(raw((DATA / "status_removed.json").read_bytes(), "poll"))

    assert {response.response_id for response in (*once, *again, *polled)} == {once[0].response_id}


def test_another_time_or_word_is_another_fact(platform: SandboxPlatform) -> None:
    ids = {
        platform.parse(raw(answer(**change)))[0].response_id
        for change in ({}, {"at": "2026-11-23T10:06:00Z"}, {"word": "REINSTATED"}, {"item_id": "i_2"})
    }

    assert len(ids) == 4


def test_a_receipt_and_a_poll_that_says_received_agree(platform: SandboxPlatform) -> None:
    receipt = Receipt(202, "DESK-000042", False, NOW, b"{}")
    told = receipt_response("market", KEY, receipt, NOW, parser_version=MAPPING_VERSION)
    status = json.loads((DATA / "status_removed.json").read_text())
    item = {"item_id": "i_1", "word": "RECEIVED", "at": "2026-11-23T10:00:00Z"}
    status["items"] = [item, {**item, "item_id": "i_2"}]
    polled = platform.parse(raw(json.dumps(status).encode(), "poll"))

    assert [response.response_id for response in polled] == [told.response_id]
    assert isinstance(told, PlatformResponse)
    assert (told.kind, told.outcome, polled[0].item_id) == ("receipt", None, None)


def test_a_duplicate_receipt_says_so() -> None:
    receipt = Receipt(409, "DESK-7", True, None, b"{}")

    told = receipt_response("market", KEY, receipt, NOW, parser_version=MAPPING_VERSION)

    assert (told.kind, told.outcome, told.platform_reference) == ("receipt", "duplicate", "DESK-7")


@pytest.mark.parametrize(
    "change",
    [
        {"at": "2026-11-23T10:00:00"},
        {"effective_at": "2026-11-23T10:00:00"},
        {"at": "yesterday"},
        {"ground": "whim"},
        {"item_id": None},
        {"explanation": "x" * 30_000},
    ],
)
def test_a_shape_that_is_not_the_contract_s_is_unreadable(
    platform: SandboxPlatform, change: dict[str, Any]
) -> None:
    with pytest.raises(UnreadableAnswer) as error:
        platform.parse(raw(answer(**change)))

    assert error.value.reason == "wrong_shape"


def test_a_hostile_word_does_not_reach_the_error(platform: SandboxPlatform) -> None:
    with pytest.raises(UnreadableAnswer) as error:
        platform.parse(raw(answer(word="REMOVED\u202e <script>\n")))

    assert error.value.reason == "unmapped"
    assert "script" not in str(error.value)


# ---- pages --------------------------------------------------------------------------------------

TARGET = ProbeTarget("L-1", "https://shop.example/listing/L-1", "0" * 64)


def shown(product: dict[str, Any], body: str = "") -> bytes:
    block = json.dumps({"@type": "Product", **product})
    return f'<script type="application/ld+json">{block}</script>{body}'.encode()


@pytest.mark.parametrize(
    ("body", "state", "reason"),
    [
        (shown({"productID": "L-1"}), "online", "page_shown"),
        (shown({"sku": "L-1", "productID": "x"}), "online", "page_shown"),
        (shown({"@id": "https://shop.example/listing/L-1/"}), "online", "page_shown"),
        (
            shown({"productID": "L-1"}, '<meta name="listing-state" content="removed">'),
            "online",
            "page_shown",
        ),
        (shown({"productID": "L-1"}, "<input type=password>"), "online", "page_shown"),
        (shown({"productID": "L-2"}), "unknown", "other"),
        (shown({"productID": "L-2", "url": TARGET.url}), "unknown", "other"),
        (shown({"name": "L-1"}), "unknown", "other"),
        (
            shown({"productID": "L-2"}, '<meta name="listing-state" content="removed">'),
            "offline",
            "removed_notice",
        ),
        (b'<meta name="listing-state" content="removed"><p>L-1 was removed</p>', "offline", "removed_notice"),
        (b'<article data-state="login"><input type=password>L-1</article>', "unknown", "login_wall"),
        (b"L-1", "unknown", "other"),
        (b"\xff\x00", "unknown", "other"),
    ],
)
def test_a_page_is_judged_by_the_listing_s_own_content(body: bytes, state: str, reason: str) -> None:
    assert judge(200, "text/html", body, TARGET) == (state, reason)
