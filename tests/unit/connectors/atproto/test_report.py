"""What moderators get to read."""

import json
from pathlib import Path
from typing import Any

import pytest

import schemas
from connectors.atproto.report import LONGEST, report_of
from connectors.errors import PlatformRefused
from schemas.notice import Notice
from tests.support.frames import DID

REASON = "tools.ozone.report.defs#reasonRuleProhibitedSales"
URI = f"at://{DID}/app.bsky.feed.post/3kaaa"


def notice(item: dict[str, Any] | None = None, **changes: Any) -> Notice:
    given = Notice.from_bytes((Path(schemas.__file__).parent / "examples" / "notice.json").read_bytes())
    of_item = {"listing_id": URI, "revision": "bafyexample", **(item or {})}
    return given.model_copy(update={"items": (given.items[0].model_copy(update=of_item),), **changes})


def body(of: Notice) -> dict[str, Any]:
    return dict(json.loads(report_of(of, REASON).body))


def test_a_report_is_about_exactly_the_state_that_was_seen() -> None:
    assert body(notice())["subject"] == {
        "$type": "com.atproto.repo.strongRef",
        "uri": URI,
        "cid": "bafyexample",
    }


def test_who_reports_why_and_how_to_answer_stand_in_the_text() -> None:
    of = notice(reply_page="https://desk.example/r/abc")
    text = body(of)["reason"]

    for needed in (
        of.human_reference,
        of.idempotency_key,
        of.reporter.organisation,
        of.reporter.email,
        of.reasons,
        of.good_faith.text,
        of.good_faith.signed_by,
        "https://desk.example/r/abc",
    ):
        assert needed in text


def test_reasons_that_do_not_fit_are_cut_and_all_else_stays() -> None:
    of = notice(reply_page="https://desk.example/r/abc", reasons="象牙 " * 4_000)
    text = body(of)["reason"]

    assert len(text) <= LONGEST
    assert len(text.encode()) <= 20_000
    assert "the whole text is at the address below" in text
    assert text.endswith(f"Reference {of.human_reference}, {of.idempotency_key}")
    assert "https://desk.example/r/abc" in text
    assert of.good_faith.text in text


def test_without_a_page_the_rest_is_to_be_asked_for_by_mail() -> None:
    of = notice(reply_page=None, reasons="x" * 3_000)
    text = body(of)["reason"]

    assert len(text) <= LONGEST
    assert "ask at the address above" in text
    assert of.reporter.email in text


@pytest.mark.parametrize(
    ("of", "why"),
    [
        (notice({"listing_id": "8841502"}), "not the address of a post"),
        (notice({"revision": None}), r"which state \(CID\)"),
        (notice().model_copy(update={"items": notice().items * 2}), "about one post"),
    ],
    ids=["no post", "no CID", "several"],
)
def test_what_a_report_has_no_room_for_is_refused(of: Notice, why: str) -> None:
    with pytest.raises(PlatformRefused, match=why) as refused:
        report_of(of, REASON)

    assert refused.value.reason == "invalid"


def test_nothing_in_the_seller_s_words_acts_in_the_moderators_text() -> None:
    text = body(notice(reasons="He writes “ivory\u202e\u200b\x00”."))["reason"]

    assert "[U+202E][U+200B][U+0000]" in text
    assert not any(hidden in text for hidden in "\u202e\u200b\x00")
