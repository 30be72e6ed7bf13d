"""What a notice says."""

from typing import Any

import pytest

from schemas.listing import Seller
from schemas.notice import Notice
from streams.notices.law import load_law
from streams.notices.policy import PlatformPolicy, SenderPolicy
from streams.notices.sender import demonstration_sender
from streams.notices.wording import CannotWrite, notice_key, write_notice
from tests.support.notices import LAW, T0, make_detection

SENDER = demonstration_sender(reply_base="https://takin.example")


def written(*, sender: SenderPolicy = SENDER, **changes: object) -> Notice:
    return write_notice(
        make_detection(),
        notice_id="n",
        case_id="c",
        revision=1,
        law=LAW,
        platform=PlatformPolicy("market"),
        sender=sender,
        now=T0,
        **{"round": 1, **changes},  # type: ignore[arg-type]
    )


def test_it_has_every_element_of_article_16_2() -> None:
    notice = written()

    assert notice.reasons
    assert notice.items[0].url == "https://market.example/listing/1"
    assert (notice.reporter.organisation, notice.reporter.email) == (
        "Takin demonstration",
        "notices@takin.example",
    )
    assert "accurate and complete" in notice.good_faith.text


def test_it_quotes_the_sellers_own_characters_with_their_place() -> None:
    [quote] = written().items[0].quotes

    assert (quote.text, quote.start, quote.end, quote.field) == ("ivory", 7, 12, "title")


def test_it_names_the_state_of_the_listing_that_was_seen() -> None:
    assert written().items[0].revision is None
    notice = write_notice(
        make_detection(revision="bafyexample"),
        notice_id="n",
        case_id="c",
        round=1,
        revision=1,
        law=LAW,
        platform=PlatformPolicy("market"),
        sender=SENDER,
        now=T0,
    )
    assert notice.items[0].revision == "bafyexample"


def test_it_names_the_law_and_says_where_to_answer() -> None:
    notice = written()

    assert "Article III" in notice.reasons
    assert notice.reply_to == "https://takin.example/answers/market"


def test_a_rule_without_a_known_provision_writes_nothing() -> None:
    with pytest.raises(CannotWrite, match="cites-i"):
        write_notice(
            make_detection(),
            notice_id="n",
            case_id="c",
            round=1,
            revision=1,
            law={},
            platform=PlatformPolicy("market"),
            sender=SENDER,
            now=T0,
        )


def test_the_same_matter_has_the_same_key_whenever_it_is_written() -> None:
    assert written().idempotency_key == written().idempotency_key


def test_another_round_is_another_key() -> None:
    assert written().idempotency_key != written(round=2).idempotency_key


def test_the_key_does_not_depend_on_the_order_of_items_or_provisions() -> None:
    def key(listings: tuple[str, ...], basis: tuple[str, ...]) -> str:
        return notice_key(
            platform="market",
            listing_ids=listings,
            round=1,
            legal_basis=basis,
            action="remove",
            revision=1,
        )

    assert key(("1", "2"), ("a", "b")) == key(("2", "1"), ("b", "a"))
    assert key(("1", "2"), ("a",)) != key(("12",), ("a",))
    assert len(key(("1",), ("a",))) <= 128


def test_every_provision_of_the_table_can_stand_in_a_notice() -> None:
    law = load_law()

    assert "cites-appendix-i" in law
    assert all(basis.text and basis.law for basis in law.values())


def test_who_is_told_keyed_names_is_not_asked_to_suspend_anybody() -> None:
    asked: dict[str, Any] = {"notice_id": "n", "case_id": "c", "round": 1, "revision": 1, "law": LAW}
    asked |= {"sender": SENDER, "now": T0}
    keyed = PlatformPolicy("market", keyed=lambda name: f"<{len(name)}>")
    detection = make_detection(seller=Seller(handle="Al", account_id="4711"), title="Ivory, ask 4711, not Al")

    [item] = write_notice(detection, platform=keyed, **asked).items
    assert (item.seller_handle, item.seller_account_id) == ("<2>", None)
    assert item.title == "Ivory, ask <4>, not Al", "two letters stand in many words"
    [clear] = write_notice(detection, platform=PlatformPolicy("market"), **asked).items
    assert (clear.seller_handle, clear.seller_account_id) == ("Al", "4711")
    with pytest.raises(CannotWrite, match="nobody can be suspended"):
        write_notice(detection, platform=keyed, action="suspend_seller", **asked)
